from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from headwater.edge.glue.service import BODY_LIMIT
from headwater.errors import HeadwaterError, NotFound, Refused, Unavailable
from headwater.process.job import LINE_BYTES, send_job, serve_jobs


async def add(a: int, b: int) -> int:
    return a + b


async def greet(name: str, path: str) -> str:
    return f"{name} {path}"


async def measure(text: str) -> int:
    return len(text)


async def refuse() -> None:
    raise NotFound("table", "nowhere")


async def break_down() -> None:
    raise ZeroDivisionError("a bug")


@pytest.fixture(params=["run", "d" * 80 + "/" + "e" * 80])
async def socket_path(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Path]:
    path = tmp_path / request.param / "worker.sock"
    server = await serve_jobs(path, {"add": add, "greet": greet, "measure": measure, "refuse": refuse, "break": break_down})
    yield path
    server.close()


async def test_a_job_returns_its_result_however_deep_the_project_lies(socket_path: Path) -> None:
    assert await asyncio.to_thread(send_job, socket_path, "add", a=2, b=3) == 5


async def test_an_argument_may_be_called_name(socket_path: Path) -> None:
    assert await asyncio.to_thread(send_job, socket_path, "greet", name="ada", path="/") == "ada /"


async def test_whatever_a_door_accepts_fits_in_a_job(socket_path: Path) -> None:
    # Of all text this is what a job's line takes most room for.
    assert await asyncio.to_thread(send_job, socket_path, "measure", text="\x7f" * BODY_LIMIT) == BODY_LIMIT


async def test_a_job_that_is_too_long_is_refused_and_not_to_be_asked_again(socket_path: Path) -> None:
    with pytest.raises(Refused, match=r"job 'measure' would take 16,777,2\d\d bytes"):
        await asyncio.to_thread(send_job, socket_path, "measure", text="x" * LINE_BYTES)


async def test_a_jobs_own_refusal_reaches_who_asked(socket_path: Path) -> None:
    with pytest.raises(HeadwaterError, match="no table named 'nowhere'"):
        await asyncio.to_thread(send_job, socket_path, "refuse")


async def test_a_bug_in_a_job_is_answered_too_and_the_next_job_runs(socket_path: Path) -> None:
    with pytest.raises(HeadwaterError, match="a bug"):
        await asyncio.to_thread(send_job, socket_path, "break")

    assert await asyncio.to_thread(send_job, socket_path, "add", a=1, b=1) == 2


async def test_an_unknown_job_is_named(socket_path: Path) -> None:
    with pytest.raises(HeadwaterError, match="no job named 'dance'"):
        await asyncio.to_thread(send_job, socket_path, "dance")


async def test_nobody_listening_is_said(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="nobody answers"):
        send_job(tmp_path / "worker.sock", "add")


async def test_only_the_owner_may_send_jobs(socket_path: Path) -> None:
    assert socket_path.stat().st_mode & 0o077 == 0
