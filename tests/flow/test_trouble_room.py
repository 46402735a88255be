"""No room: the stream's limit is reached, the disk is full. Events are refused so that clients send again; nothing acknowledged is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flow.trouble import Sender, log_of, once, serving, stored, wait_for
from tests.served import Served
from tests.tools import cannot_run

DISK_BYTES = 24_000_000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MB, which only root may make."""
    if os.geteuid() != 0:
        cannot_run("a full disk is tested on a small tmpfs, which only root may mount: run this test as root")
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(place)], check=True)
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def healthy(served: Served) -> bool:
    with urllib.request.urlopen(f"{served.url}/healthz", timeout=60) as answer:
        return answer.status == 200 and bool(json.load(answer)["ready"])


def test_a_stream_at_its_limit_refuses_and_accepts_again_when_it_may_grow(tmp_path: Path) -> None:
    with serving(tmp_path / "piano", HEADWATER_STREAM__MAX_BYTES="1000000") as served:
        sender = Sender(served)
        os.kill(served.roles()["worker"]["pid"], signal.SIGSTOP)

        refused = sender.send_until_refused()
        well = healthy(served)
        os.kill(served.roles()["worker"]["pid"], signal.SIGCONT)
        served.settle()
        before = set(sender.acked), stored(served)
        ended = served.stop()
        served.start()
        sender.send(1, "Other", 60_000)
        served.settle()

        assert refused["Error"]["Code"] == "InternalServerErrorException"
        assert refused["ResponseMetadata"]["HTTPStatusCode"] == 500
        assert int(refused["ResponseMetadata"]["HTTPHeaders"]["retry-after"]) > 0
        assert "limit of 1000000 bytes" in refused["Error"]["Message"]
        assert well
        assert ended == 0
        assert len(before[0]) > 10
        assert before[1] == once(before[0])
        assert stored(served) == once(sender.acked)


@pytest.mark.external_service
def test_a_full_disk_refuses_events_and_goes_on_by_itself_when_there_is_room(tmp_path: Path, small_disk: Path) -> None:
    with serving(small_disk / "piano", log=tmp_path / "serve.log") as served:
        sender = Sender(served)
        sender.send(10)
        worker = served.roles()["worker"]["pid"]
        filler = small_disk / "filler"
        with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
            while True:
                file.write(bytes(65_536))

        refused = [sender.send_until_refused() for _ in range(3)]
        well = healthy(served)
        os.kill(worker, signal.SIGKILL)  # to start again on a full disk
        wait_for("the worker's death is seen", lambda: "a role died" in log_of(served))
        filler.unlink()
        wait_for("another worker is ready", lambda: is_ready(served, "worker", not_pid=worker), 60)
        sender.send(10)
        served.settle()
        found = stored(served)
        ended = served.stop()

        assert {answer["ResponseMetadata"]["HTTPStatusCode"] for answer in refused} == {500}
        assert {answer["Error"]["Code"] for answer in refused} == {"InternalServerErrorException"}
        assert well
        assert '"role": "collector", "exit"' not in log_of(served)
        assert found == once(sender.acked)
        assert ended == 0
        assert stored(served) == found
        assert "Traceback" not in log_of(served)


def is_ready(served: Served, role: str, not_pid: int) -> bool:
    state = served.roles().get(role, {})
    return state.get("state") == "ready" and state.get("pid") != not_pid
