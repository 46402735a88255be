"""Athena's operations on workgroups and tags."""

from __future__ import annotations

from typing import Any

from headwater.control.tags import check_tags
from headwater.edge.athena.call import AthenaOperation, epoch_s, page
from headwater.edge.athena.queries import ENGINE_VERSION, refuse_encryption
from headwater.edge.athena.shapes import (
    CreateWorkGroupInput,
    DeleteWorkGroupInput,
    ListInput,
    ResourceInput,
    ResultConfiguration,
    TagResourceInput,
    UntagResourceInput,
    UpdateWorkGroupInput,
    WorkGroupConfiguration,
    WorkGroupInput,
)
from headwater.edge.principal import Principal
from headwater.edge.wire.service import Output
from headwater.executions import InvalidRequest, QueryRooms, ResourceMissing, Workgroup

_LIST = "workgroups"


class WorkgroupOperations:
    """Make, look at, change and forget workgroups; tag what has an ARN."""

    def __init__(self, queries: QueryRooms, *, arn_prefix: str) -> None:
        """*arn_prefix*: `arn:aws:athena:<region>:<account>:`."""
        self._queries, self._workgroups, self._tags = queries, queries.workgroups, queries.tags
        self._arn_prefix = arn_prefix

    def entries(self) -> dict[str, AthenaOperation]:
        """Return the operations by name."""
        return {
            "CreateWorkGroup": AthenaOperation(CreateWorkGroupInput, self.create),
            "GetWorkGroup": AthenaOperation(WorkGroupInput, self.get),
            "UpdateWorkGroup": AthenaOperation(UpdateWorkGroupInput, self.update),
            "DeleteWorkGroup": AthenaOperation(DeleteWorkGroupInput, self.delete),
            "ListWorkGroups": AthenaOperation(ListInput, self.list),
            "TagResource": AthenaOperation(TagResourceInput, self.tag),
            "UntagResource": AthenaOperation(UntagResourceInput, self.untag),
            "ListTagsForResource": AthenaOperation(ResourceInput, self.tags),
        }

    def create(self, asked: CreateWorkGroupInput, caller: Principal) -> Output:
        """Make a workgroup."""
        given = asked.configuration
        check_tags({tag.key: tag.value for tag in asked.tags})
        changes = {} if given is None else _changes(given, given.result_configuration)
        self._workgroups.create(Workgroup(asked.name, asked.description).changed(changes))
        self._tags.put(self._arn(asked.name), {tag.key: tag.value for tag in asked.tags})
        return {}

    def get(self, asked: WorkGroupInput, caller: Principal) -> Output:
        """Show a workgroup."""
        found = self._workgroups.get(asked.work_group)
        configuration: Output = {
            "ResultConfiguration": {} if found.location is None else {"OutputLocation": found.location},
            "ManagedQueryResultsConfiguration": {"Enabled": False},
            "EnforceWorkGroupConfiguration": found.enforce,
            "PublishCloudWatchMetricsEnabled": found.metrics,
            "RequesterPaysEnabled": found.requester_pays,
            "EngineVersion": _engine(found),
        }
        if found.cutoff_bytes is not None:
            configuration["BytesScannedCutoffPerQuery"] = found.cutoff_bytes
        return {"WorkGroup": {**_summary(found), "Configuration": configuration}}

    def update(self, asked: UpdateWorkGroupInput, caller: Principal) -> Output:
        """Change a workgroup."""
        changes: dict[str, Any] = {"description": asked.description, "state": asked.state}
        changes = {name: value for name, value in changes.items() if value is not None}
        given = asked.configuration_updates
        if given is not None:
            places = given.result_configuration_updates
            changes |= _changes(given, places)
            if places is not None and places.remove_output_location:
                changes["location"] = None
            if given.remove_bytes_scanned_cutoff_per_query:
                changes["cutoff_bytes"] = None
        self._workgroups.update(asked.work_group, changes)
        return {}

    def delete(self, asked: DeleteWorkGroupInput, caller: Principal) -> Output:
        """Forget a workgroup."""
        name, executions, library = asked.work_group, self._queries.executions, self._queries.library
        self._workgroups.get(name)
        empty = library.is_empty(name) and not executions.ids(name, None, 1)[0]
        if not empty and not asked.recursive_delete_option:
            raise InvalidRequest(f"WorkGroup {name} is not empty")
        self._workgroups.delete(name)
        executions.forget(name)
        library.forget(name)
        self._tags.delete(self._arn(name))
        return {}

    def list(self, asked: ListInput, caller: Principal) -> Output:
        """List the workgroups by name."""
        tokens, count = self._queries.tokens, asked.max_results or 50
        after = "" if asked.next_token is None else str(tokens.open(_LIST, asked.next_token)[0])
        found = [each for each in self._workgroups.all() if each.name > after]
        more = tokens.seal(_LIST, [found[count - 1].name]) if len(found) > count else None
        return page("WorkGroups", [{**_summary(each), "EngineVersion": _engine(each)} for each in found[:count]], more)

    def tag(self, asked: TagResourceInput, caller: Principal) -> Output:
        """Set tags."""
        tags = {tag.key: tag.value for tag in asked.tags}
        check_tags(tags)
        if len(self._tags.of(self._known(asked.resource_arn)) | tags) > 50:
            raise InvalidRequest("A resource may have 50 tags.")
        self._tags.put(asked.resource_arn, tags)
        return {}

    def untag(self, asked: UntagResourceInput, caller: Principal) -> Output:
        """Remove tags."""
        self._tags.delete(self._known(asked.resource_arn), asked.tag_keys)
        return {}

    def tags(self, asked: ResourceInput, caller: Principal) -> Output:
        """List the tags of a resource."""
        found = self._tags.of(self._known(asked.resource_arn))
        return {"Tags": [{"Key": name, "Value": value} for name, value in found.items()]}

    def _arn(self, workgroup: str) -> str:
        return f"{self._arn_prefix}workgroup/{workgroup}"

    def _known(self, arn: str) -> str:
        """Return the ARN; `ResourceMissing` if it is of nothing there is."""
        kind, _, name = arn.removeprefix(self._arn_prefix).partition("/")
        known = arn.startswith(self._arn_prefix) and (
            (kind == "workgroup" and self._workgroups.find(name) is not None)
            or (kind == "datacatalog" and self._queries.catalog.is_catalog(name))
        )
        if not known:
            raise ResourceMissing(f"There is no resource {arn}", arn)
        return arn


