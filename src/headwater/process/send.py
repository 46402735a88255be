"""Sending events from the command line, one or a file of them."""

from __future__ import annotations

import difflib
import json
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from headwater.client import Client, NotDelivered
from headwater.control import Control
from headwater.errors import BadRequest, Conflict, ProjectError, SettingsError
from headwater.model.eventtype import EventType
from headwater.model.system import OTHER_EVENTS
from headwater.places import load_project_models, open_project_control
from headwater.process.address import local_url
from headwater.process.outcome import dead_letters
from headwater.process.starting import wait_for_server
from headwater.settings import FILE, load_settings

KEY_NAME = "cli"
CHUNK = 2_000

_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
_LINE = frozenset({"event_type", "event_id", "timestamp", "client_id", "session_id", "user_id", "attributes", "metrics"})
_UPDATE = frozenset({"client_id", "endpoint"})
_ENDPOINT = {
    "Address": "address",
    "Attributes": "attributes",
    "ChannelType": "channel_type",
    "Demographic": "demographic",
    "Location": "location",
    "Metrics": "metrics",
    "OptOut": "opt_out",
}
_OBJECTS = frozenset({"Attributes", "Demographic", "Location", "Metrics"})


class Door(NamedTuple):
    """Where to send and with which key."""

    url: str
    app_id: str
    region: str
    access_key_id: str
    secret_access_key: str

    def client(self, **options: Any) -> Client:
        """Return a client for it."""
        url, app_id, region, key_id, secret = self
        return Client(url, app_id, region=region, access_key_id=key_id, secret_access_key=secret, **options)


class Verdict(NamedTuple):
    """What became of one event: refused with a message, or accepted.

    `stored` is None where nobody knows: the server is elsewhere, or its worker is behind. `dead_letter` says why an accepted event became
    no row, `table` where its row is, `hint` that another name may have been meant.
    """

    event_id: str
    event_type: str
    accepted: bool
    message: str
    dead_letter: str | None = None
    stored: bool | None = None
    hint: str | None = None
    table: str | None = None


class SendRefusal(NamedTuple):
    """A line of a file that was not accepted, or became a dead letter; `line` is None for a change of an endpoint, which has no id."""

    line: int | None
    event_id: str | None
    reason: str


