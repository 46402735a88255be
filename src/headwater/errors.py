"""The errors Headwater raises, in one tree; `edge/wire/protocol.py` alone turns them into wire answers.

HeadwaterError
├── SettingsError           headwater.toml, a variable or an option is wrong
├── ProjectError            no project here, a format this code cannot read
│   ├── NoLedger            no worker has written one yet
│   └── ProjectLocked       another process holds the lock that was asked for
├── ModelError              an event class that cannot become a table
├── BadRequest              the caller's input is wrong
│   └── PayloadTooLarge
├── AccessDenied            who asks is known, and may not
├── Unauthenticated         who asks is not known
├── NotFound
├── Conflict
├── Unavailable             try again: nothing was accepted
│   ├── StreamFull          the stream's size limit is reached
│   ├── StoreBroken         a store must be opened anew first
│   ├── LedgerBroken        the ledger must be opened anew first
│   └── TooManyRequests     one caller asks too often
├── Cancelled               a job that nobody wanted any more, so it was not done
├── NotDelivered            (client) events a server could not be given
├── LedgerError             a ledger that refuses a batch
├── Refused                 a change of the catalog or of a table that cannot be made; its code says why
└── QueryError              SQL that cannot be answered
    └── QueryLimit          it took more time or memory than a query may
"""

from __future__ import annotations

import errno
from typing import Literal


class HeadwaterError(Exception):
    """Every error of ours; `code` is the name AWS callers know it by."""

    code = "InternalServerErrorException"


class SettingsError(HeadwaterError):
    """A setting is wrong; the message names it, what was given and what would have worked."""


class ProjectError(HeadwaterError):
    """There is no usable project in the folder that was named."""


class NoLedger(ProjectError):
    """There is no ledger yet, or only the file of one whose worker ended before it had made the tables."""


class ProjectLocked(ProjectError):
    """Another process holds the lock; `holder` says which, where that is known."""

    def __init__(self, message: str, holder: str | None = None) -> None:
        super().__init__(message)
        self.holder = holder


class ModelError(HeadwaterError):
    """An event class cannot become a table; the message says which field and what to write instead."""


class BadRequest(HeadwaterError):
    """The request is wrong in itself; sending it again unchanged cannot help."""

    code = "BadRequestException"


class PayloadTooLarge(BadRequest):
    """The body is over the limit of its route."""

    code = "PayloadTooLargeException"


class AccessDenied(HeadwaterError):
    """The caller is known and may not do this; the message names principal, action and resource."""

    code = "ForbiddenException"


class Unauthenticated(HeadwaterError):
    """The request does not prove who sent it; `code` is the exact AWS type."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class NotFound(HeadwaterError):
    """There is no *kind* named *name*."""

    code = "NotFoundException"

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"no {kind} named {name!r}")
        self.kind, self.name = kind, name


class Conflict(HeadwaterError):
    """The thing exists already, or is declared where this call may not change it."""

    code = "ConflictException"


class Unavailable(HeadwaterError):
    """Nothing was accepted; the same request may succeed later. Answered with HTTP 500, which clients retry."""


class Cancelled(HeadwaterError):
    """Who asked for something did not want it any more before it was done; nothing of it is there."""


class StreamFull(Unavailable):
    """The stream's size limit is reached and nothing may be dropped yet."""


class StoreBroken(Unavailable):
    """A store writes nothing more until its process opens it anew."""


class LedgerBroken(StoreBroken):
    """A sync of the ledger failed, or its file is damaged: whoever has it open must open it anew before anything it says is believed."""


class TooManyRequests(Unavailable):
    """One caller asks more often than it may; the same request will do in *retry_after_s* seconds. Its status is the dialect's affair."""

    code = "TooManyRequestsException"

    def __init__(self, retry_after_s: int = 1) -> None:
        super().__init__("Rate exceeded")
        self.retry_after_s = retry_after_s


class Refused(HeadwaterError):
    """A change of the catalog or of a table cannot be made; `code` is Athena's name for why, like TABLE_NOT_FOUND."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class LedgerError(HeadwaterError):
    """The ledger refused a batch, because it does not continue where the ledger stands."""


class QueryError(HeadwaterError):
    """The SQL cannot be answered; the message says why, and what would work."""

    code = "InvalidRequestException"


class QueryLimit(QueryError):
    """The query was stopped because it took more *limit* than a query may: "time" or "memory"."""

    def __init__(self, limit: Literal["time", "memory"], message: str) -> None:
        super().__init__(message)
        self.limit = limit


# What a disk does that is full, or not well; whoever looks after it needs the file's name, which the error says, and no trace.
_OF_THE_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}


def mistake(error: Exception) -> Exception | None:
    """Return *error* where it may be a mistake in this code, so that its trace is of use; None where its message says it all."""
    told = isinstance(error, HeadwaterError) or (isinstance(error, OSError) and error.errno in _OF_THE_DISK)
    return None if told else error
