"""Every knob: its default, its bounds, and one sentence; one TOML file, and `HEADWATER_…` variables over it."""

from __future__ import annotations

import ast
import difflib
import inspect
import os
import re
import shlex
import tomllib
from functools import cache
from ipaddress import ip_network
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args, get_origin
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings import SettingsError as EnvironmentValueError

from headwater.errors import ProjectError, SettingsError

FILE = "headwater.toml"
PREFIX = "HEADWATER_"

Port = Annotated[int, Field(ge=0, le=65535)]
Bytes = Annotated[int, Field(ge=0)]


def _network(text: str) -> str:
    ip_network(text)  # its ValueError says what is wrong
    return text


Network = Annotated[str, AfterValidator(_network)]
_FOLDER_OR_BUCKET = r"^([^:]*|s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^\s]*)?)$"


class Section(BaseModel):
    """A table of headwater.toml; a key nobody knows is refused, for it is a typing error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class AppSettings(Section):
    """Who sends: the ids that are baked into the apps."""

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    """Pinpoint application id, 32 lower-case hex digits. Keep the one your shipped apps use."""
    name: Annotated[str, Field(min_length=1, max_length=64)] = "app"
    """Name shown for the app."""
    identity_pool_id: Annotated[str, Field(pattern=r"^[\w-]+:[0-9a-f-]+$", max_length=55)]
    """Cognito identity pool id, `region:uuid`. Keep the one your shipped apps use."""
    region: Annotated[str, Field(pattern=r"^[a-z]{2,}(-[a-z]+)+-\d+$")] = "us-east-1"
    """Region that clients sign for."""
    account_id: Annotated[str, Field(pattern=r"^\d{12}$")] = "000000000000"
    """Twelve-digit account id written into records and ARNs."""
    database: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,99}$")] = "analytics"
    """Name of the SQL database that holds the tables."""
    events: str = "events.py"
    """File with the event types, relative to the project."""
    write_key: Annotated[str, Field(pattern=r"^(hw[0-9a-f]{32})?$")] = ""
    """Public key that web pages carry: it may put events and update endpoints of this app, nothing else. Empty: no such key."""


class ListenerSettings(Section):
    """Where a listener binds."""

    host: str
    """Address to bind. 127.0.0.1 serves this machine only; 0.0.0.0 serves the network."""
    port: Port
    """Port to bind; 0 picks a free one, which `headwater status` prints."""


class PublicSettings(ListenerSettings):
    """The public listener: Pinpoint's API for apps. Every request must be signed."""

    host: str = "127.0.0.1"
    """Address to bind. 127.0.0.1 serves this machine only; 0.0.0.0 serves the network."""
    port: Port = 8700
    """Port to bind; 0 picks a free one, which `headwater status` prints."""
    tls_cert: str = ""
    """File with the certificate and its chain (PEM), which makes the listener https; a renewed one is taken without a restart."""
    tls_key: str = ""
    """File with the certificate's private key (PEM, without a password)."""
    url: Annotated[str, Field(pattern=r"^(https?://[^\s/?#@]+)?$")] = ""
    """URL by which apps reach this listener, such as `https://events.example.org`; for snippets and status. Empty: as it is bound."""
    cors_origins: tuple[str, ...] = ("*",)
    """Web origins whose pages may send; `*` is any (safe: no cookies are used, a page has only the rights of what it holds)."""
    trusted_proxies: tuple[Network, ...] = ()
    """Addresses or networks of reverse proxies whose X-Forwarded-For and X-Forwarded-Host are believed."""
    max_clock_skew_s: Annotated[int, Field(ge=1, le=900)] = 300
    """Seconds a signature's time may differ from ours; clients correct their clock from our Date header."""


class PrivateSettings(ListenerSettings):
    """The private listener: health, and what people and tools ask."""

    host: Literal["127.0.0.1", "::1", "localhost"] = "127.0.0.1"
    """Loopback address to bind; its pages and `/metrics` ask for no sign-in, so it does not go beyond this machine (docs/remote.md)."""
    port: Port = 8701
    """Port to bind; 0 picks a free one, which `headwater status` prints."""
    hosts: tuple[str, ...] = ()
    """Names besides localhost under which health and metrics, which need no signature, may be asked for, as through a tunnel or a proxy."""


