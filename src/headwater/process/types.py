"""Writing the project's event types for the app's compiler, and finding out whether what was written is still so."""

from __future__ import annotations

import difflib
from pathlib import Path

from headwater.errors import ProjectError
from headwater.model.typescript import typescript
from headwater.places import load_project_models
from headwater.settings import load_settings


def write_types(project: Path, output: Path | None) -> str:
    """Return the TypeScript module of the project's event types, and write it to *output* if there is one."""
    settings = load_settings(project)
    text = typescript(load_project_models(project, settings), settings.app.events)
    if output is not None:
        try:
            output.write_text(text, encoding="utf-8")
        except OSError as error:
            raise ProjectError(f"cannot write {output}: {error}") from error
    return text


def check_types(project: Path, written: Path) -> str:
    """Return how the file differs from what would be written now, as a unified diff; "" if it does not."""
    try:
        found = written.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ProjectError(f"cannot read {written}: {error}") from error
    now = write_types(project, None)
    lines = difflib.unified_diff(found.splitlines(keepends=True), now.splitlines(keepends=True), str(written), "events now")
    return "".join(line if line.endswith("\n") else line + "\n" for line in lines)
