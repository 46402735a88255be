"""Event classes as people write them, and their models with the fast decoders and without."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, EmailStr, field_validator

from headwater.event import Event
from headwater.model import Models, compile_models


class SignInEvent(Event):
    email: EmailStr
    is_test_user: bool
    user_type: str | None


class PracticeEvent(Event):
    level: int
    piece_id: str
    accuracy: float | None = None


class Pair(BaseModel):
    a: int
    b: str | None = None


class Shaped(Event):
    tags: list[str]
    pair: Pair | None
    scores: dict[str, float] | None = None


class Validated(Event):
    word: str

    @field_validator("word")
    @classmethod
    def no_vowel(cls, word: str) -> str:
        if word == "boom":
            raise ZeroDivisionError("one by none")
        if "a" in word:
            raise ValueError("no a, please")
        return word.upper()


class Loose(Event, extra="ignore"):
    level: int
    note: str | None = None


CLASSES = [SignInEvent, PracticeEvent, Shaped, Validated, Loose]


@pytest.fixture(params=[True, False], ids=["fast", "pydantic only"])
def models(request: pytest.FixtureRequest) -> Models:
    return compile_models(CLASSES, fast=request.param)
