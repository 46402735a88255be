from __future__ import annotations

import datetime as dt
import json
import subprocess
import uuid
from decimal import Decimal
from enum import Enum
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, Literal

import pytest
from pydantic import AliasChoices, BaseModel, EmailStr, Field, PlainValidator

from headwater import Email, Event
from headwater.model import Models, compile_models, load_models
from headwater.model.judge import Accepted, judge
from headwater.model.typescript import typescript
from headwater.model.wire import Untyped

ROOT = Path(__file__).parents[2]


class Hand(Enum):
    """Which hand."""

    LEFT = "left"
    RIGHT = "right"


class Bar(BaseModel):
    """A bar of the piece."""

    number: int = Field(alias="no", ge=1)
    notes: list[int | None] = Field(max_length=64)
    hand: Hand = Hand.RIGHT


class SignUpEvent(Event):
    """Somebody made an account."""

    email: EmailStr


class SignInEvent(Event):
    email: Email
    is_test_user: bool
    user_type: Literal["student", "teacher"] | None
    level: int = Field(ge=1, lt=100, description="The level\nat sign-in */ or so.")
    invited_by: str | None = None


class LessonEvent(Event, extra="allow"):
    price: Decimal = Field(max_digits=8, decimal_places=2, ge=0)
    paid: Decimal | None = None
    began_at: dt.datetime
    due: dt.date
    teacher: uuid.UUID
    bars: list[Bar]
    first: Bar | None = None
    scores: dict[str, float | None]
    tags: list[Literal["a | b", "c"]] = Field(min_length=1)
    grade: Literal[1, 2, 3]
    tempo: Annotated[int, PlainValidator(lambda given: round(float(given)))]
    note: str = Field(validation_alias=AliasChoices("remark", "note"))
    pattern: str = Field(default="x", pattern="^x*$")


class LoadPage(Event, table="page_loads"):
    event_type: Literal["app/load page", "2nd-load"]
    session_id: str
    datetime: dt.datetime


class Delete(Event, table="deletions"):
    reason: str | None = None


MODELS = compile_models([SignUpEvent, SignInEvent, LessonEvent, LoadPage, Delete])


def test_fields_become_members_with_their_limits_as_comments() -> None:
    text = typescript(MODELS, "events.py")

    assert text.startswith("// Written by `headwater types --typescript` from events.py:")
    assert (
        """\
  /** Somebody made an account. */
  SignUpEvent: {
    /** E-mail address. */
    email: string;
  };

  SignInEvent: {
    /** An e-mail address; at most 254 characters. */
    email: string;
    is_test_user: boolean;
    user_type: "student" | "teacher" | null;
    /**
     * The level
     * at sign-in *\\/ or so.
     * A whole number; >= 1; < 100.
     */
    level: number;
    invited_by?: string | null;
  };

  LessonEvent: {
    /** >= 0. */
    price: string | number;
    paid?: string | number | null;
    /** ISO 8601 date and time, such as 2026-11-23T03:06:22.544Z. */
    began_at: string;
    /** ISO 8601 date, such as 2026-11-23. */
    due: string;
    /** UUID. */
    teacher: string;
    bars: Bar[];
    first?: Bar | null;
    scores: Record<string, number | null>;
    /** Not empty. */
    tags: ("a | b" | "c")[];
    grade: 1 | 2 | 3;
    tempo: number;
    remark: string;
    /**
     * Matches /^x*$/.
     * Default: "x"
     */
    pattern?: string;
    /** Anything else is kept in the column `extra`. */
    [extra: string]: unknown;
  };

  "app/load page": Record<string, never>;

  "2nd-load": Record<string, never>;

  Delete: {
    reason?: string | null;
  };
}
"""
        in text
    )
    assert """\
/** A bar of the piece. */
export interface Bar {
  /** A whole number; >= 1. */
  no: number;
  /** At most 64 items; each a whole number. */
  notes: (number | null)[];
  /** Default: "right" */
  hand?: Hand;
}

/** Which hand. */
export type Hand = "left" | "right";
""" in text  # fmt: skip


def test_every_event_type_has_a_function_of_a_name_that_typescript_takes() -> None:
    text = typescript(MODELS, "events.py")

    names = [line.split("(")[0].removeprefix("export function ") for line in text.splitlines() if line.startswith("export function ")]
    assert names == ["signUpEvent", "signInEvent", "lessonEvent", "appLoadPage", "event2ndLoad", "deleteEvent"]


