"""PyIceberg's way to files and objects: what it writes is whole and durable, or not there."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import cast
from urllib.parse import unquote, urlsplit

from pyiceberg.io import InputFile, InputStream, OutputFile, OutputStream
from pyiceberg.io.pyarrow import PyArrowFileIO

from headwater.store import SCHEME, S3Access, Store, open_store
from headwater.store.durable import write_file


def local_path(location: str) -> str:
    """Return the path that a location of ours (a plain path, or a `file:` URI others wrote) stands for; that of an object is its URL."""
    if location.startswith(SCHEME):
        return location
    path = unquote(urlsplit(location).path) if location.startswith("file:") else location
    return str(Path(path).absolute())


class DurableFileIO(PyArrowFileIO):
    """PyIceberg's way to files, with writes that are synced, whole or absent; PyArrow's own local files are never synced.

    Objects go through the store that the properties describe.
    """

    def new_input(self, location: str) -> InputFile:  # type: ignore[override]  # PyIceberg only asks for an InputFile
        """Return a file to read."""
        if location.startswith(SCHEME):
            return StoredFile(location, self._remote)
        return super().new_input(location)

    def new_output(self, location: str) -> OutputFile:  # type: ignore[override]  # and here for an OutputFile
        """Return a file that appears under its name, durable, when its stream is closed."""
        if location.startswith(SCHEME):
            remote = self._remote
            return DurableOutputFile(location, StoredFile(location, remote), lambda content: remote.write(location, content))
        path = local_path(location)
        return DurableOutputFile(location, super().new_input(location), lambda content: write_file(path, content))

    def delete(self, location: str | InputFile | OutputFile) -> None:
        """Remove a file."""
        url = location if isinstance(location, str) else location.location
        if url.startswith(SCHEME):
            self._remote.delete([url])
        else:
            super().delete(location)

    @cached_property
    def _remote(self) -> Store:
        return open_store(SCHEME, access=S3Access.of(self.properties))


class StoredFile(InputFile):
    """An object: metadata (kilobytes) is read in one piece."""

    def __init__(self, location: str, store: Store) -> None:
        super().__init__(location)
        self._store = store

    def __len__(self) -> int:
        """Return the size in bytes."""
        return len(self._store.read(self.location))

    def exists(self) -> bool:
        """Say whether the object is there."""
        return any(found.url == self.location for found in self._store.list(self.location))

    def open(self, seekable: bool = True) -> InputStream:
        """Return the content as a stream; raises `FileNotFoundError`."""
        return io.BytesIO(self._store.read(self.location))


class DurableOutputFile(OutputFile):
    """A new file at *location*; *written* reads it once it is there, and *write* puts it there."""

    def __init__(self, location: str, written: InputFile, write: Callable[[memoryview], int]) -> None:
        super().__init__(location)
        self._written, self._put = written, write
        self._size: int | None = None

    def __len__(self) -> int:
        """Return the size in bytes."""
        return len(self._written) if self._size is None else self._size

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
        return cast(OutputStream, _DurableStream(self._write))

    def _write(self, content: memoryview) -> None:
        self._size = self._put(content)


class _DurableStream(io.BytesIO):
    """Collects metadata (kilobytes) and writes it in one piece when closed; a block left by an error writes nothing."""

    def __init__(self, write: Callable[[memoryview], None]) -> None:
        super().__init__()
        self._write = write

    def close(self) -> None:
        if not self.closed:
            with self.getbuffer() as content:
                self._write(content)
        super().close()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None:
            super().close()
        else:
            self.close()

    def __del__(self) -> None:
        """Forget what was never closed; the parent class would write it."""
