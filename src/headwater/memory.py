"""How a process of ours is to get its memory, which has to be said before it starts."""

from __future__ import annotations

ENVIRONMENT = {
    # Arrow's own pool keeps what it once had; glibc gives large pieces back. Buffers of a batch are larger than the second
    # threshold and come from fresh pages, and up to the first one freed memory is kept for the next batch.
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MALLOC_MMAP_THRESHOLD_": str(4 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(32 << 20),
    # By default each thread may keep memory of its own that no other can use.
    "MALLOC_ARENA_MAX": "2",
}
"""Variables for a role's process, unless the user set them; of no effect where the C library is another than glibc.

Measured on the whole flow with a backlog: the worker takes 274 MB in place of 330, and 10 % less time.
"""
