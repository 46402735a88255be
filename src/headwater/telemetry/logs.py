"""Log lines: text for a terminal, JSON elsewhere; other libraries' lines take the same form."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

LONGEST_TEXT = 256


def configure_logs(level: str = "info", form: str = "auto", role: str = "") -> None:
    """Send log lines of *level* and above to stderr, as `text`, `json`, or (`auto`) as text only if stderr is a terminal."""
    as_text = form == "text" or (form == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _tame,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    renderer: Any = structlog.dev.ConsoleRenderer(colors=True) if as_text else structlog.processors.JSONRenderer()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for chatty in ("uvicorn.error", "pyiceberg", "asyncio"):
        logging.getLogger(chatty).setLevel("WARNING")
    structlog.contextvars.clear_contextvars()
    if role:
        structlog.contextvars.bind_contextvars(role=role)


def _tame(logger: Any, method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Escape control characters and cap long text: part of a line may come from a client (the trace of an exception is ours)."""
    for key, value in line.items():
        if isinstance(value, str) and key != "exception":
            printable = value if value.isprintable() else value.encode("unicode_escape").decode()
            line[key] = printable if len(printable) <= LONGEST_TEXT or key == "reason" else printable[:LONGEST_TEXT] + "…"
    return line
