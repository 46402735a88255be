"""The engine of a sandbox: settings that let it read what it was given and nothing else, then locked."""

from __future__ import annotations

import duckdb
import pyarrow as pa
import pyarrow.dataset  # DuckDB loads it for a table with a filter, when this process can open no module any more

# No database of a user can have this name, and so be taken for the catalog.
_CATALOG = '"headwater:"'
_SETTINGS: dict[str, str | bool | int] = {
    "temp_directory": "",
    "python_enable_replacements": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "allow_persistent_secrets": False,
    "max_expression_depth": 250,
    # these would wait for other machines; there are none
    "async_threads": 0,
    # a process with threads cannot be forked
    "threads": 1,
}


def connect(database: str, memory: int) -> duckdb.DuckDBPyConnection:
    """Return an engine with an empty *database* that may use *memory* bytes, is not locked yet, and has no thread of its own."""
    engine = duckdb.connect(":memory:", config={**_SETTINGS, "memory_limit": f"{memory}B"})
    # A view is bound when it is made and when it is read: each would read the footers of its files.
    engine.execute("SET GLOBAL TimeZone = 'UTC'; SET GLOBAL parquet_metadata_cache = true")
    engine.execute(f"ATTACH ':memory:' AS {_CATALOG}; CREATE SCHEMA {_CATALOG}.{_quoted(database)}")
    _warm(engine)
    return engine


def session(engine: duckdb.DuckDBPyConnection, database: str, threads: int) -> duckdb.DuckDBPyConnection:
    """Return a connection for one query, in the process that is to run it: its random numbers are its own, and its threads start now."""
    connection = engine.cursor()
    connection.execute(f"USE {_CATALOG}.{_quoted(database)}; SET threads = {threads}")
    _warm(connection)
    return connection


def put_view(connection: duckdb.DuckDBPyConnection, database: str, name: str, text: str) -> None:
    """Make *name*, of *database* unless it names another, mean the SELECT in *text*."""
    other, _, table = name.rpartition(".")
    schema = f"{_CATALOG}.{_quoted(other or database)}"
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}; CREATE VIEW {schema}.{_quoted(table)} AS {text}")


def lock(connection: duckdb.DuckDBPyConnection, files: list[str]) -> None:
    """Let the engine open *files* and nothing else, and let nothing be set any more.

    Files, not folders: of a folder it would let others be listed, attached and written. That it lets these be written to, Landlock and
    the limit on file sizes do not.
    """
    listed = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
    connection.execute(f"SET allowed_paths = [{listed}]; SET enable_external_access = false; SET lock_configuration = true")


def _warm(connection: duckdb.DuckDBPyConnection) -> None:
    """Do once what every query does, so that its first time is over: reading a time and a handed table, parsing, giving out Arrow."""
    connection.execute("SELECT [epoch_us(CAST(('2026-01-01') AS TIMESTAMPTZ))]").fetchall()
    connection.register("headwater:warm", pa.table({"a": [1], "b": ["x"]}))
    connection.sql("SELECT b, json_serialize_sql('SELECT 1') FROM temp.\"headwater:warm\" WHERE a = 1").to_arrow_reader(1).read_all()
    connection.unregister("headwater:warm")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
