"""Jobs over their socket: what is asked for is done once and answered, whoever goes away meanwhile."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from headwater.edge.glue.service import BODY_LIMIT
from headwater.errors import Cancelled, HeadwaterError, NotFound, Refused, Unavailable
from headwater.jobs import Done, Handlers, Job, JobRun, Progress, threaded
from headwater.jobs.socket import LINE_BYTES, SocketAsk, serve_jobs


class Sum(msgspec.Struct, frozen=True):
    value: int


class Add(Job[Sum], frozen=True, kw_only=True):
    a: int
    b: int


class Measure(Job[Sum], frozen=True, kw_only=True):
    text: str


class Refuse(Job[Done], frozen=True, kw_only=True):
    code: str | None = None


class Break(Job[Done], frozen=True, kw_only=True):
    pass


class Dance(Job[Done], frozen=True, kw_only=True):
    pass


class Count(Job[Sum], frozen=True, kw_only=True):
    """Counts how often it was begun, in steps, until it is let go on."""

    steps: int = 1


class Works:
    def __init__(self) -> None:
        self.begun, self.go_on = 0, threading.Event()

    def handlers(self) -> Handlers:
        return Handlers(
            [
                Add.by(threaded(lambda job, run: Sum(job.a + job.b))),
                Measure.by(threaded(lambda job, run: Sum(len(job.text)))),
                Refuse.by(threaded(self.refuse)),
                Break.by(threaded(self.break_down)),
                Count.by(threaded(self.count)),
            ]
        )

    def refuse(self, job: Refuse, run: JobRun) -> Done:
        if job.code is not None:
            raise Refused(job.code, "no")
        raise NotFound("table", "nowhere")

    def break_down(self, job: Break, run: JobRun) -> Done:
        raise ZeroDivisionError("a bug")

    def count(self, job: Count, run: JobRun) -> Sum:
        self.begun += 1
        for step in range(job.steps):
            run.at(step, job.steps, "steps")
            assert self.go_on.wait(60)
            time.sleep(0.01)
        return Sum(self.begun)


@pytest.fixture
def works() -> Works:
    return Works()


@pytest.fixture(params=["run", "d" * 80 + "/" + "e" * 80])
async def path(request: pytest.FixtureRequest, tmp_path: Path, works: Works) -> AsyncIterator[Path]:
    path = tmp_path / request.param / "worker.sock"
    server = await serve_jobs(path, works.handlers())
    yield path
    server.close()


async def test_a_job_is_answered_however_deep_the_project_lies(path: Path) -> None:
    assert await asyncio.to_thread(SocketAsk(path), Add(a=2, b=3)) == Sum(5)


async def test_whatever_a_door_accepts_fits_in_a_job(path: Path) -> None:
    # Of all text this is what a job's line takes most room for.
    assert await asyncio.to_thread(SocketAsk(path), Measure(text="\x7f" * BODY_LIMIT)) == Sum(BODY_LIMIT)


async def test_a_job_that_is_too_long_is_refused_and_not_to_be_asked_again(path: Path) -> None:
    with pytest.raises(Refused, match=r"job Measure would take 16,777,\d\d\d bytes"):
        await asyncio.to_thread(SocketAsk(path), Measure(text="x" * LINE_BYTES))


async def test_a_jobs_own_refusal_reaches_who_asked(path: Path) -> None:
    with pytest.raises(HeadwaterError, match="no table named 'nowhere'"):
        await asyncio.to_thread(SocketAsk(path), Refuse())
    with pytest.raises(Refused, match="no") as caught:
        await asyncio.to_thread(SocketAsk(path), Refuse(code="NOT_SUPPORTED"))

    assert caught.value.code == "NOT_SUPPORTED"


async def test_a_bug_in_a_job_is_answered_too_and_the_next_job_runs(path: Path) -> None:
    with pytest.raises(HeadwaterError, match="a bug"):
        await asyncio.to_thread(SocketAsk(path), Break())

    assert await asyncio.to_thread(SocketAsk(path), Add(a=1, b=1)) == Sum(2)


async def test_an_unknown_job_is_named(path: Path) -> None:
    with pytest.raises(HeadwaterError, match="no job named 'Dance'"):
        await asyncio.to_thread(SocketAsk(path), Dance())


@pytest.mark.parametrize("line", [b"{}\n", b"[1]\n", b"nonsense\n", b'{"id":"a","job":"Add","request":{"a":"x","b":1}}\n'])
async def test_what_is_no_job_is_answered_so(path: Path, line: bytes) -> None:
    reader, writer = await asyncio.open_unix_connection(_reachable(path))
    writer.write(line)

    said = msgspec.json.decode(await reader.readline())

    assert said["failure"]["message"]
    writer.close()


def test_nobody_listening_is_said(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="nobody answers"):
        SocketAsk(tmp_path / "worker.sock")(Add(a=1, b=1))


async def test_only_the_owner_may_ask(path: Path) -> None:
    assert path.stat().st_mode & 0o077 == 0


async def test_a_job_is_done_once_for_one_id_while_it_runs_and_after(path: Path, works: Works) -> None:
    ask = SocketAsk(path)
    both = [asyncio.create_task(asyncio.to_thread(ask, Count(), id="one")) for _ in range(2)]
    while not works.begun:
        await asyncio.sleep(0.01)
    works.go_on.set()

    assert await asyncio.gather(*both) == [Sum(1), Sum(1)]
    assert await asyncio.to_thread(ask, Count(), id="one") == Sum(1)
    assert await asyncio.to_thread(ask, Count(), id="another") == Sum(2)
    assert await asyncio.to_thread(ask, Count()) == Sum(3)


async def test_what_nobody_can_ask_for_again_is_not_kept(path: Path, works: Works) -> None:
    handlers = works.handlers()
    works.go_on.set()

    for _ in range(50):
        await handlers.do(Count(), JobRun())
    for number in range(1_100):
        await handlers.do(Add(a=number, b=1), JobRun(f"{number}"))

    assert len(handlers._under_way) <= 1_001
    assert await handlers.do(Add(a=0, b=0), JobRun("1099")) == Sum(1_100)  # that job was done


async def test_a_job_that_failed_is_tried_anew(path: Path) -> None:
    for _ in range(2):
        with pytest.raises(Refused):
            await asyncio.to_thread(SocketAsk(path), Refuse(code="NOT_SUPPORTED"), id="one")


async def test_who_asked_hears_how_far_it_is(path: Path, works: Works) -> None:
    heard: list[Progress] = []
    works.go_on.set()

    await asyncio.to_thread(SocketAsk(path), Count(steps=3), told=heard.append)

    assert heard == [Progress(0, 3, "steps"), Progress(1, 3, "steps"), Progress(2, 3, "steps")]


async def test_a_job_that_nobody_wants_any_more_ends_at_its_next_step(path: Path, works: Works) -> None:
    wanted = threading.Event()
    wanted.set()
    asking = asyncio.create_task(asyncio.to_thread(SocketAsk(path), Count(steps=100_000), wanted=wanted.is_set))
    while not works.begun:
        await asyncio.sleep(0.01)
    wanted.clear()
    works.go_on.set()

    with pytest.raises(Cancelled):
        await asking


async def test_a_job_goes_on_where_who_asked_has_gone_and_may_be_asked_for_again(path: Path, works: Works) -> None:
    reader, writer = await asyncio.open_unix_connection(_reachable(path))
    writer.write(b'{"id":"one","job":"Count","request":{"steps":3}}\n')
    await reader.readline()
    writer.close()
    await writer.wait_closed()
    works.go_on.set()

    assert await asyncio.to_thread(SocketAsk(path), Count(steps=3), id="one") == Sum(1)
    assert works.begun == 1


async def test_an_answer_that_does_not_come_in_time_is_said(path: Path, works: Works) -> None:
    with pytest.raises(Unavailable, match=r"no answer within 0\.3 s"):
        await asyncio.to_thread(SocketAsk(path, 0.3), Count())
    works.go_on.set()


async def test_a_role_that_ends_before_it_answers_is_said(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()

        def hang_up() -> None:
            conversation, _ = listener.accept()
            with conversation:
                conversation.recv(1 << 16)

        hanging = asyncio.create_task(asyncio.to_thread(hang_up))
        with pytest.raises(Unavailable, match="ended before it answered job Add; ask again"):
            await asyncio.to_thread(SocketAsk(tmp_path / "s"), Add(a=1, b=1))
        await hanging


def _reachable(path: Path) -> str:
    """Return a name of the socket that fits its address."""
    short = path.parents[-1] / "tmp" / f"headwater-{hash(path):x}.sock"
    short.unlink(missing_ok=True)
    short.symlink_to(path)
    return str(short)
