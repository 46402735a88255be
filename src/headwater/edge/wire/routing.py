"""Which operation a raw path belongs to, and what it takes to be allowed to call it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import msgspec

from headwater.edge.http.request import Answer, Request
from headwater.edge.wire.failures import REST_JSON, Dialect
from headwater.errors import BadRequest

Operation = Callable[[Request], Awaitable[Answer]]

DEFAULT_BODY_LIMIT = 1024 * 1024
_PATHS_KEPT = 2_048


class Route(msgspec.Struct, frozen=True):
    """One operation. *path* has `{name}` for what varies; *resource* is the ARN, with `{app}` for the app.

    *action* (`mobiletargeting:PutEvents`) is what a principal must be allowed; its first part is the service that must have been signed.
    *unsigned*: nobody needs to sign it. *beacon*: a signature in the query string will do, as `navigator.sendBeacon` cannot set headers.
    *target*: on path `*`, the `X-Amz-Target` that calls it, whatever the path; on another, the `Action` of a form that is posted there.
    *dialect*: how the service words its errors. *keyed*: a write key, in the body too, is all it takes, and it says which app is meant.
    *gzip*: the body may come compressed; *body_limit* then holds for what it contains, too.
    *attended*: the operation is for who waits for it: it is cancelled when the caller goes away.
    """

    method: str
    path: str
    operation: Operation
    action: str | None = None
    resource: str = "*"
    body_limit: int = DEFAULT_BODY_LIMIT
    target: str | None = None
    dialect: Dialect = REST_JSON
    unsigned: bool = False
    beacon: bool = False
    keyed: bool = False
    gzip: bool = False
    attended: bool = False

    @property
    def name(self) -> str:
        """Return what it is called: the operation of an AWS service, else method and path."""
        return self.target or f"{self.method} {self.path}"

    @property
    def service(self) -> str:
        """Return the signing name."""
        return (self.action or "").partition(":")[0]


class UnknownOperation(BadRequest):
    """No service here has an operation of that name."""

    code = "UnknownOperationException"


class Router:
    """Finds routes by their raw path, percent-encoded as it came."""

    def __init__(self, routes: Iterable[Route]) -> None:
        """Raise `ValueError` for a route without an action that does not say it is unsigned, and for a route given twice."""
        self.routes = tuple(routes)
        #: what a route is called in metrics and traces, by its id()
        self.names = {id(route): route.name for route in self.routes}
        self._services = sorted({route.service for route in self.routes if route.service})
        self._targets: dict[bytes, Route] = {}
        self._forms: dict[bytes, dict[str, Route]] = {}
        self._tree: dict[bytes, Any] = {}
        self._found: dict[tuple[str, bytes], tuple[Route, tuple[bytes, ...]]] = {}
        for route in self.routes:
            name = route.name
            if (route.action is None) != route.unsigned:
                raise ValueError(f"{name} must declare the action it needs")
            if route.target is not None:
                self._add_target(route, route.target)
                continue
            node = self._tree
            for segment in route.path.encode().split(b"/")[1:]:
                node = node.setdefault(b"{}" if segment[:1] == b"{" else segment, {})
            methods = node.setdefault(b"", {})
            if route.method in methods:
                raise ValueError(f"{name} is declared twice")
            methods[route.method] = route

    def by_target(self, target: bytes) -> Route:
        """Return the route that an `X-Amz-Target` header names; `UnknownOperation` if there is none."""
        route = self._targets.get(target.strip())
        if route is None:
            raise UnknownOperation(f"there is no such operation here; what there is, by signing name: {', '.join(self._services)}")
        return route

    def form(self, raw_path: bytes) -> Route | None:
        """Return one of the routes that forms posted to that path may call; `by_action` says which, once the body is there."""
        routes = self._forms.get(raw_path)
        return next(iter(routes.values())) if routes else None

    def by_action(self, request: Request) -> Route:
        """Return the route that the form in the body names; `UnknownOperation` if there is no such."""
        action = request.form().get("Action", "")
        route = self._forms[request.raw_path].get(action)
        if route is None:
            raise UnknownOperation(f"there is no operation {action[:64] if action.isalnum() else ''!r}")
        return route

    def _add_target(self, route: Route, target: str) -> None:
        known: dict[Any, Route] = self._targets if route.path == "*" else self._forms.setdefault(route.path.encode(), {})
        name = target.encode() if route.path == "*" else target
        if name in known:
            raise ValueError(f"{target} is declared twice")
        known[name] = route

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