class IssuerSettings(Section):
    """One OpenID Connect issuer whose users may sign in."""

    issuer: Annotated[str, Field(pattern=r"^https?://[^\s?#]+$")]
    """The `iss` of its id tokens, exactly; without the scheme it is the provider's name in `Logins`."""
    client_ids: Annotated[tuple[str, ...], Field(min_length=1)]
    """The `aud` its id tokens must have, one of these."""
    jwks: str = ""
    """Its keys: an https URL, or a file relative to the project. Empty: as the issuer's openid-configuration says."""
    es256: bool = False
    """Whether ES256 signatures are taken beside RS256."""

    @model_validator(mode="after")
    def _asked_safely(self) -> Self:
        where = self.jwks or self.issuer
        if where.startswith("http://") and urlsplit(where).hostname not in ("127.0.0.1", "::1", "localhost"):
            raise ValueError(
                f"keys are read over https, or over http from this machine; write jwks = a file or an https URL instead of {where}"
            )
        return self


class IdentitySettings(Section):
    """The identity pool of `app.identity_pool_id`: who may borrow credentials, and for what."""

    guests: bool = True
    """Whether people who are not signed in may send."""
    adopt: bool = True
    """Whether identity ids of the pool's region that AWS issued are taken over at first sight."""
    classic_flow: bool = True
    """Whether GetOpenIdToken and AssumeRoleWithWebIdentity may be used in place of GetCredentialsForIdentity."""
    lifetime_minutes: Annotated[int, Field(ge=15, le=720)] = 60
    """Minutes that lent credentials are good for; Amplify v6 uses them for 50 whatever this says."""
    guest_streams: tuple[str, ...] = ()
    """Streams that guests and signed-in users may put records on."""
    user_streams: tuple[str, ...] = ()
    """Streams that signed-in users may put records on."""
    user_actions: tuple[Annotated[str, Field(pattern=r"^mobiletargeting:[A-Za-z]+$")], ...] = ()
    """Actions on the app that signed-in users have beside PutEvents and UpdateEndpoint, such as `mobiletargeting:GetEndpoint`."""
    issuers: tuple[IssuerSettings, ...] = ()
    """OpenID Connect issuers whose users may sign in; write each as a table `[[identity.issuers]]` with issuer, client_ids and jwks."""
    rate_per_second: Annotated[float, Field(gt=0)] = 20
    """Unsigned identity calls a second that one address may make for one pool, on average."""
    rate_burst: Annotated[int, Field(ge=1)] = 1_000
    """Such calls that may come at once; a whole school can stand behind one address."""


class LimitsSettings(Section):
    """How much of the public listener one address, one identity and one key may use."""

    address_per_second: Annotated[float, Field(ge=0)] = 500
    """Requests a second that one address (in IPv6 one /64) may make on average; 0 = any number. What long-term keys sign does not count."""
    address_burst: Annotated[int, Field(ge=1)] = 10_000
    """Such requests that may come at once; a whole school can stand behind one address."""
    identity_per_second: Annotated[float, Field(ge=0)] = 50
    """Requests a second with the credentials of one identity, on average; 0 = any number."""
    identity_burst: Annotated[int, Field(ge=1)] = 1_000
    """Such requests that may come at once."""
    key_per_second: Annotated[float, Field(ge=0)] = 0
    """Requests a second with one long-term key or the write key, on average; 0 = any number. All visitors of a page share its write key."""
    key_burst: Annotated[int, Field(ge=1)] = 10_000
    """Such requests that may come at once."""
    connections_per_address: Annotated[int, Field(ge=0)] = 2_048
    """Connections that one address (in IPv6 one /64) may have open; 0 = any number. There are 8,192 for all."""
    exempt: tuple[Network, ...] = ("127.0.0.0/8", "::1/128")
    """Addresses or networks that no limit per address holds for; neither does one for `public.trusted_proxies` themselves."""


class StreamSettings(Section):
    """The stream: accepted events, on disk before they are acknowledged."""

    url: str = "file:data/stream/app"
    """Where the stream lies: `file:FOLDER`. Streams that callers make lie beside it."""
    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_.-]{1,128}$")] = "app"
    """What Kinesis clients call this stream."""
    retention_hours: Annotated[float, Field(ge=0)] = 48
    """Hours a segment is kept after it was read and its rows reached the lake."""
    max_bytes: Annotated[int, Field(ge=1_000_000)] = 20_000_000_000
    """Size at which new events are refused (HTTP 500, clients retry). Unread events are never dropped."""
    segment_bytes: Annotated[int, Field(ge=65_536)] = 67_108_864
    """Size at which a new segment file is begun."""


