"""How the kernel shares its processors with sandboxes: an event that comes in waits for no question."""

from __future__ import annotations

import ctypes
import os
import struct
from contextlib import suppress
from pathlib import Path

# A tenth of what others get where there is not enough for all, and everything where nobody else wants it.
_NICE = 10
# From version 6.12 on Linux lets whoever wakes up take the place of one with a longer slice at once, not only at the end of it.
# With the kernel's own slice (3 ms) every hand-over from process to process would wait for the end of a question's.
_SLICE_NS = 12_000_000
_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}


def give_way() -> None:
    """Let whatever else runs on this machine go before this process and all it starts, as far as the kernel can."""
    os.nice(_NICE)
    # Linux may weigh whole sessions, of which this is one, against each other; then a process's own number says nothing.
    with suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(_NICE))
    if (number := _SCHED_SETATTR.get(os.uname().machine)) is not None and os.uname().sysname == "Linux":
        # struct sched_attr, sched_setattr(2): size, policy (0: normal), flags, nice, priority, runtime, deadline, period.
        attributes = struct.pack("=IIQiIQQQ", 48, 0, 0, os.getpriority(os.PRIO_PROCESS, 0), 0, _SLICE_NS, 0, 0)
        ctypes.CDLL(None).syscall(number, 0, attributes, 0)  # one that knows no slices ignores it