def find_door(
    project: Path,
    url: str | None,
    app_id: str | None,
    access_key_id: str | None,
    secret_access_key: str | None,
    while_waiting: AbstractContextManager[object],
) -> Door:
    """Return the door of the project that is served here, or that at *url*.

    A server that is starting is waited for.
    Here, its own key named `cli` is used, and made if need be, unless one is given; a key of AWS in the environment is not meant for it.
    With *url* the environment's key is used, and the project, if there is one, tells app and region. `ProjectError` if the project is not
    served, `Conflict` if its key was revoked, `SettingsError` if app or key is missing.
    """
    if (access_key_id is None) is not (secret_access_key is None):
        raise SettingsError("--key-id and --secret belong together")
    if url is not None:
        app = None if app_id and not (project / FILE).exists() else load_settings(project).app
        access_key_id = access_key_id or os.environ.get("AWS_ACCESS_KEY_ID")
        secret_access_key = secret_access_key or os.environ.get("AWS_SECRET_ACCESS_KEY")
        if not access_key_id or not secret_access_key:
            raise SettingsError("no key for --url; give --key-id and --secret, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
        region = app.region if app else os.environ.get("AWS_REGION", "us-east-1")
        return Door(url, app_id or (app.id if app else ""), region, access_key_id, secret_access_key)
    settings = load_settings(project)
    if local_url(project) is None:
        with while_waiting:
            wait_for_server(project)
    url = local_url(project)
    if url is None:
        raise ProjectError(
            f"the project is not served: run `headwater serve -C {project}` in another terminal, or name a server elsewhere with --url"
        )
    if access_key_id is None or secret_access_key is None:
        access_key_id, secret_access_key = _own_key(open_project_control(project, settings))
    return Door(url, app_id or settings.app.id, settings.app.region, access_key_id, secret_access_key)


def parse_data(text: str | None) -> dict[str, Any]:
    """Return the fields in a JSON object; `BadRequest` if it is none."""
    try:
        data = json.loads(text or "{}")
    except ValueError as error:
        raise BadRequest(f"--data is no JSON: {error}") from None
    if not isinstance(data, dict):
        raise BadRequest("--data must be a JSON object")
    return data


def send_event(
    door: Door,
    event_type: str,
    pairs: Iterable[str],
    data: Mapping[str, Any],
    project: Path | None,
    timeout_s: float,
    **options: Any,
) -> Verdict:
    """Send one event with the fields of *data* and of the `key=value` texts in *pairs*, and return its verdict.

    Numbers become metrics, unless the class in the *project*'s events.py says that the field is none. *options*: `endpoint_id`, `user_id`,
    `session` and `event_id` as for `Client.record`. After *timeout_s* without an answer the event is given up; within the same time, the
    *project*'s worker is waited for.
    """
    event_types = {} if project is None else load_project_models(project).event_types
    event, since = event_types.get(event_type), time.time()
    attributes, metrics = _fields(pairs, data, event)
    lost: list[NotDelivered] = []
    client = door.client(on_error=lost.append)
    event_id = client.record(event_type, attributes, metrics, **options)
    client.close(timeout_s)
    if lost:
        return Verdict(event_id, event_type, False, lost[0].reason)
    if project is None:
        return Verdict(event_id, event_type, True, "Accepted")
    letters = dead_letters(project, {event_id: None}, since, timeout_s)
    hint = None if event is not None else _hint(event_type, event_types)
    table = (OTHER_EVENTS if event is None else event.table).name
    if letters is None:
        return Verdict(event_id, event_type, True, "Accepted", None, None, hint, table)
    if letters:
        return Verdict(event_id, event_type, True, "Accepted", letters[0].reason, False, hint)
    return Verdict(event_id, event_type, True, "Accepted", None, True, hint, table)


class SendReport(NamedTuple):
    """What became of a file of events. `dead_letters` is None where nobody knows: the server is elsewhere, or its worker is behind."""

    accepted: int
    refused: list[SendRefusal]
    dead_letters: list[SendRefusal] | None


def send_lines(
    door: Door,
    lines: Iterable[bytes],
    event_type: str | None,
    project: Path | None,
    timeout_s: float,
    progress: Callable[[int, int], None],
) -> SendReport:
    """Send the events of a file, a JSON object a line, in order; return what became of them.

    A line has `event_type` (or *event_type* stands for it), and may have `event_id`, `timestamp`, `client_id`, `session_id`, `user_id`,
    `attributes` and `metrics`. What `NotDelivered` holds are such lines, changes of endpoints among them. *progress* is told the lines and
    bytes done. After *timeout_s* without an answer, the rest is given up.
    """
    accepted, refusals, numbers, since = 0, list[SendRefusal](), dict[str, int](), time.time()

    def refused(error: NotDelivered) -> None:
        for line in error.events:
            event_id = line.get("event_id")
            refusals.append(SendRefusal(numbers.get(event_id or ""), event_id, error.reason))

    client = door.client(queue_size=2 * CHUNK, on_error=refused)
    try:
        for chunk in _chunks(lines):
            before, given = len(refusals), 0
            for number, line in chunk:
                if line.strip():
                    given += 1
                    try:
                        event_id = _record_line(client, line, event_type)
                    except BadRequest as error:
                        refusals.append(SendRefusal(number, None, str(error)))
                        continue
                    if event_id is not None:
                        numbers[event_id] = number
            try:
                client.flush(timeout_s)
            except TimeoutError:
                client.close(0)
                raise ProjectError(f"no answer from {door.url} for {timeout_s:g} s; sent up to line {chunk[0][0] - 1}") from None
            if project is None:
                numbers.clear()
            accepted += given - (len(refusals) - before)
            progress(len(chunk), sum(len(line) for _, line in chunk))
    finally:
        client.close(0)
    letters = None if project is None else dead_letters(project, numbers, since, timeout_s)
    became = None if letters is None else [SendRefusal(numbers[letter.event_id], *letter) for letter in letters]
    return SendReport(accepted, _by_line(refusals), None if became is None else _by_line(became))


def _by_line(refusals: Iterable[SendRefusal]) -> list[SendRefusal]:
    return sorted(refusals, key=lambda refusal: refusal.line or 0)


def _own_key(control: Control) -> tuple[str, str]:
    try:
        key = control.create_key(KEY_NAME, frozenset({"send"}))
    except Conflict:
        key_id = next(key.access_key_id for key in control.keys() if key.name == KEY_NAME)  # noqa: SIM118 - not a dict
        found = control.find_key(key_id)
        if found is None:
            raise Conflict(f"the key {KEY_NAME!r} was revoked; give another with --key-id and --secret") from None
        key = found
    finally:
        control.close()
    assert key.secret_access_key is not None
    return key.access_key_id, key.secret_access_key


def _fields(pairs: Iterable[str], data: Mapping[str, Any], event: EventType | None) -> tuple[dict[str, Any], dict[str, Any]]:
    texts = set() if event is None else {key for field in event.fields if not _is_number(field.column.type) for key in field.keys}
    fields = dict(data)
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            known = event.fields[0].keys[0] if event is not None and event.fields else "email"
            raise BadRequest(f"{pair!r} is no KEY=VALUE, such as {known}=…")
        fields[name] = json.loads(text) if name not in texts and _NUMBER.fullmatch(text) else text
    metrics = {
        name: value
        for name, value in fields.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and name not in texts
    }
    return {name: value for name, value in fields.items() if name not in metrics}, metrics


def _is_number(column: pa.DataType) -> bool:
    return bool(pa.types.is_integer(column) or pa.types.is_floating(column) or pa.types.is_decimal(column))


def _hint(event_type: str, known: Iterable[str]) -> str:
    names = {name.lower(): name for name in known}
    close = difflib.get_close_matches(event_type.lower(), names, 1)
    told = f"{event_type} is no event type of events.py, so it goes to the table {OTHER_EVENTS.name}"
    return f"{told}; did you mean {names[close[0]]}?" if close else told


def _chunks(lines: Iterable[bytes]) -> Iterator[list[tuple[int, bytes]]]:
    numbered = enumerate(lines, 1)
    while chunk := list(islice(numbered, CHUNK)):
        yield chunk


def _record_line(client: Client, line: bytes, event_type: str | None) -> str | None:
    """Record what the line says and return its event id, None for a change of an endpoint; `BadRequest` says what is wrong with it."""
    try:
        said = json.loads(line)
    except ValueError as error:
        raise BadRequest(f"no JSON: {error}") from None
    if not isinstance(said, dict):
        raise BadRequest("a line holds an object")
    known = _UPDATE if "endpoint" in said else _LINE
    if unknown := sorted(said.keys() - known):
        raise BadRequest(f"{', '.join(unknown)}: no such key; there are {', '.join(sorted(known))}")
    for name in ("attributes", "metrics", "endpoint"):
        if not isinstance(said.get(name, {}), dict | None):
            raise BadRequest(f"{name} must be an object")
    if "endpoint" in said:
        _update_endpoint(client, said.get("client_id"), said["endpoint"])
        return None
    chosen = said.get("event_type", event_type)
    if chosen is None:
        raise BadRequest("event_type is missing; put it into the line, or name it for all lines")
    try:
        moment = datetime.fromisoformat(said["timestamp"]) if said.get("timestamp") is not None else None
    except (ValueError, TypeError):
        raise BadRequest(f"timestamp is ISO 8601 text such as 2026-11-23T03:06:22.544Z, given {said['timestamp']!r}") from None
    return client.record(
        chosen,
        said.get("attributes"),
        said.get("metrics"),
        endpoint_id=said.get("client_id"),
        user_id=said.get("user_id"),
        session=said.get("session_id"),
        timestamp=moment,
        event_id=said.get("event_id"),
    )


def _update_endpoint(client: Client, endpoint_id: str | None, endpoint: Mapping[str, Any] | None) -> None:
    said = dict(endpoint or {})
    user = _object(said, "User") or {}
    said.pop("User", None)
    if unknown := sorted(said.keys() - _ENDPOINT.keys()):
        raise BadRequest(f"endpoint: {', '.join(unknown)}: no such key; there are User, {', '.join(_ENDPOINT)}")
    changes = {_ENDPOINT[name]: _object(said, name) if name in _OBJECTS else value for name, value in said.items()}
    client.update_endpoint(endpoint_id, user_id=user.get("UserId"), user_attributes=_object(user, "UserAttributes"), **changes)


def _object(endpoint: Mapping[str, Any], name: str) -> Any:
    """Return what *endpoint* has under that name, an object or nothing."""
    if not isinstance(value := endpoint.get(name), dict | None):
        raise BadRequest(f"endpoint: {name} must be an object, given {value!r}")
    return value