class PipeSettings(Section):
    """The pipe from the stream into the lake."""

    batch_size: Annotated[int, Field(ge=1, le=100_000)] = 10_000
    """Most records validated and committed together."""
    batch_seconds: Annotated[float, Field(gt=0, le=86_400)] = 60
    """Seconds that judging a batch may take; then the worker begins anew and makes a dead letter of the event that does not end."""
    linger_ms: Annotated[int, Field(ge=0, le=1_000)] = 50
    """Milliseconds between two small batches; more saves work, less shows events sooner."""
    past_days: Annotated[float, Field(gt=0)] = 30
    """Days back that a client's timestamp is believed; older events become dead letters."""
    ahead_days: Annotated[float, Field(gt=0)] = 1
    """Days ahead that a client's timestamp is believed; later events become dead letters."""
    duplicates_days: Annotated[float, Field(gt=0)] = 3
    """Days after its last arrival that an event's id is remembered, so that a re-sent event is not stored twice."""
    duplicates_in_memory: Annotated[int, Field(ge=10_000)] = 2_000_000
    """Most de-duplication keys held in memory (26 to 52 bytes each); the others are read from disk when needed."""


class LakeSettings(Section):
    """The lake: Parquet files and Iceberg tables."""

    folder: Annotated[str, Field(pattern=_FOLDER_OR_BUCKET)] = "data/lake"
    """Folder of the data files and table metadata, or `s3://bucket/prefix`."""
    fold_rows: Annotated[int, Field(ge=1)] = 131_072
    """Rows of one table that are moved into Parquet at once, however young they are."""
    fold_seconds: Annotated[float, Field(gt=0)] = 60
    """Seconds after which a table with `fold_min_rows` waiting rows is moved into Parquet."""
    fold_min_rows: Annotated[int, Field(ge=1)] = 5_000
    """Rows that make a file worth writing after `fold_seconds`."""
    fold_max_seconds: Annotated[float, Field(gt=0)] = 600
    """Seconds after which waiting rows are moved into Parquet, however few they are."""
    orphan_grace_seconds: Annotated[float, Field(ge=0)] = 900
    """Seconds a file that nothing names any more is kept, for who still reads it; never fewer than `query.max_seconds` and a minute."""


class StoreSettings(Section):
    """The small databases beside the lake."""

    ledger: str = "sqlite:data/ledger.db"
    """Positions, rows not yet in the lake, fates, de-duplication keys."""
    catalog: str = "sqlite:data/catalog.db"
    """Tables, schemas and snapshots (Iceberg), and our file index."""
    endpoints: str = "sqlite:data/endpoints.db"
    """Current endpoint profiles."""
    control: str = "sqlite:data/control.db"
    """Apps, keys, identity pools, and which login has which identity."""
    queries: str = "sqlite:data/queries.db"
    """Query executions, workgroups, and what was saved with them."""
    master_keys: str = "data/master-keys.json"
    """Master keys that access keys derive from; readable by the owner only."""


class QuerySettings(Section):
    """How questions are answered."""

    memory: Annotated[str, Field(pattern=r"^\d+(\.\d+)?\s?[KMGT]i?B$")] = "1GB"
    """Most memory a question may use: `headwater sql` and `headwater.open` spill the rest to disk, a question to the server fails."""
    threads: Annotated[int, Field(ge=1, le=256)] = Field(default_factory=lambda: os.cpu_count() or 1)
    """Threads a question may use; the machine's processors unless said."""
    waiting: Annotated[int, Field(ge=1)] = 1_000
    """Queries of the Athena API that may wait for their turn."""
    waiting_per_key: Annotated[int, Field(ge=1)] = 200
    """Such queries that may wait of one key."""
    history_days: Annotated[float, Field(gt=0)] = 45
    """Days that is remembered which queries were run."""
    results: Annotated[str, Field(pattern=_FOLDER_OR_BUCKET)] = "data/results"
    """Folder that stands for all `s3://` places but `s3.buckets`; or `s3://bucket/prefix` for results: then there is no other."""
    result_days: Annotated[float, Field(gt=0)] = 45
    """Days that results are kept."""
    result_bytes: Annotated[int, Field(ge=1_000_000)] = 10_000_000_000
    """Size that one result may have; a query that gives more fails."""
    output_location: Annotated[str, Field(pattern=r"^(s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/.*)?)?$")] = ""
    """Where the workgroup `primary` puts results at first, if clients do not say where. Empty: `s3://headwater-<app id>/`."""
    max_seconds: Annotated[float, Field(gt=0, le=86_400)] = 1_800
    """Seconds after which a question to the server is stopped."""
    sandboxes: Annotated[int, Field(ge=1, le=256)] = 4
    """Questions the server answers at once, each in a process of its own; others wait for their turn."""


