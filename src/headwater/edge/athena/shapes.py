"""What callers of Athena send, operation by operation; the shapes hold what can be checked without looking anywhere."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, field

from headwater.executions import MIN_CUTOFF_BYTES

WorkGroupName = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9._-]{1,128}$")]
Id = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^\S+$")]
Token = Annotated[str, Meta(min_length=1, max_length=1024)]
RequestToken = Annotated[str, Meta(min_length=32, max_length=128)]
QueryString = Annotated[str, Meta(min_length=1, max_length=262_144)]
Database = Annotated[str, Meta(min_length=1, max_length=255)]
CatalogName = Annotated[str, Meta(min_length=1, max_length=256)]
Name = Annotated[str, Meta(min_length=1, max_length=128)]
StatementName = Annotated[str, Meta(pattern=r"^[a-zA-Z_][a-zA-Z0-9_@:]{0,255}$")]
Description = Annotated[str, Meta(max_length=1024)]
Arn = Annotated[str, Meta(min_length=1, max_length=1011)]
Page = Annotated[int, Meta(ge=0, le=50)]
Ids = Annotated[list[Id], Meta(min_length=1, max_length=50)]


class AthenaInput(msgspec.Struct, rename="pascal", kw_only=True):
    """A request; members that a newer SDK adds are ignored, as everywhere at AWS."""


class Tag(AthenaInput, kw_only=True):
    """A name and its value."""

    key: Annotated[str, Meta(min_length=1, max_length=128)]
    value: Annotated[str, Meta(max_length=256)] = ""


class Encryption(AthenaInput, kw_only=True):
    """How the client wants results encrypted."""

    encryption_option: Literal["SSE_S3", "SSE_KMS", "CSE_KMS"]


class ResultConfiguration(AthenaInput, kw_only=True):
    """Where results go."""

    output_location: str | None = None
    encryption_configuration: Encryption | None = None


class QueryContext(AthenaInput, kw_only=True):
    """Where bare names are looked for."""

    database: Database | None = None
    catalog: CatalogName | None = None


class ReuseByAge(AthenaInput, kw_only=True):
    """Whether an older result will do, and how old it may be."""

    enabled: bool
    max_age_in_minutes: Annotated[int, Meta(ge=0, le=10_080)] = 60


class Reuse(AthenaInput, kw_only=True):
    """When an older result will do."""

    result_reuse_by_age_configuration: ReuseByAge | None = None


class StartQueryExecutionInput(AthenaInput, kw_only=True):
    """A query to run."""

    query_string: QueryString
    client_request_token: RequestToken | None = None
    query_execution_context: QueryContext | None = None
    result_configuration: ResultConfiguration | None = None
    work_group: WorkGroupName = "primary"
    execution_parameters: list[Annotated[str, Meta(min_length=1, max_length=1024)]] | None = None
    result_reuse_configuration: Reuse | None = None


class ExecutionInput(AthenaInput, kw_only=True):
    """One execution."""

    query_execution_id: Id


class ExecutionsInput(AthenaInput, kw_only=True):
    """Some executions."""

    query_execution_ids: Ids


class GetQueryResultsInput(ExecutionInput, kw_only=True):
    """A page of a result; how many rows it may have, the room knows."""

    next_token: Token | None = None
    max_results: Annotated[int, Meta(ge=1)] | None = None
    query_result_type: Literal["DATA_ROWS", "DATA_MANIFEST"] = "DATA_ROWS"


class ListInput(AthenaInput, kw_only=True):
    """A page of a list."""

    next_token: Token | None = None
    max_results: Page = 50


class ListInWorkGroupInput(ListInput, kw_only=True):
    """A page of a list of what is in a workgroup."""

    work_group: WorkGroupName = "primary"


class EngineVersion(AthenaInput, kw_only=True):
    """Which engine a workgroup wants."""

    selected_engine_version: Annotated[str, Meta(min_length=1, max_length=128)] = "AUTO"


class Managed(AthenaInput, kw_only=True):
    """Whether Athena should keep results by itself."""

    enabled: bool = False


class WorkGroupConfiguration(AthenaInput, kw_only=True):
    """How a workgroup works; None = not said."""

    result_configuration: ResultConfiguration | None = None
    enforce_work_group_configuration: bool | None = None
    publish_cloud_watch_metrics_enabled: bool | None = None
    bytes_scanned_cutoff_per_query: Annotated[int, Meta(ge=MIN_CUTOFF_BYTES)] | None = None
    requester_pays_enabled: bool | None = None
    engine_version: EngineVersion | None = None
    execution_role: str | None = None
    managed_query_results_configuration: Managed | None = None
    customer_content_encryption_configuration: dict[str, str] | None = None
    enable_minimum_encryption_configuration: bool = False


class CreateWorkGroupInput(AthenaInput, kw_only=True):
    """A workgroup to make."""

    name: WorkGroupName
    configuration: WorkGroupConfiguration | None = None
    description: Description = ""
    tags: list[Tag] = []


class ResultConfigurationUpdates(ResultConfiguration, kw_only=True):
    """What to change of where results go."""

    remove_output_location: bool = False


class WorkGroupUpdates(WorkGroupConfiguration, kw_only=True):
    """What to change of how a workgroup works."""

    result_configuration_updates: ResultConfigurationUpdates | None = None
    remove_bytes_scanned_cutoff_per_query: bool = False


class UpdateWorkGroupInput(AthenaInput, kw_only=True):
    """What to change of a workgroup."""

    work_group: WorkGroupName
    description: Description | None = None
    configuration_updates: WorkGroupUpdates | None = None
    state: Literal["ENABLED", "DISABLED"] | None = None


class WorkGroupInput(AthenaInput, kw_only=True):
    """One workgroup."""

    work_group: WorkGroupName


class DeleteWorkGroupInput(WorkGroupInput, kw_only=True):
    """A workgroup to forget, with all that is in it if that is said."""

    recursive_delete_option: bool = False


class CreateNamedQueryInput(AthenaInput, kw_only=True):
    """A query to save."""

    name: Name
    database: Database
    query_string: QueryString
    description: Description | None = None
    client_request_token: RequestToken | None = None
    work_group: WorkGroupName = "primary"


class NamedQueryInput(AthenaInput, kw_only=True):
    """One named query."""

    named_query_id: Id


class UpdateNamedQueryInput(NamedQueryInput, kw_only=True):
    """What a named query is to be."""

    name: Name
    query_string: QueryString
    description: Description | None = None


class NamedQueriesInput(AthenaInput, kw_only=True):
    """Some named queries."""

    named_query_ids: Ids


class PreparedStatementInput(AthenaInput, kw_only=True):
    """One prepared statement."""

    statement_name: StatementName
    work_group: WorkGroupName


class WritePreparedStatementInput(PreparedStatementInput, kw_only=True):
    """What a prepared statement is to be."""

    query_statement: QueryString
    description: Description | None = None


class PreparedStatementsInput(AthenaInput, kw_only=True):
    """Some prepared statements of one workgroup."""

    prepared_statement_names: Annotated[list[StatementName], Meta(min_length=1, max_length=256)]
    work_group: WorkGroupName


class DataCatalogInput(AthenaInput, kw_only=True):
    """One catalog."""

    name: CatalogName


class ListDatabasesInput(ListInput, kw_only=True):
    """A page of a catalog's databases."""

    catalog_name: CatalogName


class AthenaDatabaseInput(AthenaInput, kw_only=True):
    """One database."""

    catalog_name: CatalogName
    database_name: Database


class ListTableMetadataInput(ListInput, kw_only=True):
    """A page of a database's tables, those whose names the expression matches."""

    catalog_name: CatalogName
    database_name: Database
    expression: Annotated[str, Meta(max_length=256)] | None = None


class AthenaTableInput(AthenaDatabaseInput, kw_only=True):
    """One table."""

    table_name: Annotated[str, Meta(min_length=1, max_length=255)]


class ResourceInput(AthenaInput, kw_only=True):
    """One resource."""

    resource_arn: Arn = field(name="ResourceARN")


class TagResourceInput(ResourceInput, kw_only=True):
    """Tags to set."""

    tags: list[Tag]


class UntagResourceInput(ResourceInput, kw_only=True):
    """Tags to remove."""

    tag_keys: list[Annotated[str, Meta(min_length=1, max_length=128)]]
