"""Literals as generators write them: with None among the choices, or as a union."""

from __future__ import annotations

from enum import Enum
from typing import Any, Literal, Optional

import pyarrow as pa
import pytest
from pydantic import create_model

from headwater.errors import ModelError
from headwater.event import Event
from headwater.model import compile_models
from tests.model.bodies import decode, event, rows


class Color(Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("annotation", "kind", "given", "kept"),
    [
        (Literal["a", "b", None], pa.string(), {"v": "b"}, "b"),
        (Literal["a", "b", None], pa.string(), {"v": "null"}, None),
        (Literal["a", "b", None], pa.string(), {}, None),
        (Literal["a"] | Literal["b"], pa.string(), {"v": "b"}, "b"),
        (Literal["a"] | Literal["b"] | None, pa.string(), {}, None),
        (Literal["a", None] | Literal["b"], pa.string(), {"v": "b"}, "b"),
        (Optional[Literal["a", "b"]], pa.string(), {"v": None}, None),  # noqa: UP045
        (Color | Literal["blue"], pa.string(), {"v": "red"}, "red"),
        (list[Literal["a", None]], pa.list_(pa.string()), {"v": '["a", null]'}, ["a", None]),
    ],
)
@pytest.mark.parametrize("fast", [True, False])
def test_choices_are_one_column(annotation: Any, kind: pa.DataType, given: dict[str, Any], kept: Any, fast: bool) -> None:
    models = compile_models([create_model("Choice", __base__=Event, v=(annotation, ...))], fast=fast)

    [row] = rows(decode(models, event("Choice", given)), "choices")

    assert models.tables["choices"].schema.field("v").type == kind
    assert row["v"] == kept


def test_numbers_come_as_metrics() -> None:
    models = compile_models([create_model("Choice", __base__=Event, v=(Literal[None, 1], None))])

    decoded = decode(models, event("Choice", {}, {"v": 1}), event("Choice"), event("Choice", {}, {"v": 2}))

    assert [row["v"] for row in rows(decoded, "choices")] == [1, None]
    assert decoded.letters[2].field == "v"


@pytest.mark.parametrize("annotation", [Literal["a", 1], Literal["a"] | Literal[1], Literal[None], Literal["a"] | int])
def test_choices_of_several_types_are_refused_by_name(annotation: Any) -> None:
    with pytest.raises(ModelError, match="class Choice, field v"):
        compile_models([create_model("Choice", __base__=Event, v=(annotation, ...))])
