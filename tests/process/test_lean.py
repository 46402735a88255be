"""What a role does not load."""

from __future__ import annotations

import subprocess
import sys

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


def test_the_worker_gets_along_without_pandas_and_a_model_with_it() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=60)

    assert done.returncode == 0, done.stderr
