"""What a lost ledger knew, read back from the lake."""

from __future__ import annotations

import json
from collections.abc import Callable

from pyiceberg.catalog import Catalog

from headwater.lake.iceberg import FOLDED, POSITIONS, SETTLED
from headwater.ledger import SeedableLedger

Already = dict[str, dict[str, int]]
Positions = dict[tuple[str, str], int]


def rebuild(
    ledger: SeedableLedger, catalog: Catalog, database: str, seeding: Callable[[Positions], Positions] = lambda floors: floors
) -> Already:
    """Bring a ledger that is empty, or older than the lake, to where the lake is. Call it at every start, before the pipes.

    Every fold left in its table the last batch it took, how far that table was in each shard (`headwater.positions`), and
    how far *all* tables were (`headwater.settled`). So the ledger goes on numbering after the highest batch in the lake, and
    the pipes read again from the highest floor known. Between that floor and the loss some tables are ahead of others:

    *seeding* may add to the floors that the ledger is seeded with.

    Returns table -> "pipe/shard" -> number for each table that is ahead of the ledger. A pipe must drop rows of that table
    from records up to that number: they are in the lake already. The answer is the same after a crash, until the ledger
    has passed those numbers, and empty for a ledger that was never lost.
    """
    tables = (
        {name[-1]: catalog.load_table(name).properties for name in catalog.list_tables(database)}
        if catalog.namespace_exists(database)
        else {}
    )
    last_folded = max((int(properties.get(FOLDED, 0)) for properties in tables.values()), default=0)
    if last_folded > ledger.last_batch():
        floors: Positions = {}
        for properties in tables.values():
            for shard, floor in json.loads(properties.get(SETTLED, "{}")).items():
                key = _pipe_and_shard(shard)
                floors[key] = max(floors.get(key, 0), floor)
        ledger.seed(last_folded + 1, seeding(floors))
    reached = ledger.positions()
    already: Already = {}
    for name, properties in tables.items():
        for shard, position in json.loads(properties.get(POSITIONS, "{}")).items():
            if position > reached.get(_pipe_and_shard(shard), 0):
                already.setdefault(name, {})[shard] = position
    return already


def _pipe_and_shard(key: str) -> tuple[str, str]:
    pipe, _, shard = key.rpartition("/")
    return pipe, shard
