"""Importing a project's events file by its path, apart from everything else that is imported."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType

from pydantic import BaseModel

from headwater.errors import ModelError
from headwater.model.eventtype import event_names

_PREFIX = "_headwater_events_"


def load_classes(path: Path) -> list[type[BaseModel]]:
    """Return the event classes the file at *path* defines or imports from its own folder, in the order of their names in the file.

    Raises `ModelError` if there is no such file, or if importing it fails.
    """
    file = path.resolve()
    if not file.is_file():
        raise ModelError(f"{path}: there is no such file; `headwater init` writes one to begin with")
    module = _import(file)
    classes: list[type[BaseModel]] = []
    for value in vars(module).values():
        if isinstance(value, type) and issubclass(value, BaseModel) and value not in classes and _is_local(value, file, module):
            try:
                if event_names(value):
                    classes.append(value)
            except ModelError as error:
                raise ModelError(f"{path}: {error}") from error
    return classes


def _import(file: Path) -> ModuleType:
    name = f"{_PREFIX}{hashlib.sha256(str(file).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ModelError(f"{file}: not a Python file; its name ends in .py")
    module = importlib.util.module_from_spec(spec)
    with _apart(file.parent):
        sys.modules[name] = module  # Pydantic looks up the names in annotations there
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            sys.modules.pop(name, None)
            raise ModelError(f"{file}: importing it failed: {type(error).__name__}: {error}{_line(error, file)}") from error
    return module


@contextmanager
def _apart(folder: Path) -> Iterator[None]:
    """Make the folder's modules importable, and forget them afterwards: another project may have modules of the same names.

    The deprecation warnings of a file in Pydantic's older style are for its author's eyes, not for our log.
    """
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", UserWarning)
            yield
    finally:
        with suppress(ValueError):  # the file may have tidied up itself
            sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            module = sys.modules[name]
            if not name.startswith(_PREFIX) and _lies_in(module, folder):
                del sys.modules[name]
                _FORGOTTEN.append(module)


# Kept alive, since classes and validators of theirs are in use.
_FORGOTTEN: list[ModuleType] = []


def _lies_in(module: ModuleType, folder: Path) -> bool:
    places = [getattr(module, "__file__", None), *getattr(module, "__path__", ())]  # a folder without __init__.py has only a path
    return any(place is not None and Path(place).is_relative_to(folder) for place in places)


def _is_local(cls: type, file: Path, module: ModuleType) -> bool:
    if cls.__module__ == module.__name__:
        return True
    return any(
        held.__name__ == cls.__module__ and getattr(held, cls.__name__, None) is cls and _lies_in(held, file.parent) for held in _FORGOTTEN
    )


def _line(error: Exception, file: Path) -> str:
    trace, line = error.__traceback__, None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(file):
            line = trace.tb_lineno
        trace = trace.tb_next
    return "" if line is None else f" (line {line})"