def _changes(given: WorkGroupConfiguration, places: ResultConfiguration | None) -> dict[str, Any]:
    """Return what a configuration says, by the names of a workgroup's fields; refuse what would be believed and not done."""
    refused = {
        "ExecutionRole": given.execution_role,
        "ManagedQueryResultsConfiguration": given.managed_query_results_configuration is not None
        and given.managed_query_results_configuration.enabled,
        "CustomerContentEncryptionConfiguration": given.customer_content_encryption_configuration,
        "EnableMinimumEncryptionConfiguration": given.enable_minimum_encryption_configuration,
    }
    if wrong := [name for name, value in refused.items() if value]:
        raise InvalidRequest(f"Not possible here: {', '.join(wrong)}.")
    said: dict[str, Any] = {
        "enforce": given.enforce_work_group_configuration,
        "metrics": given.publish_cloud_watch_metrics_enabled,
        "cutoff_bytes": given.bytes_scanned_cutoff_per_query,
        "requester_pays": given.requester_pays_enabled,
        "engine": None if given.engine_version is None else given.engine_version.selected_engine_version,
    }
    if places is not None:
        said["location"] = places.output_location
        refuse_encryption(None if places.encryption_configuration is None else places.encryption_configuration.encryption_option)
    return {name: value for name, value in said.items() if value is not None}


def _summary(workgroup: Workgroup) -> Output:
    return {
        "Name": workgroup.name,
        "State": workgroup.state,
        "Description": workgroup.description,
        "CreationTime": epoch_s(workgroup.created_ms),
    }


def _engine(workgroup: Workgroup) -> Output:
    return {"SelectedEngineVersion": workgroup.engine, "EffectiveEngineVersion": ENGINE_VERSION}