class WorkgroupSettings(Section):
    """One workgroup that cannot be changed through the API."""

    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9._-]{1,128}$")]
    """What queries call it. `primary` may be among them."""
    description: Annotated[str, Field(max_length=1024)] = ""
    """What it is for."""
    enabled: bool = True
    """Whether queries are accepted in it."""
    output_location: Annotated[str, Field(pattern=r"^(s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/.*)?)?$")] = ""
    """Where its results are said to lie, such as `s3://bucket/prefix/`. Empty: each query says where."""
    enforce: bool = True
    """Whether its own location holds whatever a client asks for."""
    scan_cutoff_bytes: Annotated[int, Field(ge=0)] = 0
    """Bytes after which a query is stopped, at least 10,000,000; 0 = any number."""
    concurrency: Annotated[int, Field(ge=0)] = 0
    """Queries of it that run at a time; 0 = as `query.sandboxes` says for all together."""
    time_limit_seconds: Annotated[float, Field(ge=0)] = 0
    """Seconds after which a query is stopped; 0 = as `query.max_seconds` says, which holds in any case."""

    @model_validator(mode="after")
    def _cutoff_as_at_athena(self) -> Self:
        if 0 < self.scan_cutoff_bytes < 10_000_000:
            raise ValueError(f"scan_cutoff_bytes is 0 or at least 10000000, given: {self.scan_cutoff_bytes}")
        return self


