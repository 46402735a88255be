"""Tables of other databases and older states, read where users' statements run."""

from __future__ import annotations

from headwater.query import Engine
from tests.query.conftest import START_MS, Project, events


def test_a_sandbox_reads_other_databases_and_older_states(project: Project, engine: Engine) -> None:
    schema = events([START_MS], n=[1]).schema
    project.lake.ensure("visits", schema)
    project.lake.ensure("marketing.visits", schema)
    project.fold("visits", events([START_MS, START_MS + 1], n=[1, 2]))
    [[first]] = engine.sql('SELECT snapshot_id FROM "visits$snapshots"').rows()
    project.fold("visits", events([START_MS + 2], n=[3]))

    rows = engine.sql(
        f'SELECT (SELECT count(*) FROM visits), (SELECT count(*) FROM "visits@{first}"), (SELECT count(*) FROM marketing.visits)'
    )

    assert rows.rows() == [(3, 2, 0)]
