"""Records into columns and into Parquet: ours beside the article's path, bare msgspec and DuckDB's COPY."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import pyarrow as pa

from benchmarks.article import run_article
from benchmarks.bare import BareCopy, BareTables, decode_to_arrow, write_tables
from benchmarks.events import BAD_SHARE, Source
from benchmarks.local import LocalLake, example_models
from benchmarks.measure import Paired, Scale, cpu_s, fresh_folders, in_turns
from benchmarks.processes import BenchError
from benchmarks.report import Row, at_least, at_most, shown
from headwater.model import Decoded
from headwater.record import Record
from headwater.stream import FIRST_SHARD

BATCH = 10_000


def decode_rows(scale: Scale) -> list[Row]:
    """Measure the judging of records alone: bodies in memory -> columns and letters."""
    with tempfile.TemporaryDirectory(prefix="headwater-bench-") as name:
        good, _, _ = _decoding(scale, Path(name), 0.0)
        bad, refused, bare_refused = _decoding(scale, Path(name), BAD_SHARE)
    if refused != bare_refused:
        raise BenchError(f"ours refused {refused} of the spoilt records and msgspec {bare_refused}: they do not do the same work")
    note = f"{refused} of {scale.of(50_000, 20_000):,} refused, by both"
    return [
        at_most("record -> Arrow / bare msgspec", good.ratio, 1.15, 0.9, _us(good.ours), _us(good.limit)),
        at_most("record -> Arrow / bare msgspec, 5 % bad", bad.ratio, 1.5, 1.15, _us(bad.ours), _us(bad.limit), note=note),
    ]


def parquet_rows(scale: Scale) -> list[Row]:
    """Measure the stream -> committed Parquet: the real pipe, ledger, de-duplication and fold, beside the article's path and COPY."""
    count, rounds = 100_000, scale.of(3, 2)
    records = Source(1).records(count)
    bad = Source(2, BAD_SHARE).records(count)
    with tempfile.TemporaryDirectory(prefix="headwater-bench-") as name:
        folders = fresh_folders(Path(name))
        whole, pieces = _ndjson(records, next(folders), count), _ndjson(records, next(folders), 5_000)
        stream_to_parquet(next(folders), bad[:5_000], BATCH)
        _copied(next(folders), pieces[:1], 5_000)
        big = in_turns(
            rounds, lambda: stream_to_parquet(next(folders), records, BATCH), lambda: _copied(next(folders), whole, count), warm_up=False
        )
        small = in_turns(
            rounds, lambda: stream_to_parquet(next(folders), records, 5_000), lambda: _copied(next(folders), pieces, count), warm_up=False
        )
        bodies = [record.body for record in records[: scale.of(1_000, 300)]]
        _article(next(folders), bodies[:20])
        article = median(_article(next(folders), bodies) for _ in range(rounds))
        kept = median(_copied(next(folders), pieces, count, keep_open=True) for _ in range(rounds))
        bare = median(_judged_and_written(next(folders), records) for _ in range(rounds))
        spoilt = median(stream_to_parquet(next(folders), bad, BATCH) for _ in range(rounds))
    note = "ours: stream -> ledger -> one Iceberg commit a table, exactly once; COPY: one file of JSON a batch -> files, types only"
    small_note = "DuckDB is opened for each batch, as a job that runs once a batch does; the row below keeps it open"
    return [
        at_least("the article's path / stream -> Parquet", article / small.ours, 60, 150, _us(small.ours), _us(article)),
        at_most("stream -> Parquet / DuckDB COPY, batches of 100k", big.ratio, 2.2, 1.2, _us(big.ours), _us(big.limit), note=note),
        at_most(
            "stream -> Parquet / DuckDB COPY, batches of 5k", small.ratio, 1.1, 0.8, _us(small.ours), _us(small.limit), note=small_note
        ),
        shown("the same / DuckDB COPY in a process that stays, batches of 5k", _us(small.ours), _us(kept), small.ours / kept),
        shown("the same without stream, ledger, keys and commit / COPY of 100k", _us(bare), _us(big.limit), bare / big.limit),
        shown("stream -> Parquet, 5 % bad / none bad", _us(spoilt), _us(big.ours), spoilt / big.ours),
    ]


