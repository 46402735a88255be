"""Small documents that are kept for an app, each under a kind: its settings, its event stream."""

from __future__ import annotations

from typing import Protocol, cast

from headwater.backend import find_backend

BACKENDS = {"sqlite": "headwater.control.sqlite_documents:SqliteDocuments"}


class Documents(Protocol):
    """JSON text by app id and kind. One process writes; what is put is durable on return."""

    def get(self, app_id: str, kind: str) -> bytes | None:
        """Return the document, or None."""

    def all_of(self, kind: str) -> dict[str, bytes]:
        """Return the documents of that kind by app id."""

    def put(self, app_id: str, kind: str, body: bytes) -> None:
        """Keep *body* in the place of what was there."""

    def delete(self, app_id: str, kind: str) -> None:
        """Forget the document; it does not matter if there is none."""

    def close(self) -> None:
        """Let go of the files."""


def open_documents(url: str) -> Documents:
    """Open the documents in the control database at *url* (`sqlite:///file`)."""
    return cast(Documents, find_backend("control", BACKENDS, url)(url))
