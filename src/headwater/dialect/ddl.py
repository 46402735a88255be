"""CREATE, DROP, ALTER, MSCK, OPTIMIZE, VACUUM: Hive's words -> what is asked for."""

from __future__ import annotations

from headwater.dialect import commands
from headwater.dialect.commands import NewColumn, PartitionSpec, PartitionTransform, TableName
from headwater.dialect.errors import MalformedQuery
from headwater.dialect.lexer import Reader
from headwater.dialect.statement import Statement
from headwater.dialect.utility import table_name

_TRANSFORMS = ("year", "month", "day", "hour", "bucket", "truncate")


def create_database(reader: Reader) -> Statement:
    """Read what follows CREATE DATABASE."""
    exists = _if(reader, "NOT", "EXISTS")
    name, comment, location, properties = reader.name(), None, None, {}
    while reader.next.kind != "end":
        if reader.take("COMMENT"):
            comment = reader.string()
        elif reader.take("LOCATION"):
            location = reader.string()
        elif reader.take("WITH", "DBPROPERTIES"):
            properties = pairs(reader)
        else:
            raise reader.mismatch()
    return _ddl(reader, "CREATE_DATABASE", commands.CreateDatabase(name, exists, comment, location, properties))


def create_table(reader: Reader, database: str, *, external: bool) -> Statement:
    """Read what follows CREATE [EXTERNAL] TABLE; its clauses come in any order."""
    exists = _if(reader, "NOT", "EXISTS")
    table = table_name(reader, database)
    if reader.peek("LIKE"):
        raise MalformedQuery("CREATE TABLE LIKE is not supported; write the columns, or CREATE TABLE ... AS SELECT ... WITH NO DATA")
    columns = _columns(reader) if reader.peek("(") else ()
    partitioned: tuple[NewColumn, ...] = ()
    transforms: tuple[PartitionTransform, ...] = ()
    clustered: tuple[str, ...] = ()
    comment = row_format = serde = stored = location = reads = writes = None
    buckets = None
    serde_properties: dict[str, str] = {}
    properties: dict[str, str] = {}
    while reader.next.kind != "end":
        if reader.take("COMMENT"):
            comment = reader.string()
        elif reader.take("PARTITIONED", "BY"):
            partitioned, transforms = _partitioning(reader)
        elif reader.take("CLUSTERED", "BY"):
            clustered = _names(reader)
            reader.expect("INTO")
            buckets = reader.number()
            reader.expect("BUCKETS")
        elif reader.take("ROW", "FORMAT", "SERDE"):
            serde = reader.string()
        elif reader.take("ROW", "FORMAT", "DELIMITED"):
            row_format, delimited = "DELIMITED", _delimited(reader)
            serde_properties |= delimited
        elif reader.take("WITH", "SERDEPROPERTIES"):
            serde_properties |= pairs(reader)
        elif reader.take("STORED", "AS", "INPUTFORMAT"):
            reads = reader.string()
            reader.expect("OUTPUTFORMAT")
            writes = reader.string()
        elif reader.take("STORED", "AS"):
            stored = reader.name().upper()
        elif reader.take("LOCATION"):
            location = reader.string()
        elif reader.take("TBLPROPERTIES"):
            properties = pairs(reader)
        else:
            raise reader.mismatch()
    if not columns and not serde_properties and "table_type" not in {key.lower() for key in properties}:
        raise reader.mismatch("(")
    made = commands.CreateTable(
        table, external, exists, columns, partitioned, transforms, comment, row_format, serde, serde_properties, stored, reads, writes,
        location,
        properties, clustered, buckets,
    )  # fmt: skip
    return _ddl(reader, "CREATE_TABLE", made)


def drop(reader: Reader, database: str) -> Statement:
    """Read DROP."""
    reader.expect("DROP")
    if reader.take("TABLE"):
        exists = _if(reader, "EXISTS")
        return _ddl(reader, "DROP_TABLE", commands.DropTable(table_name(reader, database), exists))
    if reader.take("VIEW"):
        exists = _if(reader, "EXISTS")
        return _ddl(reader, "DROP_VIEW", commands.DropView(table_name(reader, database), exists))
    if reader.take("DATABASE") or reader.take("SCHEMA"):
        exists = _if(reader, "EXISTS")
        name, cascade = reader.name(), reader.take("CASCADE")
        if not cascade:
            reader.take("RESTRICT")
        return _ddl(reader, "DROP_DATABASE", commands.DropDatabase(name, exists, cascade))
    raise MalformedQuery("Queries of this type are not supported")


