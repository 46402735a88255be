"""The master keys that secrets are derived from: one JSON file that only its owner can read."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import hmac
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from headwater.clock import Clock, SystemClock
from headwater.errors import ProjectError

_MASTER_KEY_BYTES = 32
# How long another process's rotation may stay unseen.
_TRUST_S = 1.0


class MasterKeys(msgspec.Struct):
    """Master keys by id, base64; new secrets come from `current`, old ones from the id their row remembers."""

    current: str
    keys: dict[str, str]

    def derive(self, master_id: str, access_key_id: str) -> str:
        """Return the secret access key (40 characters) that belongs to *access_key_id* under that master key."""
        if master_id not in self.keys:
            raise ProjectError(f"key {access_key_id} was made under master key {master_id!r}, which is not in the master key file")
        return base64.b64encode(self._expand(master_id, b"secret access key:" + access_key_id.encode())[:30]).decode()

    def subkey(self, master_id: str, purpose: str) -> bytes:
        """Return 32 key bytes for *purpose* and nothing else; `KeyError` for a master key that is not here."""
        return self._expand(master_id, b"subkey:" + purpose.encode())

    def _expand(self, master_id: str, info: bytes) -> bytes:
        # HKDF-Expand (RFC 5869), first block: the master key is uniformly random already, so there is nothing to extract.
        master = base64.b64decode(self.keys[master_id], validate=True)
        return hmac.digest(master, b"headwater " + info + b"\x01", hashlib.sha256)

    def __repr__(self) -> str:
        return f"MasterKeys(current={self.current!r})"


class KeyRing:
    """The master keys of a file that may be rotated while we run."""

    def __init__(self, path: Path, clock: Clock | None = None) -> None:
        """Open the file, which is made with one fresh key if it is missing; `ProjectError` as `open_master_keys`."""
        self._path, self._clock = path, clock or SystemClock()
        self._keys = open_master_keys(path)
        self._stamp, self._checked_at = self._stat(), self._clock.monotonic()

    def keys(self) -> MasterKeys:
        """Return the keys as they were at most a second ago."""
        now = self._clock.monotonic()
        if now - self._checked_at >= _TRUST_S:
            self._checked_at = now
            # A file that is gone says nothing: what it said holds until the process ends, and the next start says that it is lost.
            if (stamp := self._stat()) is not None and stamp != self._stamp:
                self._keys, self._stamp = open_master_keys(self._path), stamp
        return self._keys

    def holding(self, master_id: str) -> MasterKeys | None:
        """Return the keys if that master key is among them, None if it is not, not even in the file as it is now."""
        keys = self.keys()
        if master_id not in keys.keys and self._stat() not in (None, self._stamp):
            self._checked_at = float("-inf")
            keys = self.keys()
        return keys if master_id in keys.keys else None

    def derive(self, master_id: str, access_key_id: str) -> str:
        """Return the secret access key; `ProjectError` for a master key that is not in the file."""
        return (self.holding(master_id) or self._keys).derive(master_id, access_key_id)

    def _stat(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size


def rotate_master_keys(path: Path) -> MasterKeys:
    """Add a fresh key to the file and make it the current one; what older keys made stays good. Returns the keys as they are now."""
    open_master_keys(path)
    with _locked(path.parent):
        keys = open_master_keys(path)
        master_id, master = _fresh()
        rotated = MasterKeys(current=master_id, keys={**keys.keys, master_id: master})
        temporary = _write_beside(path, rotated)
        temporary.replace(path)
        _sync_folder(path.parent)
    return rotated


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
    master_id, master = _fresh()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = _write_beside(path, MasterKeys(current=master_id, keys={master_id: master}))
    try:
        os.link(temporary, path)  # unlike a rename, never replaces the file a second process made meanwhile
    except FileExistsError:
        return
    finally:
        temporary.unlink()
    _sync_folder(path.parent)


def _fresh() -> tuple[str, str]:
    return secrets.token_hex(4), base64.b64encode(secrets.token_bytes(_MASTER_KEY_BYTES)).decode()


def _write_beside(path: Path, keys: MasterKeys) -> Path:
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(keys))
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        temporary.unlink()
        raise
    return temporary


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold a lock on the folder itself: the file in it is replaced, so a lock on that would be left behind."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
