"""The master keys that secrets are derived from: one JSON file that only its owner can read."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
import stat
from pathlib import Path

import msgspec

from headwater.errors import ProjectError

_MASTER_KEY_BYTES = 32


class MasterKeys(msgspec.Struct):
    """Master keys by id, base64; new secrets come from `current`, old ones from the id their row remembers."""

    current: str
    keys: dict[str, str]

    def derive(self, master_id: str, access_key_id: str) -> str:
        """Return the secret access key (40 characters) that belongs to *access_key_id* under that master key."""
        try:
            master = base64.b64decode(self.keys[master_id], validate=True)
        except KeyError:
            raise ProjectError(
                f"key {access_key_id} was made under master key {master_id!r}, which is not in the master key file"
            ) from None
        # HKDF-Expand (RFC 5869), first block: the master key is uniformly random already, so there is nothing to extract.
        block = hmac.digest(master, b"headwater secret access key:" + access_key_id.encode() + b"\x01", hashlib.sha256)
        return base64.b64encode(block[:30]).decode()

    def __repr__(self) -> str:
        return f"MasterKeys(current={self.current!r})"


def open_master_keys(path: Path) -> MasterKeys:
    """Return the master keys in *path*; make the file with one fresh key if it is missing.

    Raises `ProjectError` if the file cannot be read as such, or if others than its owner may read it.
    """
    if not path.exists():
        _create(path)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise ProjectError(f"{path} holds secrets and others may read it (mode {mode:04o}); run: chmod 600 {path}")
    try:
        keys = msgspec.json.decode(path.read_bytes(), type=MasterKeys)
    except msgspec.MsgspecError as error:
        raise ProjectError(f"{path} is not a master key file") from error
    if keys.current not in keys.keys:
        raise ProjectError(f"{path} names {keys.current!r} as its current key and does not hold it")
    return keys


def _create(path: Path) -> None:
    master_id = secrets.token_hex(4)
    master = base64.b64encode(secrets.token_bytes(_MASTER_KEY_BYTES)).decode()
    body = msgspec.json.encode(MasterKeys(current=master_id, keys={master_id: master}))
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)  # unlike a rename, never replaces the file a second process made meanwhile
        except FileExistsError:
            return
    finally:
        temporary.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