def alter(reader: Reader, database: str) -> Statement:
    """Read ALTER TABLE."""
    reader.expect("ALTER")
    if not reader.take("TABLE"):
        raise MalformedQuery("Queries of this type are not supported")
    table = table_name(reader, database)
    if reader.take("ADD", "COLUMNS"):
        return _ddl(reader, "ALTER_TABLE_ADD_COLUMNS", commands.AddColumns(table, _columns(reader)))
    if reader.take("ADD"):
        exists = _if(reader, "NOT", "EXISTS")
        found = [_partition(reader)]
        while reader.peek("PARTITION"):
            found.append(_partition(reader))
        return _ddl(reader, "ALTER_TABLE_ADD_PARTITION", commands.AddPartitions(table, exists, tuple(found)))
    if reader.take("DROP", "COLUMN"):
        return _ddl(reader, "ALTER_TABLE_DROP_COLUMN", commands.DropColumn(table, reader.name()))
    if reader.take("DROP"):
        exists = _if(reader, "EXISTS")
        found = [_partition(reader)]
        while reader.take(","):
            found.append(_partition(reader))
        return _ddl(reader, "ALTER_TABLE_DROP_PARTITION", commands.DropPartitions(table, exists, tuple(found)))
    if reader.take("REPLACE", "COLUMNS"):
        return _ddl(reader, "ALTER_TABLE_REPLACE_COLUMNS", commands.ReplaceColumns(table, _columns(reader)))
    if reader.take("CHANGE"):
        return _change(reader, table)
    if reader.take("SET", "TBLPROPERTIES"):
        return _ddl(reader, "ALTER_TABLE_SET_TBLPROPERTIES", commands.SetProperties(table, pairs(reader)))
    if reader.take("UNSET", "TBLPROPERTIES"):
        return _ddl(reader, "ALTER_TABLE_UNSET_TBLPROPERTIES", commands.UnsetProperties(table, _strings(reader)))
    if reader.take("SET", "LOCATION"):
        return _ddl(reader, "ALTER_TABLE_SET_LOCATION", commands.SetLocation(table, reader.string()))
    if reader.take("RENAME", "TO"):
        return _ddl(reader, "ALTER_TABLE_RENAME", commands.RenameTable(table, table_name(reader, table.database)))
    if reader.peek("PARTITION"):
        return _alter_partition(reader, table)
    raise reader.mismatch()


def repair(reader: Reader, database: str) -> Statement:
    """Read MSCK REPAIR TABLE."""
    reader.expect("MSCK", "REPAIR", "TABLE")
    return _ddl(reader, "MSCK_REPAIR_TABLE", commands.RepairTable(table_name(reader, database)))


def vacuum(reader: Reader, database: str) -> Statement:
    """Read VACUUM."""
    reader.expect("VACUUM")
    return _ddl(reader, "VACUUM", commands.Vacuum(table_name(reader, database)))


def pairs(reader: Reader) -> dict[str, str]:
    """Read ('key' = 'value', ...)."""
    reader.expect("(")
    found: dict[str, str] = {}
    while not reader.take(")"):
        key = reader.string() if reader.is_string else reader.name()
        reader.expect("=")
        found[key] = reader.any().text
        if not reader.take(",") and not reader.peek(")"):
            raise reader.mismatch(")")
    return found


def _ddl(reader: Reader, substatement: str, command: commands.Command) -> Statement:
    reader.end()
    return Statement("DDL", substatement, None, command=command)


def _if(reader: Reader, *words: str) -> bool:
    if reader.take("IF"):
        reader.expect(*words)
        return True
    return False


def _change(reader: Reader, table: TableName) -> Statement:
    reader.take("COLUMN")
    old = reader.name()
    column = _column(reader)
    first = reader.take("FIRST")
    after = reader.name() if not first and reader.take("AFTER") else None
    return _ddl(reader, "ALTER_TABLE_CHANGE_COLUMN", commands.ChangeColumn(table, old, column, first, after))