def stream_to_parquet(folder: Path, records: Sequence[Record], batch_size: int) -> float:
    """Return the CPU seconds an event takes from the stream to files committed to Iceberg; the appending is not counted."""
    with LocalLake(folder, batch_size) as local:
        local.append(records)

        def move() -> None:
            moved = local.drain()
            if moved != len(records):
                raise BenchError(f"the pipe moved {moved} of {len(records)} records")
            local.maintenance.fold_all()

        return cpu_s(move) / len(records)


def _decoding(scale: Scale, folder: Path, bad_share: float) -> tuple[Paired, int, int]:
    records = Source(3, bad_share).records(scale.of(50_000, 20_000))
    batches = [(records[i : i + BATCH], [r.body for r in records[i : i + BATCH]]) for i in range(0, len(records), BATCH)]
    numbers = list(range(1, BATCH + 1))
    models = example_models(folder)
    ours_refused: dict[int, int] = {}
    bare_refused: dict[int, int] = {}

    def ours() -> float:
        def work() -> None:
            for number, (batch, _) in enumerate(batches):
                decoded: Decoded = models.decode(batch, FIRST_SHARD, numbers[: len(batch)])
                decoded.tables()
                ours_refused[number] = len(decoded.letters)

        return cpu_s(work) / len(records)

    def bare() -> float:
        def work() -> None:
            for number, (_, bodies) in enumerate(batches):
                result: BareTables = decode_to_arrow(bodies)
                bare_refused[number] = len(result.refused)

        return cpu_s(work) / len(records)

    paired = in_turns(scale.of(7, 3), ours, bare)
    return paired, sum(ours_refused.values()), sum(bare_refused.values())


def _judged_and_written(folder: Path, records: Sequence[Record]) -> float:
    """Return the CPU seconds an event takes to be judged and written, with nothing that makes it exactly once."""
    folder.mkdir()
    models = example_models(folder)

    def work() -> None:
        parts: dict[str, list[pa.Table]] = {}
        for start in range(0, len(records), BATCH):
            batch = records[start : start + BATCH]
            for name, table in models.decode(batch, FIRST_SHARD, range(1, len(batch) + 1)).tables().items():
                parts.setdefault(name, []).append(table)
        write_tables({name: pa.concat_tables(tables) for name, tables in parts.items()}, folder, "all")

    return cpu_s(work) / len(records)


def _copied(folder: Path, sources: Sequence[Path], count: int, keep_open: bool = False) -> float:
    """Return the CPU seconds an event takes with one COPY a batch, DuckDB opened for each batch or (*keep_open*) once, before."""
    kept = BareCopy(folder) if keep_open else None

    def work() -> None:
        for source in sources:
            copy = kept or BareCopy(folder)
            copy.copy(source, source.stem)
            if copy is not kept:
                copy.close()

    try:
        return cpu_s(work) / count
    finally:
        if kept is not None:
            kept.close()


def _article(folder: Path, bodies: Sequence[bytes]) -> float:
    folder.mkdir()
    return cpu_s(lambda: run_article(bodies, folder)) / len(bodies)


def _ndjson(records: Sequence[Record], folder: Path, size: int) -> list[Path]:
    folder.mkdir()
    paths = []
    for start in range(0, len(records), size):
        path = folder / f"batch-{start}.ndjson"
        path.write_bytes(b"".join(record.body + b"\n" for record in records[start : start + size]))
        paths.append(path)
    return paths


def _us(seconds: float) -> str:
    return f"{seconds * 1e6:,.1f} us/event"
