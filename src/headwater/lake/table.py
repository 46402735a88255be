"""One table of the lake, as the worker that writes it last saw it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.manifest import DataFile as IcebergFile
from pyiceberg.table import Table

from headwater.catalog.schema import arrow_schema, ensure_table
from headwater.errors import NotFound
from headwater.lake.agreement import state_of
from headwater.lake.change import changes_of, removals_of
from headwater.lake.conform import conform
from headwater.lake.folds import FoldLedger
from headwater.lake.iceberg import FOLDED, describe, live_files
from headwater.lake.index import LakeIndex
from headwater.lake.plan import DataFile, Head
from headwater.lake.sweep import Sweeper


class LakeTable:
    """Its newest state that was read, and what ledger and index have been told of it. Who uses it holds the lake's lock.

    iceberg: that state, None where none was read. commits: how many since it was tidied. writers: how many write files for it just now.
    sweeper: who looks for files that nothing names. recovered: whether ledger and index follow that state.
    """

    def __init__(
        self, name: str, names: tuple[str, str], catalog: Catalog, index: LakeIndex, ledger: FoldLedger, noted: str | None
    ) -> None:
        """*names*: its database and its name there. *noted*: the state of it that the ledger knows of."""
        self.name, self.names = name, names
        self._catalog, self._index, self._ledger, self._noted = catalog, index, ledger, noted
        self.iceberg: Table | None = None
        self.sweeper: Sweeper | None = None
        self.commits = self.writers = 0
        self.recovered = False
        self._schemas: set[pa.Schema] = set()

    @property
    def loaded(self) -> Table:
        """The state that was read. Raises `NotFound` where there is none."""
        if self.iceberg is None:
            raise NotFound("table", self.name)
        return self.iceberg

    def load(self) -> Table:
        """Read the newest state."""
        self.iceberg = self._catalog.load_table(self.names)
        self._schemas.clear()
        self.recovered = False
        return self.iceberg

    def recover(self) -> int:
        """Read the table if another state is current, finish a fold that died half-way, and return the last batch in the lake."""
        try:
            if self.iceberg is None or self._index.location(self.name) != self.iceberg.metadata_location:
                self.load()
        except (NoSuchTableError, NotFound):
            self.iceberg = None
            return 0
        folded = int(self.loaded.properties.get(FOLDED, 0))
        if not self.recovered:
            self.follow()
            if folded:
                self._ledger.fold(self.name, folded)
            if removals := removals_of(self.name, changes_of(self.loaded).values()):
                self._ledger.remove(removals)
            self.recovered = True
        return folded

    def grow(self, schema: pa.Schema) -> None:
        """Make the table, or add the columns of *schema* that it lacks."""
        self.iceberg = ensure_table(self._catalog, *self.names, schema)

    def hold(self, batches: Sequence[pa.Table]) -> pa.Table:
        """Return the rows as the table has them.

        A batch may be older or newer than the model this process started with: the table grows to hold what was accepted.
        """
        if new := {batch.schema.remove_metadata() for batch in batches} - self._schemas:
            for schema in new:
                self.grow(schema)
            self._schemas |= new
            self.follow()
        return conform(batches, arrow_schema(self.loaded))

    def follow(self) -> None:
        """Make the index reflect the state."""
        before, now = self._index.head(self.name), describe(self.loaded)
        if before is not None and before.snapshot_id == now.snapshot_id:
            if before != now:
                self._index.apply(self.name, now)
        else:
            self._index.replace(self.name, now, live_files(self.loaded))

    def committed(self, before: Head, added: Sequence[DataFile], gone: Mapping[str, IcebergFile] | None = None) -> None:
        """Note a commit on the state *before*: the index takes what came and went, if it is at that state."""
        self.commits += 1
        if self._index.head(self.name) == before:
            self._index.apply(self.name, describe(self.loaded), added, gone or {})
        else:
            self.follow()

    @property
    def state(self) -> str:
        """What the ledger notes of it."""
        return state_of(self.loaded.metadata_location)

    def note(self) -> None:
        """Let the ledger know of the state, as a second witness beside the catalog."""
        if self.state != self._noted:
            self._ledger.note_tables({self.name: self.state})
            self._noted = self.state

    def folded(self, upto: int) -> None:
        """Let the ledger forget the rows of batches up to *upto*, and know of the state."""
        self._ledger.fold(self.name, upto, self.state)
        self._noted = self.state

    def note_gone(self) -> None:
        """Let the ledger know that what lies in the table's folders may go, once the catalog does not know the table."""
        self._noted = None
        self._ledger.note_tables({self.name: None})
