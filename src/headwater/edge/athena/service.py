"""The Athena door: the operations of `AmazonAthena`, in JSON 1.1."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from headwater.edge.athena import REFUSED, SERVICE
from headwater.edge.athena.catalog import CatalogOperations
from headwater.edge.athena.errors import ATHENA, invalid
from headwater.edge.athena.queries import QueryOperations
from headwater.edge.athena.saved import SavedOperations
from headwater.edge.athena.workgroups import WorkgroupOperations
from headwater.edge.wire.routing import Route
from headwater.edge.wire.service import JsonOperation, JsonService, in_thread
from headwater.executions import QueryRooms

STARTS_AT_ONCE = 2
RESULTS_AT_ONCE = 4
BODY_LIMIT = 2 * 1024 * 1024  # the longest query, every character of it escaped


class Athena:
    """The service, on a room of query executions."""

    def __init__(self, queries: QueryRooms, *, region: str, account_id: str) -> None:
        parts = (
            QueryOperations(queries),
            WorkgroupOperations(queries, arn_prefix=f"arn:aws:athena:{region}:{account_id}:"),
            SavedOperations(queries),
            CatalogOperations(queries, account_id=account_id),
        )
        # Reading a very long statement takes seconds; whoever sends many must not keep the others from looking at theirs.
        starting = ThreadPoolExecutor(STARTS_AT_ONCE, "athena-start")
        # A result in a bucket is fetched whole before its first page is read.
        reading = ThreadPoolExecutor(RESULTS_AT_ONCE, "athena-results")
        pools = {"StartQueryExecution": starting, "GetQueryResults": reading}
        entries = {name: entry for part in parts for name, entry in part.entries().items()}
        self._service = JsonService(
            SERVICE,
            "athena",
            ATHENA,
            {name: JsonOperation(entry.shape, in_thread(entry.run, pools.get(name))) for name, entry in entries.items()},
            resource=f"arn:aws:athena:{region}:{account_id}:workgroup/*",
            body_limit=BODY_LIMIT,
            refused=REFUSED,
            violations=invalid,
        )

    def routes(self) -> list[Route]:
        """Return the table."""
        return self._service.routes()
