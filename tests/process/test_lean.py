"""What a role does not load."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CODE = """
import sys
from headwater.process.lean import keep_pandas_from_arrow

keep_pandas_from_arrow()
import headwater.process.worker
import pyiceberg.io.pyarrow
import pyarrow

pyarrow.array(["ours"])
assert "pandas" not in sys.modules, "it was loaded all the same"
import pandas  # as a user's own model may

pandas.DataFrame({"a": [1]})
"""

WITHOUT_RICH = """
import sys
from headwater.process.lean import keep_rich_from_structlog

keep_rich_from_structlog()
import structlog
assert "rich.traceback" not in sys.modules, "it was loaded all the same"
import rich.traceback  # as others may

structlog.get_logger().info("said")
"""


def test_the_worker_gets_along_without_pandas_and_a_model_with_it() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=240)

    assert done.returncode == 0, done.stderr


def test_structlog_gets_along_without_rich_which_others_may_still_import() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_RICH], capture_output=True, text=True, timeout=60)

    assert done.returncode == 0, done.stderr
    assert "said" in done.stdout


def test_the_program_of_a_role_loads_nothing_of_the_command_line_and_says_what_is_wrong_without_a_trace(tmp_path: Path) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "headwater.process", "collect", "-C", str(tmp_path)]

    done = subprocess.run(command, capture_output=True, text=True, timeout=60)

    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert {"asyncio", "structlog"} <= loaded
    assert not loaded & {"click", "rich.console", "pygments"}
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("Error: no headwater.toml in")
