"""CBOR against the RFC's own examples, botocore's reader and writer, and whatever else may come."""

from __future__ import annotations

import random
from typing import Any

import pytest
from botocore.parsers import RpcV2CBORParser
from botocore.serialize import RpcV2CBORSerializer

from headwater.edge.wire import cbor
from headwater.edge.wire.cbor import Moment

VALUES: list[Any] = [
    0, 23, 24, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32, 2**64 - 1, -1, -24, -25, -256, -257, -(2**64),
    0.0, -1.5, 1e300, "", "a", "é" * 30, "x" * 70_000, b"", b"\xff" * 300, True, False, None, [], [[]], {}, {"a": {"b": [1, "c", None]}},
    list(range(300)),
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES)
def test_what_is_written_is_read_again(value: Any) -> None:
    assert cbor.decode(cbor.encode(value)) == value
    assert type(cbor.decode(cbor.encode(value))) is type(value)


# RFC 8949, appendix A: as other writers spell the same.
EXAMPLES = {
    "f90000": 0.0, "f93c00": 1.0, "fa47c35000": 100_000.0, "f97bff": 65_504.0, "f7": None,
    "1818": 24, "1903e8": 1000, "1b000000e8d4a51000": 10**12, "3863": -100,
    "5f42010243030405ff": b"\x01\x02\x03\x04\x05", "7f657374726561646d696e67ff": "streaming",
    "9fff": [], "9f018202039f0405ffff": [1, [2, 3], [4, 5]], "bf61610161629f0203ffff": {"a": 1, "b": [2, 3]},
    "bf6346756ef563416d7421ff": {"Fun": True, "Amt": -2}, "d818456449455446": b"dIETF",
}  # fmt: skip


@pytest.mark.parametrize(("data", "value"), EXAMPLES.items())
def test_the_examples_of_the_rfc_are_read(data: str, value: Any) -> None:
    assert cbor.decode(bytes.fromhex(data)) == value


def test_a_time_is_milliseconds_under_tag_1_as_the_sdk_for_java_writes_it() -> None:
    captured = bytes.fromhex("a16954696d657374616d70c11b000001a013accc38")

    decoded = cbor.decode(captured)

    assert decoded == {"Timestamp": 1_787_036_486.712}
    assert cbor.encode({"Timestamp": Moment.of_ms(1_787_036_486_712)}) == captured


def test_a_time_with_a_fraction_is_seconds_as_the_rfc_has_it() -> None:
    assert cbor.decode(bytes.fromhex("c1fb41d452d9ec200000")) == 1_363_896_240.5


@pytest.mark.parametrize("value", [value for value in VALUES if value is not None])
def test_botocore_reads_what_we_write_and_we_read_what_it_writes(value: Any) -> None:
    written = bytearray()

    RpcV2CBORSerializer()._serialize_data_item(written, value, shape_of(value)) if shape_of(value) else written.extend(cbor.encode(value))
    [read] = [RpcV2CBORParser().parse_data_item(Peekable(cbor.encode(value)))]

    assert read == value
    assert cbor.decode(bytes(written)) == value


def shape_of(value: Any) -> Any:
    from botocore.model import Shape

    kinds = {int: "long", float: "double", str: "string", bytes: "blob", bool: "boolean"}
    kind = kinds.get(type(value))
    return Shape("S", {"type": kind}) if kind and not (kind == "string" and not value) else None


class Peekable:
    """A stream of bytes as botocore's parser wants it."""

    def __init__(self, data: bytes) -> None:
        from io import BufferedReader, BytesIO

        self._reader = BufferedReader(BytesIO(data))  # type: ignore[arg-type]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)


BROKEN = ["", "18", "19ff", "ff", "61", "6261", "5f", "5f01ff", "5f5f4100ffff", "82", "8201",
          "82ff", "9f", "bf", "bf01ff", "bf6161ff",
          "a10102", "a16161", "1f", "3f", "df", "c1", "c161", "c160", "c1ff", "f8ff", "fc", "f97c00",
          "fb7ff0000000000000", "fb7ff8000000000000",
          "1c", "5c", "0000", "61ff", "9bffffffffffffffff", "5bffffffffffffffff", "c1fb"]  # fmt: skip


@pytest.mark.parametrize("data", BROKEN)
def test_what_is_not_right_is_refused(data: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        cbor.decode(bytes.fromhex(data))


def test_nesting_has_an_end() -> None:
    with pytest.raises(ValueError, match="deep"):
        cbor.decode(b"\x81" * 100_000)
    with pytest.raises(ValueError, match="deep"):
        cbor.decode(b"\xc2" * 100_000 + b"\x00")


def test_random_bytes_are_read_or_refused() -> None:
    rng = random.Random(5)
    for _ in range(20_000):
        data = rng.randbytes(rng.randint(0, 12))
        try:
            cbor.decode(data)
        except ValueError:
            continue


def test_what_has_no_form_is_not_written() -> None:
    with pytest.raises(TypeError):
        cbor.encode({"a": object()})
