"""The formats of files that an external table may have, by the Java classes that Hive and Glue call them by."""

from __future__ import annotations

from typing import Literal, NamedTuple

from headwater.catalog.shapes import SerDe, Storage, Table
from headwater.errors import Refused

Format = Literal["parquet", "text", "csv", "json"]

LAZY_SERDE = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"
CSV_SERDE = "org.apache.hadoop.hive.serde2.OpenCSVSerde"
JSON_SERDE = "org.openx.data.jsonserde.JsonSerDe"

_TEXT_INPUT, _TEXT_OUTPUT = "org.apache.hadoop.mapred.TextInputFormat", "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"


class Classes(NamedTuple):
    """What Hive needs to read a format, and what crawlers call it."""

    input: str
    output: str
    serde: str
    classification: str


CLASSES: dict[Format, Classes] = {
    "parquet": Classes(
        "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
        "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
        "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
        "parquet",
    ),
    "text": Classes(_TEXT_INPUT, _TEXT_OUTPUT, LAZY_SERDE, "csv"),
    "csv": Classes(_TEXT_INPUT, _TEXT_OUTPUT, CSV_SERDE, "csv"),
    "json": Classes(_TEXT_INPUT, _TEXT_OUTPUT, JSON_SERDE, "json"),
}
_SERDES: dict[str, Format] = {
    **{classes.serde.lower(): name for name, classes in CLASSES.items()},
    "org.apache.hive.hcatalog.data.jsonserde": "json",
    "org.apache.hadoop.hive.serde2.jsonserde": "json",
    "com.bizo.hive.serde.csv.csvserde": "csv",
}
_STORED_AS: dict[str, Format] = {"PARQUET": "parquet", "TEXTFILE": "text", "JSONFILE": "json"}
_KNOWN = "there are: PARQUET; TEXTFILE with ROW FORMAT DELIMITED, OpenCSVSerde or a JSON SerDe"


def format_of(table: Table) -> Format:
    """Return the format of a table's files. Raises `Refused` NOT_SUPPORTED for one that cannot be read here."""
    storage = table.storage_descriptor
    library = storage.serde_info.serialization_library
    if library is not None:
        return _by_serde(library)
    if (storage.input_format or "").lower() == CLASSES["parquet"].input.lower():
        return "parquet"
    raise Refused("NOT_SUPPORTED", f"table {table.name} does not say how its files are read; {_KNOWN}")


def storage_of(
    stored_as: str | None, serde: str | None, input_format: str | None, output_format: str | None, parameters: dict[str, str]
) -> tuple[Format, Storage]:
    """Return the format that the clauses of CREATE TABLE ask for, and how the catalog says it. Raises `Refused` NOT_SUPPORTED."""
    if stored_as is not None and stored_as not in _STORED_AS:
        raise Refused("NOT_SUPPORTED", f"STORED AS {stored_as} cannot be read here; {_KNOWN}")
    if serde is not None:
        found = _by_serde(serde)
    elif stored_as is not None:
        found = _STORED_AS[stored_as]
    elif input_format is not None and input_format.lower() == CLASSES["parquet"].input.lower():
        found = "parquet"
    elif input_format is None or input_format.lower() == _TEXT_INPUT.lower():
        found = "text"
    else:
        raise Refused("NOT_SUPPORTED", f"INPUTFORMAT '{input_format}' cannot be read here; {_KNOWN}")
    classes = CLASSES[found]
    given = {"serialization.format": parameters.get("field.delim", "1"), **parameters}
    return found, Storage(
        input_format=input_format or classes.input,
        output_format=output_format or classes.output,
        number_of_buckets=-1,
        serde_info=SerDe(serialization_library=serde or classes.serde, parameters=given),
    )


def _by_serde(library: str) -> Format:
    found = _SERDES.get(library.lower())
    if found is None:
        raise Refused("NOT_SUPPORTED", f"files of SerDe '{library}' cannot be read here; {_KNOWN}")
    return found
