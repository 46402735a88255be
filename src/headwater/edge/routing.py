"""Which operation a raw path belongs to, and what it takes to be allowed to call it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import msgspec

from headwater.edge.request import Answer, Request

Operation = Callable[[Request], Awaitable[Answer]]

UNSIGNED_PATHS = frozenset({"/healthz"})
DEFAULT_BODY_LIMIT = 1024 * 1024
_PATHS_KEPT = 2_048


class Route(msgspec.Struct, frozen=True):
    """One operation. *path* has `{name}` for what varies; *resource* is the ARN, with `{app}` for the app.

    *action* (`mobiletargeting:PutEvents`) is what a principal must be allowed; its first part is the service that must have been signed.
    """

    method: str
    path: str
    operation: Operation
    action: str | None = None
    resource: str = "*"
    body_limit: int = DEFAULT_BODY_LIMIT

    @property
    def service(self) -> str:
        """Return the signing name."""
        return (self.action or "").partition(":")[0]


class Router:
    """Finds routes by their raw path, percent-encoded as it came."""

    def __init__(self, routes: Iterable[Route]) -> None:
        """Raise `ValueError` for a route without an action, except for those that nobody needs to sign, and for a route given twice."""
        self.routes = tuple(routes)
        self._tree: dict[bytes, Any] = {}
        self._found: dict[tuple[str, bytes], tuple[Route, tuple[bytes, ...]]] = {}
        for route in self.routes:
            if (route.action is None) != (route.path in UNSIGNED_PATHS):
                raise ValueError(f"{route.method} {route.path} must declare the action it needs")
            node = self._tree
            for segment in route.path.encode().split(b"/")[1:]:
                node = node.setdefault(b"{}" if segment[:1] == b"{" else segment, {})
            methods = node.setdefault(b"", {})
            if route.method in methods:
                raise ValueError(f"{route.method} {route.path} is declared twice")
            methods[route.method] = route

    def find(self, method: str, raw_path: bytes) -> tuple[Route, tuple[bytes, ...]] | list[str]:
        """Return the route and its varying segments; else the methods that the path does have, sorted."""
        known = self._found.get((method, raw_path))
        if known is not None:
            return known
        node, varying = self._tree, []
        for segment in raw_path.split(b"/")[1:]:
            found = node.get(segment) if segment else None
            if found is None:
                found = node.get(b"{}") if segment else None
                if found is None:
                    return []
                varying.append(segment)
            node = found
        methods = node.get(b"", {})
        route = methods.get(method)
        if route is None:
            return sorted(methods)
        if len(self._found) >= _PATHS_KEPT:
            self._found.clear()
        found = self._found[method, raw_path] = (route, tuple(varying))
        return found
