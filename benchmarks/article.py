"""The path that Headwater replaces, as its author described it: one validation and one Parquet file for each event."""

from __future__ import annotations

import json
import shutil
import uuid
import warnings
from collections.abc import Sequence
from datetime import datetime as Moment  # noqa: N812  (the models have a field `datetime`)
from pathlib import Path
from typing import Annotated, Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, Field, field_serializer, field_validator
from pydantic.warnings import PydanticDeprecatedSince20

from headwater.event import Email

with warnings.catch_warnings():
    # The author's models have a `class Config`; that costs nothing when events are validated, so it stays as it was written.
    warnings.simplefilter("ignore", PydanticDeprecatedSince20)

    class _Model(BaseModel):
        datetime: Moment
        session_id: str

        class Config:
            extra = "forbid"

        @field_serializer("datetime", check_fields=False)
        def _milliseconds(self, moment: Moment) -> str:
            return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"

    class _SignUp(_Model):
        event_type: Literal["SignUpEvent"]
        email: Email

    class _SignIn(_Model):
        event_type: Literal["SignInEvent"]
        email: Email
        id: str
        is_test_user: bool
        user_type: str | None

        @field_validator("user_type", mode="before")
        @classmethod
        def _null(cls, value: Any) -> Any:
            return None if value == "null" else value

    class _Practice(_Model):
        event_type: Literal["PracticeEvent"]
        piece_id: str
        level: int
        accuracy: Annotated[float, Field(ge=0, le=1)]
        tempo: float
        duration_s: float


_SHARED: list[tuple[str, pa.DataType]] = [
    ("event_type", pa.string()),
    ("datetime", pa.timestamp("s", tz="UTC")),
    ("session_id", pa.string()),
]
_SIGN_IN: list[tuple[str, pa.DataType]] = [
    ("email", pa.string()),
    ("id", pa.string()),
    ("is_test_user", pa.bool_()),
    ("user_type", pa.string()),
]
_PRACTICE: list[tuple[str, pa.DataType]] = [
    ("piece_id", pa.string()),
    ("level", pa.int64()),
    ("accuracy", pa.float64()),
    ("tempo", pa.float64()),
    ("duration_s", pa.float64()),
]
_TYPES: dict[str, tuple[type[_Model], pa.Schema]] = {
    "SignUpEvent": (_SignUp, pa.schema([*_SHARED, ("email", pa.string())])),
    "SignInEvent": (_SignIn, pa.schema([*_SHARED, *_SIGN_IN])),
    "PracticeEvent": (_Practice, pa.schema([*_SHARED, *_PRACTICE])),
}


def run_article(bodies: Sequence[bytes], folder: Path) -> int:
    """Take each body through both of the article's functions into a file of its own under *folder*; return how many files there are."""
    for body in bodies:
        event = transform({"data": json.loads(body)})
        output(event, folder)
    return len(bodies)


def transform(event: dict[str, Any]) -> dict[str, Any]:
    """Do what the article's enrichment did with one event; raises Pydantic's error for a wrong one."""
    data = event["data"]
    model, _ = _TYPES[data["event_type"]]
    values = {
        "event_type": data["event_type"],
        "datetime": data["endpoint"]["EffectiveDate"],
        "session_id": data["session"]["session_id"],
        **data["attributes"],
        **data["metrics"],
    }
    validated = model(**values)
    return dict(json.loads(validated.model_dump_json()))


def output(event: dict[str, Any], folder: Path) -> Path:
    """Do what the article's target did with one event: write a file, then put it where it belongs (a copy instead of the upload)."""
    _, schema = _TYPES[event["event_type"]]
    moment = Moment.fromisoformat(event["datetime"])
    name = f"{event['event_type']}{uuid.uuid4()}.parquet"
    written = folder / name
    table = pa.Table.from_pylist([event | {"datetime": moment}], schema=schema)
    pq.write_table(table, written, compression="snappy", use_deprecated_int96_timestamps=True)
    place = folder / f"year={moment.year}" / f"month={moment.month}" / f"day={moment.day}"
    place.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(written, place / name)
    written.unlink()
    return place / name