def _alter_partition(reader: Reader, table: TableName) -> Statement:
    partition = _partition(reader)
    if reader.take("RENAME", "TO"):
        return _ddl(reader, "ALTER_TABLE_RENAME_PARTITION", commands.RenamePartition(table, partition, _partition(reader)))
    if reader.take("ADD", "COLUMNS"):
        return _ddl(reader, "ALTER_TABLE_ADD_COLUMNS", commands.AddColumns(table, _columns(reader)))
    reader.expect("SET", "LOCATION")
    return _ddl(reader, "ALTER_TABLE_SET_LOCATION", commands.SetLocation(table, reader.string(), partition))


def _columns(reader: Reader) -> tuple[NewColumn, ...]:
    reader.expect("(")
    found = [_column(reader)]
    while reader.take(","):
        found.append(_column(reader))
    reader.expect(")")
    return tuple(found)


def _column(reader: Reader) -> NewColumn:
    name, kind = reader.name(), _type(reader)
    return NewColumn(name, kind, reader.string() if reader.take("COMMENT") else "")


def _type(reader: Reader) -> str:
    """Read a type in Hive's words, and return it as they are written without spaces."""
    text = reader.name()
    if text == "double":
        reader.take("PRECISION")
    for opening, closing in (("<", ">"), ("(", ")")):
        if not reader.take(opening):
            continue
        depth, text = 1, text + opening
        while depth:
            word = reader.any()
            if word.kind == "end":
                raise reader.mismatch(closing)
            depth += (word.upper == opening) - (word.upper == closing)
            text += word.text.lower()
    return text


def _partitioning(reader: Reader) -> tuple[tuple[NewColumn, ...], tuple[PartitionTransform, ...]]:
    """Read (name type, ...), which is Hive's, or (name, day(name), bucket(4, name)), which is Iceberg's."""
    reader.expect("(")
    columns, transforms = [], []
    while True:
        name = reader.name()
        if reader.peek("(") and name in _TRANSFORMS:
            transforms.append(_transform(reader, name))
        elif reader.peek(",") or reader.peek(")"):
            transforms.append(PartitionTransform("identity", name))
        else:
            kind = _type(reader)
            columns.append(NewColumn(name, kind, reader.string() if reader.take("COMMENT") else ""))
        if reader.take(")"):
            return tuple(columns), tuple(transforms)
        reader.expect(",")


def _transform(reader: Reader, name: str) -> PartitionTransform:
    reader.expect("(")
    width = reader.number() if reader.next.kind == "number" else None
    if width is not None:
        reader.expect(",")
    column = reader.name()
    if width is None and reader.take(","):
        width = reader.number()
    reader.expect(")")
    return PartitionTransform(name, column, width)


def _partition(reader: Reader) -> PartitionSpec:
    reader.expect("PARTITION", "(")
    values = []
    while not reader.take(")"):
        key = reader.name()
        reader.expect("=")
        if reader.next.kind not in ("string", "number", "word"):
            raise reader.mismatch()
        values.append((key, reader.any().text))
        if not reader.take(",") and not reader.peek(")"):
            raise reader.mismatch(")")
    return PartitionSpec(tuple(values), reader.string() if reader.take("LOCATION") else None)


def _delimited(reader: Reader) -> dict[str, str]:
    found: dict[str, str] = {}
    while True:
        if reader.take("FIELDS", "TERMINATED", "BY"):
            found["field.delim"] = reader.string()
            if reader.take("ESCAPED", "BY"):
                found["escape.delim"] = reader.string()
        elif reader.take("COLLECTION", "ITEMS", "TERMINATED", "BY"):
            found["colelction.delim"] = reader.string()
        elif reader.take("MAP", "KEYS", "TERMINATED", "BY"):
            found["mapkey.delim"] = reader.string()
        elif reader.take("LINES", "TERMINATED", "BY"):
            found["line.delim"] = reader.string()
        elif reader.take("NULL", "DEFINED", "AS"):
            found["serialization.null.format"] = reader.string()
        else:
            return found


def _names(reader: Reader) -> tuple[str, ...]:
    reader.expect("(")
    found = [reader.name()]
    while reader.take(","):
        found.append(reader.name())
    reader.expect(")")
    return tuple(found)


def _strings(reader: Reader) -> tuple[str, ...]:
    reader.expect("(")
    found = [reader.string()]
    while reader.take(","):
        found.append(reader.string())
    reader.expect(")")
    return tuple(found)
