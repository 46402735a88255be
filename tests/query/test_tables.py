"""The tables and views that are not in the lake."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from headwater.model.system import ENDPOINT_UPDATES
from headwater.query import DEAD_LETTERS, endpoint_rows

from .conftest import START_MS, Project, events

PROFILE: dict[str, Any] = {
    "Id": "e1",
    "ApplicationId": "app",
    "Address": "zoe@example.com",
    "ChannelType": "EMAIL",
    "OptOut": "NONE",
    "EndpointStatus": "ACTIVE",
    "EffectiveDate": "2026-11-23T03:06:21.154Z",
    "CreationDate": "2026-11-23T05:06:21.190+02:00",
    "RequestId": "r",
    "CohortId": "42",
    "Demographic": {"Make": "Gecko"},
    "Location": {},
    "Attributes": {"plan": ["gold", "é"]},
    "Metrics": {"score": 1.5},
    "User": {"UserId": "u1", "UserAttributes": {"team": ["a"]}},
}


def test_a_profile_becomes_one_row_typed_like_its_history() -> None:
    rows = endpoint_rows([PROFILE, {"Id": "e2", "EffectiveDate": "yesterday", "User": None}])

    assert all(field.equals(ENDPOINT_UPDATES.schema.field(field.name)) for field in rows.schema)
    full, bare = rows.to_pylist()
    assert (full["app_id"], full["client_id"], full["user_id"], full["cohort_id"]) == ("app", "e1", "u1", "42")
    assert full["effective_date"] == datetime(2026, 11, 23, 3, 6, 21, 154_000, tzinfo=UTC)
    assert full["creation_date"] == datetime(2026, 11, 23, 3, 6, 21, 190_000, tzinfo=UTC)
    assert (full["attributes"], full["location"], full["user_attributes"]) == ('{"plan":["gold","é"]}', "{}", '{"team":["a"]}')
    assert {name for name, value in bare.items() if value is not None} == {"client_id"}


def test_no_profiles_are_a_table_with_columns(project: Project) -> None:
    engine = project.engine(tables={"endpoints": lambda: endpoint_rows([])})

    result = engine.sql("SELECT * FROM endpoints WHERE effective_date > now()")

    assert result.arrow().num_rows == 0
    assert result.schema.field("metrics").type == pa.string()
    engine.close()


def test_endpoints_are_as_they_are_at_each_question(project: Project) -> None:
    profiles = [PROFILE]
    engine = project.engine(tables={"endpoints": lambda: endpoint_rows(profiles)})
    query = "SELECT client_id, json_extract_string(attributes, '$.plan[0]') FROM endpoints ORDER BY 1"

    before = engine.sql(query).rows()
    profiles.append({**PROFILE, "Id": "e2"})
    after = engine.sql(query).rows()

    assert (before, after) == ([("e1", "gold")], [("e1", "gold"), ("e2", "gold")])
    engine.close()


def test_dead_letters_show_the_latest_state_of_each(project: Project) -> None:
    def letters(*states: tuple[str, str, int]) -> pa.Table:
        moments = pa.array([changed * 1000 for _, _, changed in states]).cast(pa.timestamp("us", "UTC"))
        ids, status = [state[0] for state in states], [state[1] for state in states]
        return events([START_MS] * len(states), letter_id=ids, status=status, changed_at=moments)

    engine = project.engine(views={"dead_letters": DEAD_LETTERS})
    project.lake.ensure("dead_letter_log", letters(("a", "open", 1)).schema)
    project.fold("dead_letter_log", letters(("a", "open", 1), ("b", "open", 2), ("c", "redriven", 5), ("c", "open", 5)))
    project.append("dead_letter_log", letters(("a", "redriven", 3)))

    rows = engine.sql("SELECT letter_id, status FROM dead_letters ORDER BY letter_id").rows()
    open_ones = engine.sql("SELECT count(*) FROM analytics.dead_letters WHERE status = 'open'").rows()

    assert rows == [("a", "redriven"), ("b", "open"), ("c", "redriven")]
    assert open_ones == [(1,)]
    engine.close()
