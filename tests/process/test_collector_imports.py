from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from headwater.process.project import make_project

CODE = """
import asyncio, sys
from pathlib import Path
from headwater.pipeline.collector import build_collector
from headwater.process import collector, roles, role
from headwater.settings import load_settings
project = Path(sys.argv[1])
async def main():
    parts = await build_collector(load_settings(project), project, lambda: (True, {}))
    await parts.stream.close()
asyncio.run(main())
print([name for name in ("pyarrow", "duckdb", "pyiceberg", "pandas", "numpy", "sqlglot", "boto3") if name in sys.modules])
"""


def test_the_collector_loads_nothing_of_the_lake(tmp_path: Path) -> None:
    made = make_project(tmp_path / "p", "p", None, None, "us-east-1", "000000000000")

    done = subprocess.run([sys.executable, "-c", CODE, str(made.folder)], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
