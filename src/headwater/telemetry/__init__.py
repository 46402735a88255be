"""What the processes say about themselves: structured log lines, never secrets or what an event contains."""

from headwater.telemetry.logs import configure_logs

__all__ = ["configure_logs"]
