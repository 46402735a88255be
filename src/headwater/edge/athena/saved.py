"""Athena's operations on named queries and prepared statements."""

from __future__ import annotations

from headwater.edge.athena.call import AthenaOperation, epoch_s, page
from headwater.edge.athena.shapes import (
    CreateNamedQueryInput,
    ListInWorkGroupInput,
    NamedQueriesInput,
    NamedQueryInput,
    PreparedStatementInput,
    PreparedStatementsInput,
    UpdateNamedQueryInput,
    WritePreparedStatementInput,
)
from headwater.edge.principal import Principal
from headwater.edge.wire.service import Output
from headwater.executions import InvalidRequest, NamedQuery, PreparedStatement, QueryRooms, ResourceMissing


class SavedOperations:
    """Save, look at, change and forget SQL."""

    def __init__(self, queries: QueryRooms) -> None:
        self._library = queries.library

    def entries(self) -> dict[str, AthenaOperation]:
        """Return the operations by name."""
        return {
            "CreateNamedQuery": AthenaOperation(CreateNamedQueryInput, self.create_named),
            "GetNamedQuery": AthenaOperation(NamedQueryInput, self.get_named),
            "BatchGetNamedQuery": AthenaOperation(NamedQueriesInput, self.batch_get_named),
            "UpdateNamedQuery": AthenaOperation(UpdateNamedQueryInput, self.update_named),
            "DeleteNamedQuery": AthenaOperation(NamedQueryInput, self.delete_named),
            "ListNamedQueries": AthenaOperation(ListInWorkGroupInput, self.list_named),
            "CreatePreparedStatement": AthenaOperation(WritePreparedStatementInput, self.create_prepared),
            "GetPreparedStatement": AthenaOperation(PreparedStatementInput, self.get_prepared),
            "BatchGetPreparedStatement": AthenaOperation(PreparedStatementsInput, self.batch_get_prepared),
            "UpdatePreparedStatement": AthenaOperation(WritePreparedStatementInput, self.update_prepared),
            "DeletePreparedStatement": AthenaOperation(PreparedStatementInput, self.delete_prepared),
            "ListPreparedStatements": AthenaOperation(ListInWorkGroupInput, self.list_prepared),
        }

    def create_named(self, asked: CreateNamedQueryInput, caller: Principal) -> Output:
        """Save a query."""
        token = asked.client_request_token
        query = NamedQuery("", asked.name, asked.work_group, asked.database, asked.query_string, asked.description, token)
        return {"NamedQueryId": self._library.create_named(query)}

    def get_named(self, asked: NamedQueryInput, caller: Principal) -> Output:
        """Show a named query."""
        return {"NamedQuery": _named(self._library.named(asked.named_query_id))}

    def batch_get_named(self, asked: NamedQueriesInput, caller: Principal) -> Output:
        """Show several named queries."""
        found, missing = [], []
        for query_id in asked.named_query_ids:
            try:
                found.append(_named(self._library.named(query_id)))
            except InvalidRequest as error:
                missing.append({"NamedQueryId": query_id, "ErrorCode": error.athena_code, "ErrorMessage": str(error)})
        return {"NamedQueries": found, "UnprocessedNamedQueryIds": missing}

    def update_named(self, asked: UpdateNamedQueryInput, caller: Principal) -> Output:
        """Replace a named query."""
        self._library.update_named(asked.named_query_id, asked.name, asked.query_string, asked.description)
        return {}

    def delete_named(self, asked: NamedQueryInput, caller: Principal) -> Output:
        """Forget a named query."""
        self._library.delete_named(asked.named_query_id)
        return {}

    def list_named(self, asked: ListInWorkGroupInput, caller: Principal) -> Output:
        """List a workgroup's named queries."""
        return page("NamedQueryIds", *self._library.named_ids(asked.work_group, asked.next_token, asked.max_results or 50))

    def create_prepared(self, asked: WritePreparedStatementInput, caller: Principal) -> Output:
        """Save a statement."""
        self._library.create_prepared(_statement(asked, caller))
        return {}

    def get_prepared(self, asked: PreparedStatementInput, caller: Principal) -> Output:
        """Show a prepared statement."""
        return {"PreparedStatement": _prepared(self._library.prepared(asked.work_group, asked.statement_name))}

    def batch_get_prepared(self, asked: PreparedStatementsInput, caller: Principal) -> Output:
        """Show several prepared statements."""
        found, missing = [], []
        for name in asked.prepared_statement_names:
            try:
                found.append(_prepared(self._library.prepared(asked.work_group, name)))
            except ResourceMissing as error:
                missing.append({"StatementName": name, "ErrorCode": "STATEMENT_NOT_FOUND", "ErrorMessage": str(error)})
        return {"PreparedStatements": found, "UnprocessedPreparedStatementNames": missing}

    def update_prepared(self, asked: WritePreparedStatementInput, caller: Principal) -> Output:
        """Replace a prepared statement."""
        self._library.update_prepared(_statement(asked, caller))
        return {}

    def delete_prepared(self, asked: PreparedStatementInput, caller: Principal) -> Output:
        """Forget a prepared statement."""
        self._library.delete_prepared(asked.work_group, asked.statement_name)
        return {}

    def list_prepared(self, asked: ListInWorkGroupInput, caller: Principal) -> Output:
        """List a workgroup's prepared statements."""
        found, more = self._library.all_prepared(asked.work_group, asked.next_token, asked.max_results or 50)
        return page(
            "PreparedStatements", [{"StatementName": each.name, "LastModifiedTime": epoch_s(each.changed_ms)} for each in found], more
        )


def _statement(asked: WritePreparedStatementInput, caller: Principal) -> PreparedStatement:
    return PreparedStatement(
        asked.statement_name, asked.work_group, asked.query_statement, asked.description, trusted=caller.actions is None
    )


def _named(query: NamedQuery) -> Output:
    shown = {
        "NamedQueryId": query.id,
        "Name": query.name,
        "Description": query.description,
        "Database": query.database,
        "QueryString": query.query,
        "WorkGroup": query.workgroup,
    }
    return {name: value for name, value in shown.items() if value is not None}


def _prepared(statement: PreparedStatement) -> Output:
    shown = {
        "StatementName": statement.name,
        "QueryStatement": statement.query,
        "WorkGroupName": statement.workgroup,
        "Description": statement.description,
        "LastModifiedTime": epoch_s(statement.changed_ms),
    }
    return {name: value for name, value in shown.items() if value is not None}
