"""Athena's operations on query executions."""

from __future__ import annotations

from headwater.edge.athena.call import AthenaOperation, epoch_s, page
from headwater.edge.athena.shapes import (
    ExecutionInput,
    ExecutionsInput,
    GetQueryResultsInput,
    ListInput,
    ListInWorkGroupInput,
    StartQueryExecutionInput,
)
from headwater.edge.principal import Principal
from headwater.edge.wire.service import Output
from headwater.executions import IDS_AT_ONCE, Execution, InvalidRequest, QueryRequest, QueryRooms, ResultColumn
from headwater.executions.workgroup import ENGINE_VERSIONS

ENGINE_VERSION = ENGINE_VERSIONS[-1]
"""The one there is, which AUTO stands for."""


class QueryOperations:
    """Start, look at, stop and read executions."""

    def __init__(self, queries: QueryRooms) -> None:
        self._executions, self._workgroups = queries.executions, queries.workgroups

    def entries(self) -> dict[str, AthenaOperation]:
        """Return the operations by name."""
        return {
            "StartQueryExecution": AthenaOperation(StartQueryExecutionInput, self.start),
            "StopQueryExecution": AthenaOperation(ExecutionInput, self.stop),
            "GetQueryExecution": AthenaOperation(ExecutionInput, self.get),
            "BatchGetQueryExecution": AthenaOperation(ExecutionsInput, self.batch_get),
            "GetQueryResults": AthenaOperation(GetQueryResultsInput, self.results),
            "GetQueryRuntimeStatistics": AthenaOperation(ExecutionInput, self.statistics),
            "ListQueryExecutions": AthenaOperation(ListInWorkGroupInput, self.list),
            "ListEngineVersions": AthenaOperation(ListInput, self.engine_versions),
        }

    def start(self, asked: StartQueryExecutionInput, caller: Principal) -> Output:
        """Accept a query."""
        if not asked.client_request_token:
            raise InvalidRequest("clientRequestToken is null or empty")
        context, reuse = asked.query_execution_context, asked.result_reuse_configuration
        by_age = None if reuse is None else reuse.result_reuse_by_age_configuration
        request = QueryRequest(
            asked.query_string,
            asked.client_request_token,
            asked.work_group,
            None if context is None else context.catalog,
            None if context is None else context.database,
            result_location(asked),
            tuple(asked.execution_parameters or ()),
            by_age.max_age_in_minutes if by_age is not None and by_age.enabled else None,
        )
        return {"QueryExecutionId": self._executions.start(request, caller.name, may_change=caller.actions is None)}

    def stop(self, asked: ExecutionInput, caller: Principal) -> Output:
        """Cancel a query."""
        self._executions.stop(asked.query_execution_id)
        return {}

    def get(self, asked: ExecutionInput, caller: Principal) -> Output:
        """Show an execution."""
        return {"QueryExecution": self._shown(self._executions.get(asked.query_execution_id))}

    def batch_get(self, asked: ExecutionsInput, caller: Principal) -> Output:
        """Show several executions."""
        found, missing = [], []
        for execution_id in asked.query_execution_ids:
            try:
                found.append(self._shown(self._executions.get(execution_id)))
            except InvalidRequest as error:
                missing.append({"QueryExecutionId": execution_id, "ErrorCode": error.athena_code, "ErrorMessage": str(error)})
        return {"QueryExecutions": found, "UnprocessedQueryExecutionIds": missing}

    def results(self, asked: GetQueryResultsInput, caller: Principal) -> Output:
        """Return a page of a result."""
        if asked.query_result_type == "DATA_MANIFEST":
            raise InvalidRequest("Data manifests are not answered here; Statistics.DataManifestLocation says where one lies.")
        found = self._executions.results(asked.query_execution_id, asked.next_token, asked.max_results)
        rows = [{"Data": [{} if value is None else {"VarCharValue": value} for value in row]} for row in found.rows]
        result = {"Rows": rows, "ResultSetMetadata": {"ColumnInfo": [_column(each) for each in found.execution.columns]}}
        answer = page("ResultSet", result, found.next_token)
        count = found.execution.update_count
        return answer if count is None and found.execution.kind == "DDL" else {"UpdateCount": count or 0, **answer}

    def statistics(self, asked: ExecutionInput, caller: Principal) -> Output:
        """Show what an execution took."""
        execution = self._executions.get(asked.query_execution_id)
        costs = execution.costs
        rows = {
            "InputRows": costs.input_rows,
            "InputBytes": costs.scanned_bytes,
            "OutputRows": costs.output_rows,
            "OutputBytes": costs.output_bytes,
        }
        return {"QueryRuntimeStatistics": {"Timeline": _times(execution), "Rows": rows}}

    def list(self, asked: ListInWorkGroupInput, caller: Principal) -> Output:
        """List a workgroup's executions, newest first."""
        return page("QueryExecutionIds", *self._executions.ids(asked.work_group, asked.next_token, asked.max_results or IDS_AT_ONCE))

    def engine_versions(self, asked: ListInput, caller: Principal) -> Output:
        """List the engines there are."""
        versions = [{"SelectedEngineVersion": name, "EffectiveEngineVersion": ENGINE_VERSION} for name in ENGINE_VERSIONS]
        return {"EngineVersions": versions}

    def _shown(self, execution: Execution) -> Output:
        request, workgroup = execution.request, self._workgroups.find(execution.request.workgroup)
        context = {"Database": request.database, "Catalog": request.catalog}
        status: Output = {"State": execution.state, "SubmissionDateTime": epoch_s(execution.submitted_ms)}
        if execution.reason is not None:
            status["StateChangeReason"] = execution.reason
        if execution.completed_ms is not None:
            status["CompletionDateTime"] = epoch_s(execution.completed_ms)
        if (failure := execution.failure) is not None:
            status["AthenaError"] = {
                "ErrorCategory": failure.category,
                "ErrorType": failure.type,
                "Retryable": failure.retryable,
                "ErrorMessage": failure.message,
            }
        reuse: Output = {"Enabled": request.reuse_minutes is not None}
        if request.reuse_minutes is not None:
            reuse["MaxAgeInMinutes"] = request.reuse_minutes
        shown: Output = {
            "QueryExecutionId": execution.id,
            "Query": request.query,
            "StatementType": execution.kind,
            "SubstatementType": execution.substatement,
            "ManagedQueryResultsConfiguration": {"Enabled": False},
            "ResultConfiguration": {"OutputLocation": execution.location},
            "ResultReuseConfiguration": {"ResultReuseByAgeConfiguration": reuse},
            "QueryExecutionContext": {name: value for name, value in context.items() if value is not None},
            "Status": status,
            "Statistics": {
                **_times(execution),
                "DataScannedInBytes": execution.costs.scanned_bytes,
                **({} if execution.manifest is None else {"DataManifestLocation": execution.manifest}),
                "ResultReuseInformation": {"ReusedPreviousResult": execution.reused},
            },
            "WorkGroup": request.workgroup,
            "EngineVersion": {
                "SelectedEngineVersion": "AUTO" if workgroup is None else workgroup.engine,
                "EffectiveEngineVersion": ENGINE_VERSION,
            },
        }
        if request.parameters:
            shown["ExecutionParameters"] = list(request.parameters)
        return shown


