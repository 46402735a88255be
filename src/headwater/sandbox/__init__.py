"""Each query in a process of its own, which the kernel, the engine's settings and a gate before it hold to reading what it was given."""

from headwater.sandbox.pool import Sandboxes

__all__ = ["Sandboxes"]
