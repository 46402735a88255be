"""What the processes say about themselves: structured log lines, never secrets or what an event contains."""

from headwater.telemetry.logs import configure_logs

__all__ = ["configure_logs"]

SUBMODULES = ("metrics", "prometheus", "traces")
"""What other rooms may import from beside this module, which would load more than they need."""