class S3Settings(Section):
    """Buckets of Amazon S3, or of a server that speaks its protocol; needs the package boto3."""

    buckets: tuple[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")], ...] = ()
    """Buckets that are there, beside those that `lake.folder` and `query.results` name: statements may read them and put results there."""
    endpoint: Annotated[str, Field(pattern=r"^(https?://[^\s/?#@]+/?)?$")] = ""
    """URL of the server: https, or http on this machine. Empty: Amazon's own."""
    region: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")] = "us-east-1"
    """Region that requests are signed for."""
    access_key: str = ""
    """Access key id. Empty: credentials of the environment, of `~/.aws`, or of the machine, as AWS's SDKs find them."""
    secret_key: Annotated[str, Field(repr=False)] = ""
    """Secret of the access key; `HEADWATER_S3__SECRET_KEY` keeps it out of this file."""
    addressing: Literal["auto", "path", "virtual"] = "auto"
    """Whether a bucket's name stands in the path or in the host's name; `auto` is `path` with an endpoint and `virtual` without."""
    cache: str = "data/cache"
    """Folder for copies of what queries read from buckets."""
    cache_bytes: Annotated[int, Field(ge=10_000_000)] = 20_000_000_000
    """Size of these copies together; those not used for longest make room. One query reads no more than this."""

    @model_validator(mode="after")
    def _keys_go_safely(self) -> Self:
        if self.endpoint.startswith("http://") and urlsplit(self.endpoint).hostname not in ("127.0.0.1", "::1", "localhost"):
            raise ValueError(f"data goes over https, or over http on this machine; write an https URL instead of {self.endpoint}")
        if bool(self.access_key) != bool(self.secret_key):
            raise ValueError("access_key and secret_key go together: give both or neither")
        return self


class LogSettings(Section):
    """What the processes say about themselves."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least important line that is written."""
    format: Literal["auto", "text", "json"] = "auto"
    """`auto` writes text to a terminal and JSON lines elsewhere."""


class TelemetrySettings(Section):
    """Traces for an OpenTelemetry collector; metrics are always at `/metrics` of the private listener."""

    otlp_endpoint: Annotated[str, Field(pattern=r"^(https?://[^\s?#]+)?$")] = ""
    """OTLP/HTTP endpoint that traces are sent to, such as `http://127.0.0.1:4318`; needs OpenTelemetry. Empty: no traces."""
    sample_ratio: Annotated[float, Field(ge=0, le=1)] = 0.05
    """Share of requests that are traced from the door to the commit. A client's own `traceparent` decides for its requests."""


class Settings(BaseSettings):
    """All settings of one project. Paths are relative to the project folder."""

    model_config = SettingsConfigDict(extra="forbid", env_prefix="HEADWATER_", env_nested_delimiter="__", frozen=True)

    app: AppSettings
    """Who sends: the ids that are baked into the apps."""
    public: PublicSettings = PublicSettings()
    """The public listener: Pinpoint's API for apps. Every request must be signed."""
    private: PrivateSettings = PrivateSettings()
    """The private listener: health, and what people and tools ask."""
    identity: IdentitySettings = IdentitySettings()
    """The identity pool of `app.identity_pool_id`: who may borrow credentials, and for what."""
    limits: LimitsSettings = LimitsSettings()
    """How much of the public listener one address, one identity and one key may use."""
    stream: StreamSettings = StreamSettings()
    """The stream: accepted events, on disk before they are acknowledged."""
    pipe: PipeSettings = PipeSettings()
    """The pipe from the stream into the lake."""
    lake: LakeSettings = LakeSettings()
    """The lake: Parquet files and Iceberg tables."""
    stores: StoreSettings = StoreSettings()
    """The small databases beside the lake."""
    query: QuerySettings = QuerySettings()
    """How questions are answered."""
    workgroups: tuple[WorkgroupSettings, ...] = ()
    """Workgroups of the Athena API; write each as a table `[[workgroups]]`."""
    s3: S3Settings = S3Settings()
    """Buckets of Amazon S3, or of a server that speaks its protocol; needs the package boto3."""
    log: LogSettings = LogSettings()
    """What the processes say about themselves."""
    telemetry: TelemetrySettings = TelemetrySettings()
    """Traces for an OpenTelemetry collector."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Put variables over the file."""
        return env_settings, init_settings


_NAMED_AT_MOST = 3


def _projects_near(project: Path) -> list[Path]:
    """Return where a project may have been meant: above *project*, in it, or beside it under a name that is much like its own."""
    here = project.resolve()
    if here.is_dir():
        # `glob` passes over what may not be looked at, where `is_file` raises.
        above = [Path(os.path.relpath(folder)) for folder in here.parents if any(folder.glob(FILE))]
        return above[:1] or [file.parent for file in sorted(project.glob(f"*/{FILE}"))][:_NAMED_AT_MOST]
    beside = {file.parent.name: file.parent for file in project.parent.glob(f"*/{FILE}")}
    return [beside[name] for name in difflib.get_close_matches(here.name, beside, _NAMED_AT_MOST)]


def load_settings(project: Path) -> Settings:
    """Read headwater.toml in *project*, with `HEADWATER_SECTION__KEY` variables over it.

    Raises `ProjectError` if there is no such file and `SettingsError`, which names every wrong key, if it is wrong.
    """
    path = project / FILE
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        near = "".join(f"; there is one in {found}: -C {shlex.quote(str(found))}" for found in _projects_near(project))
        raise ProjectError(f"no {FILE} in {project.resolve()}{near}; `headwater init DIR` makes a project, `-C DIR` names one") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read {path}: {error}") from error
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not TOML: {error}") from error
    if wrong := _unknown_variables():
        raise SettingsError("\n".join(wrong))
    try:
        return Settings(**values)
    except EnvironmentValueError as error:
        raise SettingsError(f"a HEADWATER_… variable cannot be read: {error}; write HEADWATER_SECTION__KEY=value, lists as JSON") from None
    except ValidationError as error:
        # A variable wins over the file, so what is set by one is wrong there, and not in the file.
        told = [(_variable_of(each), each) for each in error.errors()]
        lines = [f"  variable {variable}: {_explain(each)}" for variable, each in told if variable]
        lines += [f"  {_explain(each)}" for variable, each in told if not variable]
        where = f"{path} is wrong" if any(not variable for variable, _ in told) else "the environment is wrong"
        raise SettingsError(f"{where}:\n" + "\n".join(lines)) from None


def _unknown_variables() -> list[str]:
    """Say which variables look like settings and are none: a typing error would pass without a word otherwise."""
    known = {f"{PREFIX}{section}__{key}".upper() for section in Settings.model_fields for key in _fields([section])}
    sections = tuple(f"{PREFIX}{section}_".upper() for section in Settings.model_fields)
    wrong = []
    for name in sorted(os.environ):
        upper = name.upper()
        if upper in known or not upper.startswith(PREFIX) or not ("__" in upper or upper.startswith(sections)):
            continue
        close = difflib.get_close_matches(upper, known, 1, cutoff=0.7)
        meant = f"did you mean {close[0]}?" if close else f"variables are {PREFIX}SECTION__KEY, as docs/settings.md lists them"
        wrong.append(f"variable {name}: no such setting; {meant}")
    return wrong


def _variable_of(error: Any) -> str | None:
    name = PREFIX + "__".join(str(part) for part in error["loc"][:2]).upper()
    return next((given for given in os.environ if given.upper() == name), None)


def _explain(error: Any) -> str:
    """Say one validation error as a person would: where, what was given, what would have worked."""
    *sections, key = [str(part) for part in error["loc"]]
    where = ".".join([*sections, key])
    if error["type"] == "extra_forbidden":
        known = list(_fields(sections))
        close = difflib.get_close_matches(key, known, 1)
        return f"{where}: no such setting" + (f"; did you mean {close[0]}?" if close else f"; there are: {', '.join(known)}")
    if error["type"] == "missing":
        return f"{where}: missing; {_fields(sections).get(key, '')}"
    if not isinstance(error["input"], str | int | float | bool) or key.startswith("secret"):
        return f"{where}: {error['msg']}"  # a whole table may hold a secret
    return f"{where}: {error['msg']} (given: {error['input']!r})"


def _fields(sections: list[str]) -> dict[str, str]:
    model: Any = Settings
    for name in sections:
        if not name.isdigit():  # the place in a list, whose type was taken already
            model = model.model_fields[name].annotation
        model = get_args(model)[0] if get_origin(model) is tuple else model
    return sentences(model)


@cache
def sentences(model: type[BaseModel]) -> dict[str, str]:
    """Return field -> the sentence below it, inherited ones first. Read from this file when somebody wants to see them.

    Pydantic's own `use_attribute_docstrings` reads them whenever a process starts, which takes longer than all else here.
    """
    known: dict[str, str] = {}
    for each in reversed(model.__mro__):
        if each.__module__ == __name__ and issubclass(each, BaseModel):
            for field, sentence in pairwise(_classes()[each.__name__].body):
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(sentence, ast.Expr):
                    known[field.target.id] = inspect.cleandoc(ast.literal_eval(sentence.value))
    return known


@cache
def _classes() -> dict[str, ast.ClassDef]:
    tree = ast.parse(Path(__file__).read_text(encoding="utf-8"))
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}


