"""What users write: the `Event` class their event types subclass, and `Email`."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Unpack

from pydantic import BaseModel, ConfigDict, StringConstraints

DatetimeSource = Literal["event_timestamp", "endpoint.EffectiveDate"]

# Spelled without \s, \w and the like, so that Pydantic's regular expressions and Python's agree on every text.
EMAIL_PATTERN = r"^[^@\x00-\x20\x7f]+@[^@\x00-\x20\x7f.]+(?:\.[^@\x00-\x20\x7f.]+)+$"

Email = Annotated[str, StringConstraints(pattern=EMAIL_PATTERN, max_length=254)]
"""An e-mail address kept exactly as it was sent: `something@host.domain`, no spaces, at most 254 characters.

`pydantic.EmailStr` checks more (it refuses reserved domains such as `.test`) and lower-cases the domain.
"""


class Event(BaseModel):
    """An event type: its class name is the `event_type` an app sends, its fields are the attributes and metrics it carries.

    Class keywords, all optional::

        class SignInEvent(Event, table="logins", extra="allow", datetime="endpoint.EffectiveDate"): ...

    - `table`: the name of the table; by default the class name in snake_case and plural, here `sign_in_events`.
    - `extra`: what to do with attributes and metrics that are no fields. `"forbid"` (the default) refuses the event, `"ignore"` leaves
      them out, `"allow"` keeps them in a column `extra`, a map from name to text.
    - `datetime`: what the column `datetime` holds: the event's own timestamp (`"event_timestamp"`, the default), or the last update of
      the endpoint (`"endpoint.EffectiveDate"`), which all events of one visit share. Subclasses inherit the choice.

    A class that declares `event_type: Literal["app/load page"]` is chosen by that name instead of its class name. Classes whose name
    starts with an underscore are no event types; they hold what several have in common.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    headwater_table: ClassVar[str | None] = None
    headwater_datetime: ClassVar[DatetimeSource] = "event_timestamp"

    def __init_subclass__(cls, *, table: str | None = None, datetime: DatetimeSource | None = None, **config: Unpack[ConfigDict]) -> None:
        super().__init_subclass__(**config)
        cls.headwater_table = table
        if datetime is not None:
            cls.headwater_datetime = datetime

    @classmethod
    def __pydantic_init_subclass__(cls, **_keywords: object) -> None:
        """Accept the class keywords, which `__init_subclass__` has kept already."""
