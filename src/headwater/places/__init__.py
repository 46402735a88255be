"""Where the things of a project lie, and how each is opened by who only looks at it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

from headwater.control import App, Control, open_control
from headwater.control.identities import IdentityStore, Pool, Provider, open_identity_store
from headwater.errors import NoLedger
from headwater.ledger import Ledger, LedgerDatabase, open_ledger
from headwater.places.identity import home_of
from headwater.settings import Settings, load_settings
from headwater.store import SCHEME, FileCache, RemoteStore, S3Access, Store, Stores, bucket_of, open_store
from headwater.stream import Stream, open_stream

if TYPE_CHECKING:  # for the reader of types; at run time each role loads its own
    from headwater.model import Models

SUBMODULES = ("identity", "marker", "presence")
"""What other rooms may import from beside this module, which would load more than they need."""

# A query is stopped by its own clock, and its process a little later.
_LATE_S = 60.0


class Paths:
    """Where things lie in a project that settings do not move."""

    def __init__(self, project: Path) -> None:
        self.run = project / "data" / "run"
        self.project_lock = self.run / "project.lock"
        self.status = self.run / "status.json"
        self.worker_socket = self.run / "worker.sock"
        self.collector_socket = self.run / "collector.sock"
        self.spill = self.run / "spill"


def open_project_control(project: Path, settings: Settings | None = None) -> Control:
    """Open the project's keys and apps; the app of headwater.toml is among them and cannot be changed elsewhere."""
    settings = settings or load_settings(project)
    path_of(settings.stores.control, project).parent.mkdir(parents=True, exist_ok=True)
    return open_control(
        resolve(settings.stores.control, project),
        apps=[App(settings.app.id, settings.app.name, declared=True)],
        master_key_file=project.absolute() / settings.stores.master_keys,
    )


def open_project_identities(project: Path, settings: Settings | None = None) -> IdentityStore:
    """Open the project's identity pools, the one of headwater.toml among them, and which login has which identity."""
    settings = settings or load_settings(project)
    path_of(settings.stores.control, project).parent.mkdir(parents=True, exist_ok=True)
    return open_identity_store(resolve(settings.stores.control, project), pools=[declared_pool(settings)])


def declared_pool(settings: Settings) -> Pool:
    """Return the identity pool that headwater.toml describes."""
    app, identity = settings.app, settings.identity
    named = [(issuer.issuer.partition("://")[2], issuer.client_ids) for issuer in identity.issuers]
    role = f"arn:aws:iam::{app.account_id}:role/headwater-"
    return Pool(
        app.identity_pool_id,
        app.name,
        allow_guests=identity.guests,
        allow_classic_flow=identity.classic_flow,
        providers=tuple(Provider(name, client) for name, clients in named if name.startswith("cognito-idp.") for client in clients),
        open_id_connect_provider_arns=tuple(
            f"arn:aws:iam::{app.account_id}:oidc-provider/{name}" for name, _ in named if not name.startswith("cognito-idp.")
        ),
        roles={"authenticated": f"{role}user", "unauthenticated": f"{role}guest"},
        declared=True,
    )


def load_project_models(project: Path, settings: Settings | None = None) -> Models:
    """Compile the project's event types. Raises `ModelError` that names file, class and field."""
    from headwater.model import load_models

    return load_models(project / (settings or load_settings(project)).app.events)


def open_stream_reader(settings: Settings, project: Path) -> Stream:
    """Open the stream to read, beside the collector that writes it."""
    return open_stream(resolve(settings.stream.url, project))


def open_ledger_reader(settings: Settings, project: Path) -> LedgerDatabase | None:
    """Open the ledger to read, beside the worker that writes it; None if there is none yet."""
    try:
        return open_ledger(resolve(settings.stores.ledger, project), read_only=True)
    except NoLedger:
        return None


def ledger_positions(settings: Settings, project: Path) -> dict[tuple[str, str], int]:
    """Return how far each pipe came in each shard; nothing if there is no ledger yet."""
    return _ask_ledger(settings, project, lambda ledger: ledger.positions())