def settings_file(**app: str) -> str:
    """Return a headwater.toml that says every setting and what it is for; *app* fills the `[app]` table.

    Only `[app]` is set; the others stand as comments with their defaults, so that a newer Headwater's defaults apply.
    """
    lines = [
        "# Headwater's settings. A line that begins with # shows a default: take the # away to change it.",
        "# A variable wins over this file: HEADWATER_PUBLIC__PORT=9000 sets port in [public].",
    ]
    for section, field in Settings.model_fields.items():
        lines += ["", f"# {sentences(Settings)[section]}", f"[{section}]"]
        model: Any = field.annotation
        if get_origin(model) is tuple:  # as many tables as there are
            lines[-1] = f"# [[{section}]]"
            model = get_args(model)[0]
        for key, knob in model.model_fields.items():
            given = section == "app" and key in app
            default = app[key] if given else knob.get_default(call_default_factory=True)
            value = '"…"' if knob.is_required() and not given else _toml(default)
            lines += [f"# {sentences(model)[key]}", f"{'' if given else '# '}{key} = {value}"]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return str(value)


def settings_table() -> str:
    """Return all settings as a Markdown table, for the docs."""
    lines = ["| setting | default | what it is |", "|---|---|---|"]
    for section, field in Settings.model_fields.items():
        model: Any = field.annotation
        if get_origin(model) is tuple:
            section, model = f"{section}[]", get_args(model)[0]
        for key, knob in model.model_fields.items():
            default = "required" if knob.is_required() else "processors" if knob.default_factory else f"`{_toml(knob.default)}`"
            lines.append(f"| `{section}.{key}` | {default} | {re.sub(r'[|]', '/', sentences(model)[key])} |")
    return "\n".join(lines) + "\n"