def test_a_project_without_event_types_has_an_empty_interface() -> None:
    text = typescript(compile_models([]), "events.py")

    assert "export interface HeadwaterEvents {\n}\n" in text


def test_the_text_depends_on_nothing_but_the_models(tmp_path: Path) -> None:
    texts = []
    for folder in ("one", "another"):
        (tmp_path / folder).mkdir()
        for module, field in (("strings", "a4"), ("brass", "b_flat")):
            (tmp_path / folder / f"{module}.py").write_text(
                f"from pydantic import BaseModel\nclass Tuning(BaseModel):\n    {field}: float\n"
            )
        (tmp_path / folder / "events.py").write_text(
            "import strings, brass\nfrom headwater import Event\n"
            "class TunedEvent(Event):\n    violin: strings.Tuning\n    horn: brass.Tuning\n"
        )
        texts.append(typescript(load_models(tmp_path / folder / "events.py"), "events.py"))

    assert texts[0] == texts[1]
    assert "violin: Tuning;\n    horn: Tuning2;" in texts[0]


RIGHT = """
import { signUpEvent, signInEvent, lessonEvent, appLoadPage, deleteEvent } from "./events";
import type { HeadwaterEventName, HeadwaterEvents } from "./events";
import { record } from "aws-amplify/analytics";
import { Analytics } from "amplify5";
import { init } from "@headwater/client";

const lesson: HeadwaterEvents["LessonEvent"] = {
  price: "12.50", paid: null, began_at: "2026-11-23T03:06:22.544Z", due: "2026-11-30", teacher: "8d5a4f0e-8f5e-4f0c-9a0e-3f8f6a1b2c3d",
  bars: [{ no: 1, notes: [60, null] }, { no: 2, notes: [], hand: "left" }], scores: { ada: 0.5, bob: null }, tags: ["a | b"], grade: 2,
  tempo: 90, remark: "null", weather: "fine",
};
export const made = [
  signUpEvent({ email: "ada@example.org" }),
  signInEvent({ email: "ada@example.org", is_test_user: true, user_type: null, level: 3 }),
  signInEvent({ email: "ada@example.org", is_test_user: false, user_type: "teacher", level: 4, invited_by: undefined }),
  lessonEvent(lesson),
  appLoadPage(),
  deleteEvent(),
];
export const name: HeadwaterEventName = made[0]!.name;
export function use(): void {
  record(signUpEvent({ email: "ada@example.org" }));
  Analytics.record(signUpEvent({ email: "ada@example.org" }));
  const client = init<HeadwaterEvents>({ url: "", appId: "", writeKey: "" });
  client.record("SignInEvent", { email: "ada@example.org", is_test_user: true, user_type: null, level: 3 });
  client.record("LessonEvent", lesson);
  client.record("Delete");
  // @ts-expect-error - a field is missing
  client.record("SignUpEvent", {});
  // @ts-expect-error - nobody described it
  client.record("SignOutEvent", {});
}
"""

WRONG = {
    "a missing field": "signUpEvent({})",
    "no fields at all": "signUpEvent()",
    "a field too many": 'signUpEvent({ email: "a@example.org", name: "Ada" })',
    "a missing nullable field": 'signInEvent({ email: "", is_test_user: true, level: 3 })',
    "null where it may not be": "signInEvent({ email: null, is_test_user: true, user_type: null, level: 3 })",
    "text for a bool": 'signInEvent({ email: "", is_test_user: "true", user_type: null, level: 3 })',
    "text for a number": 'signInEvent({ email: "", is_test_user: true, user_type: null, level: "3" })',
    "a choice that is none": 'signInEvent({ email: "", is_test_user: true, user_type: "parent", level: 3 })',
    "a number that is none of the choices": "lessonEvent({ ...lesson, grade: 4 })",
    "a nested field that is missing": "lessonEvent({ ...lesson, bars: [{ notes: [] }] })",
    "a nested choice that is none": 'lessonEvent({ ...lesson, bars: [{ no: 1, notes: [], hand: "both" }] })',
    "an item of another type": 'lessonEvent({ ...lesson, bars: [{ no: 1, notes: ["c"] }] })',
    "a value of another type": 'lessonEvent({ ...lesson, scores: { ada: "good" } })',
    "a Date for its text": "lessonEvent({ ...lesson, began_at: new Date() })",
    "a field where there is none": 'appLoadPage({ a: "b" })',
    "a name nobody described": '((name: HeadwaterEventName) => name)("SignOutEvent")',
}


