"""Files that are either whole and synced, or not there: the one way lake files and Iceberg metadata are written."""

from __future__ import annotations

import io
import os
import uuid
from pathlib import Path
from types import TracebackType
from typing import cast
from urllib.parse import unquote, urlsplit

from pyiceberg.io import InputFile, OutputFile, OutputStream
from pyiceberg.io.pyarrow import PyArrowFileIO

# Folders whose names this process knows to be durable, by path and inode: one that was removed and made again is another.
_synced: set[tuple[str, int]] = set()


def write_file(path: str, content: bytes | memoryview) -> int:
    """Write a new file that is durable under its name when this returns; return its size in bytes.

    Temporary name, sync, rename, sync of the folder: a crash leaves at most a hidden `.….tmp` file beside it.
    The file is read-only from then on. Raises `OSError` if there is no room or no access, and then leaves nothing.
    """
    target = Path(path)
    make_folders(target.parent)
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            left = memoryview(content).cast("B")
            size = len(left)
            while left:
                left = left[os.write(descriptor, left) :]
            os.fchmod(descriptor, 0o444)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.rename(target)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(target.parent)
    return size


def make_folders(folder: Path) -> None:
    """Create *folder* and its missing parents so that they survive a power cut.

    A folder that is there already may be one that a process made and was killed before it synced the name: each process makes sure once.
    """
    if not folder.is_dir():
        make_folders(folder.parent)
        folder.mkdir(exist_ok=True)
    known = (str(folder), folder.stat().st_ino)
    if known not in _synced:
        # Where we may not write we have made no folder, so there and above nothing of ours needs a sync.
        if folder.parent != folder and os.access(folder.parent, os.R_OK | os.W_OK):
            make_folders(folder.parent)
            sync_folder(folder.parent)
        _synced.add(known)


def sync_folder(folder: Path) -> None:
    """Make the names in *folder* durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def local_path(location: str) -> str:
    """Return the path that a location of ours (a plain path, or a `file:` URI others wrote) stands for."""
    path = unquote(urlsplit(location).path) if location.startswith("file:") else location
    return str(Path(path).absolute())


class DurableFileIO(PyArrowFileIO):
    """PyIceberg's way to files, with writes that are synced, whole or absent; PyArrow's own local files are never synced."""

    def new_output(self, location: str) -> OutputFile:  # type: ignore[override]  # PyIceberg only asks for an OutputFile
        """Return a file that appears under its name, synced, when its stream is closed."""
        return DurableOutputFile(location, super().new_input(location))


class DurableOutputFile(OutputFile):
    """A new file at *location*; *written* reads it once it is there."""

    def __init__(self, location: str, written: InputFile) -> None:
        super().__init__(location)
        self._written = written

    def __len__(self) -> int:
        """Return the size in bytes."""
        return len(self._written)

    def exists(self) -> bool:
        """Say whether the file is there."""
        return self._written.exists()

    def to_input_file(self) -> InputFile:
        """Return the file for reading."""
        return self._written

    def create(self, overwrite: bool = False) -> OutputStream:
        """Return a stream to write the content to; raises `FileExistsError` if the file is there and *overwrite* is not set."""
        if not overwrite and self.exists():
            raise FileExistsError(f"there is a file at {self.location} already")
        return cast(OutputStream, _DurableStream(local_path(self.location)))


class _DurableStream(io.BytesIO):
    """Collects metadata (kilobytes) and writes it in one piece when closed; a block left by an error writes nothing."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def close(self) -> None:
        if not self.closed:
            with self.getbuffer() as content:
                write_file(self._path, content)
        super().close()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None:
            super().close()
        else:
            self.close()

    def __del__(self) -> None:
        """Forget what was never closed; the parent class would write it."""