def ledger_settled(settings: Settings, project: Path) -> dict[tuple[str, str], int]:
    """Return up to where all rows of each shard are in files; nothing if there is no ledger yet."""
    return _ask_ledger(settings, project, lambda ledger: ledger.settled())


def _ask_ledger(settings: Settings, project: Path, ask: Callable[[Ledger], dict[tuple[str, str], int]]) -> dict[tuple[str, str], int]:
    ledger = open_ledger_reader(settings, project)
    if ledger is None:
        return {}
    try:
        return ask(ledger)
    finally:
        ledger.close()


def file_grace_s(settings: Settings) -> float:
    """Return the seconds a file that nothing names any more stays: no shorter than a query that found it named may take."""
    return max(settings.lake.orphan_grace_seconds, settings.query.max_seconds + _LATE_S)


def lake_root(settings: Settings, project: Path) -> str:
    """Return the lake's folder, or its place in a bucket, as the locations of its tables begin, whatever way led to the project."""
    folder = settings.lake.folder
    return folder.rstrip("/") if folder.startswith(SCHEME) else str(home_of(project) / folder)


def s3_access(settings: Settings) -> S3Access:
    """Return how the buckets of the settings are reached."""
    s3 = settings.s3
    by_path = s3.addressing == "path" or (s3.addressing == "auto" and bool(s3.endpoint))
    return S3Access(s3.endpoint, s3.region, s3.access_key, s3.secret_key, by_path)


def open_lake_store(settings: Settings, project: Path) -> Store:
    """Open the store that the lake's files lie in."""
    root = lake_root(settings, project)
    return open_s3(settings, project) if root.startswith(SCHEME) else open_store("file:")


def open_s3(settings: Settings, project: Path) -> RemoteStore:
    """Open the buckets of the settings, with a place for copies."""
    copies = _cache(project.absolute() / settings.s3.cache, settings.s3.cache_bytes)
    return cast(RemoteStore, open_store("s3:", access=s3_access(settings), cache=copies))


def open_stores(settings: Settings, project: Path) -> Stores:
    """Open all places that statements and results may name."""
    results = settings.query.results
    buckets = _buckets(settings)
    folder = None if results.startswith(SCHEME) else open_store(f"buckets:{project.absolute() / results}")
    return Stores(folder, open_s3(settings, project) if buckets else None, buckets)


def readable_folders(settings: Settings, project: Path) -> list[Path]:
    """Return the folders that files of tables lie in, or copies of them; the lake's is the first, and is there once a worker has run."""
    lake, results = lake_root(settings, project), settings.query.results
    folders = [] if lake.startswith(SCHEME) else [Path(lake)]
    if _buckets(settings):
        folders.append(project.absolute() / settings.s3.cache)
    if not results.startswith(SCHEME):
        folders.append(project.absolute() / results)
    for folder in folders[0 if lake.startswith(SCHEME) else 1 :]:
        folder.mkdir(parents=True, exist_ok=True)
    return folders


def _buckets(settings: Settings) -> set[str]:
    named = {bucket_of(url) for url in (settings.lake.folder, settings.query.results) if url.startswith(SCHEME)}
    return {*settings.s3.buckets, *named}


@cache
def _cache(folder: Path, max_bytes: int) -> FileCache:
    # Its locks are of the process, so there is one in a process.
    return FileCache(folder, max_bytes)


def resolve(url: str, project: Path) -> str:
    """Return a URL of settings with its path made absolute: `sqlite:data/a.db` in /p is `sqlite:////p/data/a.db`."""
    scheme = url.partition(":")[0]
    slashes = ":///" if scheme == "sqlite" else "://"
    return f"{scheme}{slashes}{path_of(url, project)}"


def path_of(url: str, project: Path) -> Path:
    """Return the absolute path that a URL of settings names."""
    _, _, path = url.partition(":")
    return project.absolute() / path.removeprefix("//")
