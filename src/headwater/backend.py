"""Which class serves a URL: the scheme picks it by name, so what it needs is imported only when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, cast

from headwater.errors import SettingsError


def find_backend(kind: str, backends: Mapping[str, str], url: str) -> Callable[..., Any]:
    """Return the class for *url* (`scheme:…`) from *backends*, scheme -> "module:Class"; *kind* is what the error calls it."""
    scheme = url.partition(":")[0]
    if scheme not in backends:
        raise SettingsError(f"no {kind} backend {scheme!r} (in {url!r}); there are: {', '.join(backends)}")
    module, _, name = backends[scheme].partition(":")
    return cast(Callable[..., Any], getattr(import_module(module), name))
