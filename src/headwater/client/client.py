"""`headwater.Client`: what servers and scripts record with."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any

from headwater.client.connection import Connection, RequestSignature, WriteKey
from headwater.client.entry import Number, QueuedEvent, attribute_text, encode, encode_event, list_of_texts, new_event_id
from headwater.client.failure import NotDelivered
from headwater.client.sender import CLOSE_S, OnError, Sender
from headwater.control.signer import Signer
from headwater.errors import BadRequest, SettingsError

if TYPE_CHECKING:
    from pydantic import BaseModel

_ID_LIMIT = 256


class Client:
    """Records events of one app, and delivers them from a thread of its own, in batches over one connection.

    - `record` returns at once. An event is delivered after *linger_s* seconds, or when *batch_size* events wait. An outage is waited out,
      with growing pauses; each event is sent again under the same id, so that it becomes one row however often it was sent.
    - Nothing is lost in silence. What the server refuses, and what is left when time is up at `close`, goes to *on_error* as a
      `NotDelivered` (called in the delivering thread); without one, the next `flush` or `close` raises it. When *queue_size* events wait,
      `record` raises `QueueFull`, or tells *on_error*.
    - May be shared by threads. After a fork the child begins with an empty queue; what was recorded before is the parent's to deliver.
    - `close` (or the end of a `with`, or of the program) delivers what is queued, for up to ten seconds. A process that ends by `os._exit`,
      as the children of `multiprocessing` do, has to call `close` or `flush` itself.

    Either an access key with `send` (`headwater keys create`), which signs the requests for *region* (by default the
    server's, which it says), or the app's public *write_key*.
    """

    def __init__(
        self,
        url: str,
        app_id: str,
        *,
        access_key_id: str | None = None,
        secret_access_key: str | None = None,
        write_key: str | None = None,
        region: str | None = None,
        endpoint_id: str | None = None,
        queue_size: int = 10_000,
        batch_size: int = 500,
        linger_s: float = 0.5,
        timeout_s: float = 10.0,
        ssl_context: ssl.SSLContext | None = None,
        on_error: OnError | None = None,
    ) -> None:
        """*url*: the public listener. *endpoint_id*: for events that name neither endpoint nor user; by default this machine's name."""
        if queue_size < 1 or batch_size < 1:
            raise SettingsError(f"queue_size and batch_size are 1 or more, given {queue_size} and {batch_size}")
        connection = Connection(url, app_id, timeout_s, ssl_context)
        if write_key and access_key_id is None and secret_access_key is None:
            connection.proof = WriteKey(write_key, connection.host)
        elif access_key_id and secret_access_key and write_key is None:
            signer = Signer(access_key_id, secret_access_key, region or "us-east-1", connection.host)
            connection.proof = RequestSignature(signer, any_region=region is None)
        else:
            raise SettingsError("a client needs access_key_id and secret_access_key, or a write_key")
        self._endpoint_id = _id("endpoint_id", endpoint_id or socket.gethostname() or "server")
        self._sender = Sender(connection, queue_size=queue_size, batch_size=batch_size, linger_s=linger_s, on_error=on_error)

    def record(
        self,
        name: str,
        attributes: Mapping[str, Any] | None = None,
        metrics: Mapping[str, Number] | None = None,
        *,
        endpoint_id: str | None = None,
        user_id: str | None = None,
        session: str | None = None,
        timestamp: datetime | None = None,
        event_id: str | None = None,
    ) -> str:
        """Queue an event and return its id.

        - *attributes* are text; bools, numbers and dates become the text that `events.py` reads, lists and objects JSON; None is NULL.
        - *metrics* are numbers.
        - *endpoint_id* is the column `client_id`; without it *user_id* is, else the client's own. *user_id* becomes the endpoint's user.
        - *session* is the session's id, *timestamp* the event's time (default: now), *event_id* its id (default: a new one).

        `BadRequest` if a value cannot be sent, before anything is queued.
        """
        event = encode_event(name, attributes, metrics, session, timestamp)
        event_id = _id("event_id", event_id) if event_id is not None else new_event_id()
        where = self._where(endpoint_id, user_id)
        self._sender.put(lambda number: QueuedEvent(number, where, event_id, event, user_id))
        return event_id

    def record_model(
        self,
        event: BaseModel,
        *,
        endpoint_id: str | None = None,
        user_id: str | None = None,
        session: str | None = None,
        timestamp: datetime | None = None,
        event_id: str | None = None,
    ) -> str:
        """Queue an instance of an event class, which has been validated by being made; the row will hold equal values.

        *session* and *timestamp* are the fields `session_id` and `datetime` of classes that declare them, unless given here.
        """
        from headwater.client.instance import fields_of  # brings Pydantic, which who has an instance has

        fields = fields_of(event)
        return self.record(
            fields.name,
            fields.attributes,
            fields.metrics,
            endpoint_id=endpoint_id,
            user_id=user_id,
            session=fields.session if session is None else session,
            timestamp=fields.timestamp if timestamp is None else timestamp,
            event_id=event_id,
        )

    def update_endpoint(
        self,
        endpoint_id: str | None = None,
        *,
        user_id: str | None = None,
        user_attributes: Mapping[str, Any | Sequence[Any]] | None = None,
        attributes: Mapping[str, Any | Sequence[Any]] | None = None,
        metrics: Mapping[str, Number] | None = None,
        address: str | None = None,
        channel_type: str | None = None,
        opt_out: str | None = None,
        demographic: Mapping[str, Any] | None = None,
        location: Mapping[str, Any] | None = None,
    ) -> None:
        """Queue a change of an endpoint's profile, in order with its events; what is not given stays as it is.

        *endpoint_id* as in `record`. *attributes* and *user_attributes* have one value or several; *demographic* and *location* have
        Pinpoint's members (`AppVersion`, `City`, …).
        """
        user: dict[str, Any] = {}
        if user_id is not None:
            user["UserId"] = _id("user_id", user_id)
        if user_attributes is not None:
            user["UserAttributes"] = {name: list_of_texts(name, values) for name, values in user_attributes.items()}
        given = {
            "Address": address,
            "Attributes": None if attributes is None else {name: list_of_texts(name, values) for name, values in attributes.items()},
            "ChannelType": channel_type,
            "Demographic": None if demographic is None else {name: attribute_text(name, value) for name, value in demographic.items()},
            "Location": None if location is None else dict(location),
            "Metrics": None if metrics is None else dict(metrics),
            "OptOut": opt_out,
            "User": user or None,
        }
        endpoint = {name: value for name, value in given.items() if value is not None}
        if not endpoint:
            raise BadRequest("there is nothing to change about the endpoint")
        encode(endpoint)
        where = self._where(endpoint_id, user_id)
        self._sender.put(lambda number: QueuedEvent(number, where, None, None, None, endpoint))

    def flush(self, timeout_s: float | None = None) -> None:
        """Wait until everything recorded so far is on the server's disk, or refused.

        `NotDelivered` says what was refused since the last time, unless there is an *on_error*. TimeoutError if *timeout_s* passes first:
        then the rest stays queued, and is tried further.
        """
        self._sender.flush(timeout_s)

    def close(self, timeout_s: float = CLOSE_S) -> None:
        """Deliver what is queued and end; after *timeout_s* seconds what is left is given up. Raises as `flush` does, for what is lost.

        Closing twice is closing once.
        """
        self._sender.close(timeout_s)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self.close()
        except NotDelivered as lost:
            if error is None:
                raise
            error.add_note(str(lost))  # the error that ends the block matters more

    def _where(self, endpoint_id: str | None, user_id: str | None) -> str:
        if user_id is not None:
            _id("user_id", user_id)
        return self._endpoint_id if endpoint_id is None and user_id is None else _id("endpoint_id", endpoint_id or user_id)


def _id(what: str, value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _ID_LIMIT:
        raise BadRequest(f"{what} is text of 1 to {_ID_LIMIT} characters, given {value!r}")
    return value
