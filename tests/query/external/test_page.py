"""What the page on external tables says is so: its statements run, one after the other."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pyarrow as pa

from tests.query.external.conftest import Bucket

PAGE = Path(__file__).parents[3] / "docs/external.md"


def test_every_statement_of_the_page_runs(everywhere: Bucket) -> None:
    lines = pa.array([[{"sku": "a", "price": Decimal("1.50")}]], pa.list_(pa.struct({"sku": pa.string(), "price": pa.decimal128(9, 2)})))
    everywhere.put_parquet("orders/day=2026-11-20/1.parquet", id=[1], customer=["ada"], lines=lines)
    everywhere.put_parquet("visits/de/2026-11-20-07/1.parquet", visitor=["ada"])
    statements = [
        each for block in re.findall(r"^```sql\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE) for each in block.split(";")
    ]
    said = {}

    for statement in filter(str.strip, statements):
        said[" ".join(statement.split()[:4])] = everywhere.do(statement)

    assert said["SELECT customer, count(*) AS"] == ["customer", "ada"]
    assert said["SELECT count(*) AS n"] == ["n", "1"]
    assert said["MSCK REPAIR TABLE shop.orders"][1:] == ["Repair: Added partition to metastore orders:day=2026-11-20"]
    assert everywhere.do("SHOW DATABASES") == ["analytics", "default"]
