"""What became of queries, in numbers, by workgroup."""

from __future__ import annotations

from headwater.executions.executions import Executions
from headwater.telemetry.metrics import Family, counter, gauge


def families(executions: Executions) -> list[Family]:
    """Return the counts since this process started, and how many wait and run now."""
    ended = [({"workgroup": workgroup, "state": state}, float(count)) for (workgroup, state), count in sorted(executions.ended.items())]
    scanned = [({"workgroup": workgroup}, float(count)) for workgroup, count in sorted(executions.scanned_bytes.items())]
    waiting, running = executions.counts()
    return [
        counter("headwater_queries", "Queries of the Athena API that ended, by state.", ended),
        counter("headwater_query_scanned_bytes", "Bytes of the files that they read.", scanned),
        gauge("headwater_queries_waiting", "Queries that wait for their turn.", [({}, waiting)]),
        gauge("headwater_queries_running", "Queries that run.", [({}, running)]),
    ]
