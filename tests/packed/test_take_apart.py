"""Packed records come apart, within bounds; what holds no event is named by what it is."""

from __future__ import annotations

import base64
import bz2
import contextlib
import gzip
import json
import lzma
import time
import tracemalloc
import zlib

import msgspec
import pytest

from headwater.packed import PARTS_LIMIT, UNPACKED_LIMIT, UnreadablePack, take_apart
from tests.packed.kpl import aggregate, field

A, B, C = b'{"event_type":"A"}', b'{"event_type":"B","n":1e400}', '{"event_type":"é","o":{"x":[1,{}]}}'.encode()

HELD = {
    "one object": (A, [A]),
    "one object on many lines": (json.dumps({"a": {"b": 1}}, indent=2).encode(), [json.dumps({"a": {"b": 1}}, indent=2).encode()]),
    "lines": (A + b"\n" + B + b"\r\n\n" + C + b"\n", [A, B, C]),
    "nothing between": (A + B + C, [A, B, C]),
    "spaces and tabs between": (b" " + A + b" \t" + B, [A, B]),
    "an array": (b" [" + A + b", " + B + b"," + C + b"] ", [A, B, C]),
    "record separators": (b"\x1e" + A + b"\n\x1e" + B + b"\n", [A, B]),
    "a byte order mark": (b"\xef\xbb\xbf" + A, [A]),
    "gzip": (gzip.compress(A), [A]),
    "gzip of lines": (gzip.compress(A + b"\n" + B), [A, B]),
    "two gzip members": (gzip.compress(A + b"\n") + gzip.compress(B) + b"\0\0", [A, B]),
    "gzip of gzip": (gzip.compress(gzip.compress(A)), [A]),
    "an aggregate": (aggregate(A, B), [A, B]),
    "an aggregate of gzip and lines": (aggregate(gzip.compress(A), B + b"\n" + C), [A, B, C]),
    "gzip of an aggregate": (gzip.compress(aggregate(A)), [A]),
    "a line that cannot be read": (A + b'\n{"cut":\n' + B, [A, b'{"cut":', B]),
    "a line that is no object": (A + b"\n5\n" + B, [A, b"5", B]),
    "an element that is no object": (b"[1," + A + b"]", [b"1", A]),
    "an array on many lines": (b"[\r\n " + A + b"\n,\t" + B + b"\n]", [A, B]),
    "an element that is no UTF-8": (b'["\xff",' + A + b"]", [b'"\xff"', A]),
    "many record separators": (A + b"\x1e\n\x1e\x1e " + B, [A, B]),
    "a number of 5,000 digits": (b'{"n":%s}%s' % (b"9" * 5_000, A), [b'{"n":%s}' % (b"9" * 5_000), A]),
}


@pytest.mark.parametrize("name", HELD)
def test_what_is_packed_together_comes_apart_as_it_was_written(name: str) -> None:
    data, parts = HELD[name]

    assert [part.data for part in take_apart(data)] == parts


def test_records_of_an_aggregate_keep_their_partition_keys() -> None:
    parts = take_apart(aggregate(A, B, C, keys=("one", "two")))

    assert [part.partition_key for part in parts] == ["one", "two", "two"]


def test_a_record_of_an_aggregate_that_is_no_json_says_what_it_is() -> None:
    _, other = take_apart(aggregate(A, b"\x28\xb5\x2f\xfd..."))

    assert other.data == b"\x28\xb5\x2f\xfd..."
    assert other.why is not None
    assert other.why.startswith("zstd")


