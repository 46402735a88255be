"""`headwater demo`: a project, served, with a simulated app that sends to it, one live screen, and three answers at the end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shlex
import signal
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.live import Live

from headwater.control import Key
from headwater.demo import QUESTIONS, Screen, Sent, SimulatedApp, boto3_client
from headwater.pipeline.query import open_lake
from headwater.places import Paths, ledger_positions, open_project_control, open_stream_reader
from headwater.process.lock import FileLock
from headwater.process.project import check_openable, make_project, our_command
from headwater.process.serve import build_supervisor
from headwater.process.status import measure_lag
from headwater.process.supervisor import Supervisor
from headwater.query import Engine, write
from headwater.settings import FILE, Settings, load_settings
from headwater.stream import Stream
from headwater.telemetry import configure_logs

KEY = "demo-app"
READY_WITHIN_S = 60.0


def demonstrate(
    project: Path, seconds: float | None, students: int, rate: float, keep: bool, *, width: int | None = None, as_json: bool = False
) -> None:
    """Run the demo for *seconds*, or until Ctrl-C; a project that is in the folder already is used as it is.

    *keep* says that the folder stays, so that the demo may tell where it is. *width*: of the terminal, None where there is none.
    *as_json*: print only what came of it, for programs.
    """
    console = Console(stderr=as_json)
    key = _project(project)
    settings = load_settings(project)
    log = Paths(project).run / "demo.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    configure_logs("warning", "text", role="supervisor")
    with FileLock(Paths(project).project_lock, "headwater demo").acquire():
        supervisor = build_supervisor(settings, project, 0, 0, log)
        asyncio.run(_Demo(console, project, settings, key, supervisor, width, as_json).run(seconds, students, rate))
    if keep:
        console.out(f"\nThe project is in {project}", highlight=False)


def _project(project: Path) -> Key:
    """Return a key of the project, which is made if it is not there."""
    if not (project / FILE).exists():
        return make_project(project, "piano", None, None, "us-east-1", "000000000000").owner
    settings = load_settings(project)
    check_openable(project, settings, begin=True)
    control = open_project_control(project, settings)
    number = sum(key.name.startswith(KEY) for key in control.keys())  # noqa: SIM118 - not a dict
    return control.create_key(f"{KEY}-{number + 1}", frozenset({"send"}))


class _Demo:
    def __init__(
        self, console: Console, project: Path, settings: Settings, key: Key, supervisor: Supervisor, width: int | None, as_json: bool
    ) -> None:
        self._width, self._as_json = width, as_json
        self._console, self._project, self._settings, self._key, self._supervisor = console, project, settings, key, supervisor
        self._ending = asyncio.Event()

    async def run(self, seconds: float | None, students: int, rate: float) -> None:
        serving = asyncio.create_task(self._supervisor.run())
        ready = asyncio.create_task(self._supervisor.ready.wait())
        with self._console.status("starting the collector, the worker and the query role …"):
            await asyncio.wait({ready, serving}, timeout=READY_WITHIN_S, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            await serving
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self._ending.set)
        url = self._supervisor.facts["local_url"]
        client = boto3_client(url, self._settings.app.region, self._key.access_key_id, self._key.secret_access_key or "")
        app = SimulatedApp(client, self._settings.app.id, students, rate)
        stream, lake = open_stream_reader(self._settings, self._project), open_lake(self._project)
        try:
            app.start()
            await self._watch(app.sent, stream, lake, seconds)
            await asyncio.to_thread(app.stop)
            await self._settle(stream)
            self._answer(app.sent, lake)
        finally:
            lake.close()
            await stream.close()
            self._supervisor.end()
            with self._console.status("ending: what waits is put into Parquet files …"):
                await serving

    async def _watch(self, sent: Sent, stream: Stream, lake: Engine, seconds: float | None) -> None:
        where, command = f"-C {shlex.quote(str(self._project.absolute()))}", our_command()
        self._console.out(
            "Meanwhile, in another terminal:\n\n"
            f'{command} sql "SELECT * FROM practice_events LIMIT 5" {where}\n'
            f'{command} sql "SELECT * FROM dead_letters LIMIT 5" {where}\n'
            f"{command} tail {where}\n",
            highlight=False,
        )
        screen = Screen("Headwater: a piano-learning app, simulated")
        deadline = None if seconds is None else time.monotonic() + seconds
        with Live(console=self._console, auto_refresh=False, transient=False) as live:
            while not self._ending.is_set() and (deadline is None or time.monotonic() < deadline):
                lag = await measure_lag(stream, ledger_positions(self._settings, self._project))
                fates, freshness_ms = await asyncio.to_thread(self._figures, lake)
                roles = {name: role["state"] for name, role in self._supervisor.roles().items()}
                live.update(screen.show(sent, fates, int(lag["records"]), freshness_ms, roles), refresh=True)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._ending.wait(), 0.25)

    def _figures(self, lake: Engine) -> tuple[dict[str, int], float | None]:
        fates = {fate: int(count) for fate, count in lake.sql("SELECT fate, sum(records) FROM fate_counts GROUP BY fate").rows()}
        newest = lake.sql("SELECT max(arrival_datetime) FROM practice_events").rows()[0][0]
        return fates, None if newest is None else max(time.time() - newest.timestamp(), 0) * 1000

    async def _settle(self, stream: Stream) -> None:
        """Wait until what was acknowledged is stored; the worker needs a fraction of a second for it."""
        deadline = time.monotonic() + 30
        while (await measure_lag(stream, ledger_positions(self._settings, self._project)))["records"]:
            if time.monotonic() > deadline:
                self._console.print("[red]the worker is still behind; the answers below miss some events[/]")
                return
            await asyncio.sleep(0.05)

    def _answer(self, sent: Sent, lake: Engine) -> None:
        fates = self._figures(lake)[0]
        kept = fates.get("delivered", 0) + fates.get("dead-lettered", 0)
        if self._as_json:
            answers = {question: lake.sql(query).arrow().to_pylist() for question, query in QUESTIONS.items()}
            facts = {"project": str(self._project), "acknowledged": sent.acked, "sent_again": sent.resent, "kept": kept, "answers": answers}
            sys.stdout.write(json.dumps(facts, default=str) + "\n")
            return
        # Written as they are, not drawn: whoever copies a line has all of it.
        sys.stdout.write(
            f"\n{sent.acked:,} events acknowledged, {sent.resent:,} sent again. Stored or dead-lettered, each once:\n"
            f"{kept:,} records, changes of device profiles among them.\n\n"
        )
        for question, query in QUESTIONS.items():
            sys.stdout.write(f"{question}\n\n{query};\n\n")
            sys.stdout.flush()
            write(lake.sql(query), "table", sys.stdout.buffer, width=self._width)
            sys.stdout.buffer.write(b"\n")
            sys.stdout.flush()
