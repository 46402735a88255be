"""What the door of our own query API asks of a key."""

from __future__ import annotations

ASK = "headwater:Ask"
RUN_ACTIONS = frozenset({ASK})
"""What takes `admin` where statements cannot be confined."""
QUERY_ACTIONS = RUN_ACTIONS