CUT = aggregate(A, B)[:-1]
NAMED = {
    "empty": (b"", "empty"),
    "blank": (b" \n", "blank"),
    "text": (b"hello", "text that is not JSON"),
    "csv": (b"a,b\n1,2\n", "text that is not JSON"),
    "xml": (b"<event/>", "text that is not JSON, perhaps XML"),
    "cut JSON": (b'{"event_type":"A', "JSON that cannot be read"),
    "an object and more": (A + b"}", "JSON that cannot be read"),
    "deep JSON": (b"[" * 100_000, "JSON that"),
    "a number": (b"5", "JSON, but a number"),
    "a text": (b'"text"', "JSON, but a text"),
    "null": (b"null", "JSON, but null"),
    "an empty array": (b"[]", "a JSON array without objects"),
    "an array of numbers": (b"[1,2]", "a JSON array without objects"),
    "an array that does not end": (b"[" + A + b",", "JSON that cannot be read"),
    "an array and more": (b"[" + A + b"]]", "JSON that cannot be read"),
    "an array with a comma too many": (b"[" + A + b",]", "JSON that cannot be read"),
    "UTF-16": (A.decode().encode("utf-16"), "text in UTF-16"),
    "zstd": (b"\x28\xb5\x2f\xfd\x00", "zstd"),
    "bzip2": (bz2.compress(A), "bzip2"),
    "xz": (lzma.compress(A), "xz"),
    "zlib": (zlib.compress(A), "zlib"),
    "LZ4": (b"\x04\x22\x4d\x18..", "LZ4"),
    "Avro": (b"Obj\x01...", "an Avro file"),
    "Avro of a registry": (b"\0\0\0\0\x07\x02\x08abc", "Avro or protobuf with the number of a schema"),
    "protobuf": (field(1, b"abc\x00") + b"\x10\x96\x01", "protobuf"),
    "MessagePack": (msgspec.msgpack.encode({"event_type": "A", "n": 2.5}), "MessagePack"),
    "base64": (base64.b64encode(A * 3), "base64 text of JSON"),
    "base64 of gzip": (base64.b64encode(gzip.compress(A)), "base64 text of gzip"),
    "anything": (b"\xff\x00\x01", "neither text in UTF-8 (byte 0) nor of a form that is known here"),
    "cut gzip": (gzip.compress(A)[:-4], "gzip that ends too early"),
    "broken gzip": (b"\x1f\x8b" + b"\xff" * 20, "gzip that is damaged"),
    "gzip of text": (gzip.compress(b"hello"), "gzip of text that is not JSON"),
    "gzip too often": (gzip.compress(gzip.compress(gzip.compress(gzip.compress(A)))), "gzip of gzip of gzip of packed within itself more"),
    "a cut aggregate": (CUT, "an aggregate of the Kinesis Producer Library whose checksum (MD5) is wrong"),
    "an empty aggregate": (aggregate(), "an aggregate of the Kinesis Producer Library without any record"),
    "an aggregate of text": (aggregate(b"hello"), "an aggregate of the Kinesis Producer Library of text that is not JSON"),
    "only the mark of an aggregate": (b"\xf3\x89\x9a\xc2", "an aggregate of the Kinesis Producer Library whose checksum"),
    "too many": (b"{}" * (PARTS_LIMIT + 1), f"more than {PARTS_LIMIT:,} events"),
    "too many in an array": (b"[" + b"{}," * PARTS_LIMIT + b"{}]", f"more than {PARTS_LIMIT:,} events"),
    "too many in an aggregate": (aggregate(*[b"{}{}"] * (PARTS_LIMIT // 2 + 1)), f"more than {PARTS_LIMIT:,} events"),
}


@pytest.mark.parametrize("name", NAMED)
def test_what_holds_no_event_is_named_by_what_it_is(name: str) -> None:
    data, what = NAMED[name]

    with pytest.raises(UnreadablePack) as caught:
        take_apart(data)

    assert str(caught.value).startswith(what)


@pytest.mark.parametrize("layers", [1, 2])
def test_a_small_record_does_not_become_a_large_one(layers: int) -> None:
    bomb = b" " * (64 * UNPACKED_LIMIT // layers)
    for _ in range(layers):
        bomb = gzip.compress(bomb)
    tracemalloc.start()

    with pytest.raises(UnreadablePack, match="bytes once it is unpacked"):
        take_apart(aggregate(bomb, bomb))

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * UNPACKED_LIMIT


@pytest.mark.parametrize(
    "content",
    [b"[" + b"0," * 5_000_000 + b"0]", b"{}" + b"\x1e" * 9_999_990 + b"x", b"{\n" * 5_000_000, b"\r" * 9_999_990 + b"x"],
    ids=["numbers", "separators", "open lines", "line ends"],
)
def test_what_a_small_record_says_in_ten_megabytes_is_not_made_millions_of_objects(content: bytes) -> None:
    record = gzip.compress(content)
    tracemalloc.start()

    with pytest.raises(UnreadablePack):
        take_apart(record)

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(record) < 20_000
    assert peak < 10 * UNPACKED_LIMIT


@pytest.mark.parametrize(
    "data",
    [b'{"a":\n' * 150_000, b'{"a":' * 200_000, b"{\n" * 500_000, b'{"a":"' * 150_000, b"[" * 1_000_000, b'{"a":1}\n{"b"' * 75_000],
    ids=["open lines", "open", "braces", "open texts", "brackets", "halves"],
)
def test_the_worst_record_takes_time_that_grows_with_its_length_only(data: bytes) -> None:
    def seconds(some: bytes) -> float:
        began = time.process_time()
        with contextlib.suppress(UnreadablePack):
            take_apart(some)
        return time.process_time() - began

    # A cost by the square would be 25 times as much for a fifth of the length; generous for a machine that does other things.
    assert seconds(data) < 15 * seconds(data[: len(data) // 5]) + 0.5