@pytest.fixture(scope="module")
def compiled(node: str, node_modules: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Compile the right calls and the wrong ones with the real compiler, and return the events that the right ones make."""
    folder = tmp_path_factory.mktemp("typescript")
    (folder / "node_modules").symlink_to(node_modules)
    (folder / "events.ts").write_text(typescript(MODELS, "events.py"))
    expected = "".join(f"  // @ts-expect-error - {why}\n  {call};\n" for why, call in WRONG.items())
    (folder / "use.ts").write_text(f"{RIGHT}\nexport function misuse(): void {{\n{expected}}}\n")
    options = {
        "strict": True, "noUncheckedIndexedAccess": True, "exactOptionalPropertyTypes": False, "noUnusedLocals": True,
        "target": "es2022", "module": "esnext", "moduleResolution": "bundler", "lib": ["es2022", "dom"], "types": [],
        "skipLibCheck": True, "outDir": "out", "rootDir": "/", "paths": {"@headwater/client": [str(ROOT / "clients/client/src/index.ts")]},
    }  # fmt: skip
    (folder / "tsconfig.json").write_text(json.dumps({"compilerOptions": options, "files": ["use.ts"]}))

    done = subprocess.run([str(node_modules / ".bin/tsc"), "-p", "."], cwd=folder, capture_output=True, text=True, timeout=120)

    assert done.returncode == 0, done.stdout
    [events] = (folder / "out").rglob("events.js")
    made = RIGHT[RIGHT.index("const lesson") : RIGHT.index("export const name")].replace(': HeadwaterEvents["LessonEvent"]', "")
    imports = f'import {{ signUpEvent, signInEvent, lessonEvent, appLoadPage, deleteEvent }} from "{events}";\n'
    (folder / "run.mjs").write_text(f"{imports}{made}\nconsole.log(JSON.stringify(made));\n")
    (events.parent / "package.json").write_text('{"type": "module"}')
    ran = subprocess.run([node, "run.mjs"], cwd=folder, capture_output=True, text=True, timeout=240)
    assert ran.returncode == 0, ran.stderr
    return list(json.loads(ran.stdout))


@pytest.mark.external_service
def test_the_compiler_takes_right_calls_refuses_wrong_ones_and_the_functions_make_events_in_amplifys_shape(
    compiled: list[dict[str, Any]],
) -> None:
    assert compiled[:3] == [
        {"name": "SignUpEvent", "attributes": {"email": "ada@example.org"}},
        {
            "name": "SignInEvent",
            "attributes": {"email": "ada@example.org", "is_test_user": "true", "user_type": "null"},
            "metrics": {"level": 3},
        },
        {
            "name": "SignInEvent",
            "attributes": {"email": "ada@example.org", "is_test_user": "false", "user_type": "teacher"},
            "metrics": {"level": 4},
        },
    ]
    assert compiled[4:] == [{"name": "app/load page"}, {"name": "Delete"}]


@pytest.mark.external_service
def test_what_the_functions_make_is_what_the_models_accept(compiled: list[dict[str, Any]]) -> None:
    accepted = [instance(MODELS, event) for event in compiled if event["name"] != "app/load page"]

    lesson = accepted[3]
    assert (lesson.price, lesson.paid, lesson.grade, lesson.tempo, lesson.note) == (Decimal("12.50"), None, 2, 90, "null")
    assert [tuple(bar[name] for name in ("number", "notes", "hand")) for bar in lesson.bars] == [
        (1, [60, None], Hand.RIGHT),
        (2, [], Hand.LEFT),
    ]
    assert (lesson.scores, lesson.tags, lesson.model_extra) == ({"ada": 0.5, "bob": None}, ["a | b"], {"weather": "fine"})


def instance(models: Models, event: dict[str, Any]) -> Any:
    record = Untyped(event_timestamp=1_795_403_182_544, attributes=event.get("attributes"), metrics=event.get("metrics"))
    verdict = judge(models.event_types[event["name"]], event["name"], record)
    assert isinstance(verdict, Accepted), verdict
    return SimpleNamespace(**verdict.values, model_extra=verdict.extra)
