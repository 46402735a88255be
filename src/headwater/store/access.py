"""How an S3 server is reached, and the names that PyIceberg has for that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Self

_NAMES = {
    "endpoint": "s3.endpoint",
    "region": "s3.region",
    "access_key": "s3.access-key-id",
    "secret_key": "s3.secret-access-key",
}


class S3Access(NamedTuple):
    """Where, and as whom. No *endpoint*: Amazon's own. No keys: those of the environment, or of the machine.

    *path_style*: the bucket's name stands in the path of requests, not in the host's name.
    """

    endpoint: str = ""
    region: str = "us-east-1"
    access_key: str = ""
    secret_key: str = ""
    path_style: bool = False

    def __repr__(self) -> str:
        return f"S3Access({self.place}, {self.region})"

    @property
    def place(self) -> str:
        """What messages call it."""
        return f"S3 at {self.endpoint or 'Amazon'}"

    def properties(self) -> dict[str, str]:
        """Return it as properties of a PyIceberg catalog."""
        given = {name: getattr(self, field) for field, name in _NAMES.items()}
        return {**{name: value for name, value in given.items() if value}, "s3.force-virtual-addressing": str(not self.path_style).lower()}

    @classmethod
    def of(cls, properties: Mapping[str, str]) -> Self:
        """Return what `properties` was made from."""
        given = {field: properties[name] for field, name in _NAMES.items() if name in properties}
        return cls(**given, path_style=properties.get("s3.force-virtual-addressing") == "false")
