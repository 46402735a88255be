"""The demo's one screen: what was sent, what was stored, and how soon it could be asked for."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from headwater.demo.app import Sent

QUESTIONS = {
    "Which pieces are practised most, and how well?": (
        "SELECT piece_id, count(*) AS times, round(avg(accuracy), 3) AS accuracy, round(sum(duration_s) / 60) AS minutes\n"
        "FROM practice_events GROUP BY piece_id ORDER BY times DESC LIMIT 5"
    ),
    "How many students pass a line of music (95 %) at each level?": (
        "SELECT level, count(DISTINCT client_id) AS students, round(avg(CASE WHEN accuracy >= 0.95 THEN 1 ELSE 0 END), 3) AS passed\n"
        "FROM practice_events GROUP BY level ORDER BY level LIMIT 6"
    ),
    "What was wrong with the events that were refused?": (
        "SELECT event_type, reason, field, given, expected, count(*) AS times\nFROM dead_letters GROUP BY ALL ORDER BY times DESC LIMIT 5"
    ),
}


class Screen:
    """Draws the state of the demo; `show` is called a few times a second with the newest figures."""

    def __init__(self, title: str, clock: float | None = None) -> None:
        self._title = title
        self._began = time.monotonic() if clock is None else clock
        self._acked: deque[tuple[float, int]] = deque(maxlen=20)

    def show(self, sent: Sent, fates: Mapping[str, int], lag: int, freshness_ms: float | None, roles: Mapping[str, str]) -> RenderableType:
        """Return the screen. fates: fate -> records, as the ledger counts them. lag: records accepted and not yet stored."""
        now = time.monotonic()
        self._acked.append((now, sent.acked + sent.resent))
        (t0, n0), (t1, n1) = self._acked[0], self._acked[-1]
        rate = (n1 - n0) / (t1 - t0) if t1 > t0 else 0.0
        figures = Table.grid(padding=(0, 3))
        figures.add_column(justify="right", style="bold cyan")
        figures.add_column()
        figures.add_column(style="dim")
        rows = [
            (f"{rate:,.0f}/s", "events", "sent by boto3, signed, each on disk before its 202"),
            (f"{sent.acked:,}", "acknowledged", f"and {sent.resent:,} sent again on purpose, as clients do after a lost answer"),
            (f"{fates.get('delivered', 0):,}", "stored", "rows in SQL tables, profiles of devices among them"),
            (f"{fates.get('duplicate', 0):,}", "duplicates", "recognised and not stored twice"),
            (f"{fates.get('dead-lettered', 0):,}", "dead letters", "invalid; kept with the reason"),
            (f"{lag:,}", "lag", "records accepted, not yet stored"),
            ("-" if freshness_ms is None else f"{freshness_ms:,.0f} ms", "freshness", "age of the newest event that SQL sees"),
        ]
        for row in rows:
            figures.add_row(*row)
        health = Text("  ".join(f"{name} {state}" for name, state in roles.items()))
        parts: list[RenderableType] = [figures, Text(), health]
        if sent.failed_requests:
            parts.append(Text(f"{sent.failed_requests} requests failed, the last: {sent.last_error[:200]}", style="red"))
        return Panel(Group(*parts), title=self._title, subtitle=f"{now - self._began:,.0f} s", border_style="blue", padding=(1, 2))
