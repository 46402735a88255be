"""One query execution: what was asked, where it stands, what it cost and what came of it."""

from __future__ import annotations

from typing import Literal

import msgspec

State = Literal["QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED"]
FINAL: frozenset[str] = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})

SYSTEM, USER, OTHER = 1, 2, 3
"""Whose fault a failure is."""


class ResultColumn(msgspec.Struct, frozen=True):
    """A column of a result: `type` is the bare name, such as `decimal`."""

    name: str
    type: str
    precision: int = 0
    scale: int = 0
    case_sensitive: bool = False


class QueryFailure(msgspec.Struct, frozen=True):
    """Why an execution ended FAILED: category (`SYSTEM`, `USER`, `OTHER`), Athena's number for the kind, and the text."""

    category: int
    type: int
    message: str
    retryable: bool = False


class Costs(msgspec.Struct, frozen=True):
    """What an execution took: milliseconds by stage, and the bytes and rows that were read and written."""

    queue_ms: int = 0
    planning_ms: int = 0
    engine_ms: int = 0
    service_ms: int = 0
    total_ms: int = 0
    scanned_bytes: int = 0
    input_rows: int = 0
    output_rows: int = 0
    output_bytes: int = 0


class QueryRequest(msgspec.Struct, frozen=True):
    """What is asked of `Executions.start`; *token* makes a second try of the same request the same execution.

    *location*: an s3:// URL to put the result under. *reuse_minutes*: how old another execution's result may be that does as well.
    """

    query: str
    token: str
    workgroup: str = "primary"
    catalog: str | None = None
    database: str | None = None
    location: str | None = None
    parameters: tuple[str, ...] = ()
    reuse_minutes: int | None = None


class Execution(msgspec.Struct, frozen=True):
    """An execution; times are epoch milliseconds. *location* is the URL of its result, *kind* and *substatement* as Athena names them.

    *size* is the length of its result's file in bytes, -1 once that was removed. *update_count*: how many rows it wrote or changed, None
    for a statement that only shows. *manifest*: the URL of the list of files it wrote.
    """

    id: str
    request: QueryRequest
    principal: str
    kind: str
    substatement: str
    location: str
    submitted_ms: int
    state: State = "QUEUED"
    completed_ms: int | None = None
    reason: str | None = None
    failure: QueryFailure | None = None
    costs: Costs = Costs()
    columns: tuple[ResultColumn, ...] = ()
    size: int = 0
    reused: bool = False
    update_count: int | None = None
    manifest: str | None = None

    @property
    def final(self) -> bool:
        """Whether its state will never change again."""
        return self.state in FINAL

    @property
    def has_header(self) -> bool:
        """Whether its result begins with the names of its columns: rows of values do, what is shown does not."""
        return self.location.endswith(".csv")
