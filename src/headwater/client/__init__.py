"""The Python client: servers and scripts record events, a thread of its own delivers them in batches."""

from headwater.client.client import Client
from headwater.client.failure import NotDelivered, QueueFull

__all__ = ["Client", "NotDelivered", "QueueFull"]

SUBMODULES = ("remote",)
"""What other rooms may import from beside this module, which would load more than they need."""