def result_location(asked: StartQueryExecutionInput) -> str | None:
    """Return where the client wants its result; a key of its own to encrypt it with is refused, for nothing would use it."""
    wanted = asked.result_configuration
    if wanted is None:
        return None
    refuse_encryption(None if wanted.encryption_configuration is None else wanted.encryption_configuration.encryption_option)
    return wanted.output_location


def refuse_encryption(option: str | None) -> None:
    """Raise `InvalidRequest` for encryption with a key that the client names."""
    if option not in (None, "SSE_S3"):
        raise InvalidRequest(f"Results are not encrypted with {option} here: leave EncryptionConfiguration out, and encrypt the disk.")


def _times(execution: Execution) -> Output:
    costs = execution.costs
    return {
        "QueryQueueTimeInMillis": costs.queue_ms,
        "ServicePreProcessingTimeInMillis": 0,
        "QueryPlanningTimeInMillis": costs.planning_ms,
        "EngineExecutionTimeInMillis": costs.engine_ms,
        "ServiceProcessingTimeInMillis": costs.service_ms,
        "TotalExecutionTimeInMillis": costs.total_ms,
    }


def _column(column: ResultColumn) -> Output:
    return {
        "CatalogName": "hive",
        "SchemaName": "",
        "TableName": "",
        "Name": column.name,
        "Label": column.name,
        "Type": column.type,
        "Precision": column.precision,
        "Scale": column.scale,
        "Nullable": "UNKNOWN",
        "CaseSensitive": column.case_sensitive,
    }
