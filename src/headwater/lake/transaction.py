"""An Iceberg transaction that works out its metadata once per change, and is tried once."""

from __future__ import annotations

from pyiceberg.exceptions import CommitFailedException, ValidationException
from pyiceberg.table import Table, Transaction
from pyiceberg.table.metadata import TableMetadata


class SteadyTransaction(Transaction):
    """PyIceberg's transaction asks for its metadata some twenty times a commit and copies it deeply each time.

    That copy grows with the snapshots kept and was two thirds of the cost of a commit; nobody changes what it returns.

    PyIceberg also tries a commit again that met another one: on the newest state, with the properties of the old one. Progress would go
    back and rows be there twice, so a commit is tried once here; whoever made it looks at the newest state, and makes another if need be.
    """

    def __init__(self, table: Table, autocommit: bool = False) -> None:
        super().__init__(table, autocommit)
        self._seen: tuple[object, object, TableMetadata] | None = None

    @property
    def table_metadata(self) -> TableMetadata:
        """Return the table's metadata with the staged changes applied."""
        base, updates = self._table.metadata, self._updates
        if not updates:
            return base
        if self._seen is None or self._seen[0] is not base or self._seen[1] is not updates:
            self._seen = (base, updates, super().table_metadata)
        return self._seen[2]

    def commit_transaction(self) -> Table:
        """Commit once. Raises `CommitFailedException` where the table is not what it was."""
        producers, self._snapshot_producers = self._snapshot_producers, []  # without them there is nothing to try again with
        try:
            return super().commit_transaction()
        except (CommitFailedException, ValidationException):
            for producer in producers:
                producer._clean_all_uncommitted()
            raise
