"""The operations of Athena: which a `query` key may call, which take `admin`, and which do not exist here."""

from __future__ import annotations

SERVICE = "AmazonAthena"

_READ = (
    "BatchGetNamedQuery", "BatchGetPreparedStatement", "BatchGetQueryExecution", "GetDataCatalog", "GetDatabase", "GetNamedQuery",
    "GetPreparedStatement", "GetQueryExecution", "GetQueryResults", "GetQueryRuntimeStatistics", "GetTableMetadata", "GetWorkGroup",
    "ListDataCatalogs", "ListDatabases", "ListEngineVersions", "ListNamedQueries", "ListPreparedStatements", "ListQueryExecutions",
    "ListTableMetadata", "ListTagsForResource", "ListWorkGroups",
)  # fmt: skip
_RUN = ("StartQueryExecution", "StopQueryExecution")
_SAVE = (
    "CreateNamedQuery", "CreatePreparedStatement", "DeleteNamedQuery", "DeletePreparedStatement", "UpdateNamedQuery",
    "UpdatePreparedStatement",
)  # fmt: skip

_SPARK = "there is no Spark here: run SQL with StartQueryExecution"
_CAPACITY = "capacity is not reserved here: a workgroup's concurrency stands in headwater.toml"
_CATALOGS = "there is one catalog here, AwsDataCatalog"
_SYSTEM_TABLES = "there are no system tables here: ListQueryExecutions and /metrics say what was run"

REFUSED = {
    **dict.fromkeys(
        (
            "CreateNotebook", "CreatePresignedNotebookUrl", "DeleteNotebook", "ExportNotebook", "GetCalculationExecution",
            "GetCalculationExecutionCode", "GetCalculationExecutionStatus", "GetNotebookMetadata", "GetResourceDashboard", "GetSession",
            "GetSessionEndpoint", "GetSessionStatus", "ImportNotebook", "ListApplicationDPUSizes", "ListCalculationExecutions",
            "ListExecutors", "ListNotebookMetadata", "ListNotebookSessions", "ListSessions", "StartCalculationExecution", "StartSession",
            "StopCalculationExecution", "TerminateSession", "UpdateNotebook", "UpdateNotebookMetadata",
        ),
        _SPARK,
    ),
    **dict.fromkeys(
        (
            "CancelCapacityReservation", "CreateCapacityReservation", "DeleteCapacityReservation", "GetCapacityAssignmentConfiguration",
            "GetCapacityReservation", "ListCapacityReservations", "PutCapacityAssignmentConfiguration", "UpdateCapacityReservation",
        ),
        _CAPACITY,
    ),
    **dict.fromkeys(("CreateDataCatalog", "DeleteDataCatalog", "UpdateDataCatalog"), _CATALOGS),
    **dict.fromkeys(
        (
            "CreateSystemTableConfiguration", "DeleteSystemTableConfiguration", "GetSystemTableConfiguration", "ListSystemTableStatuses",
            "UpdateSystemTableConfiguration",
        ),
        _SYSTEM_TABLES,
    ),
}  # fmt: skip
"""What AWS has and we do not, each with what to do instead."""

QUERY_ACTIONS = frozenset(f"athena:{operation}" for operation in (*_READ, *_RUN, *_SAVE, *REFUSED))
"""What a key with the permission `query` may ask for. Workgroups, tags and views are changed with `admin`."""

RUN_ACTIONS = frozenset(f"athena:{operation}" for operation in _RUN)
"""What takes `admin` where statements cannot be confined."""
