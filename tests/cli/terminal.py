"""A terminal of a given width for a command of ours, as a person has it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from pathlib import Path

from tests.served import HEADWATER

_STEERING = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b\][^\x07]*\x07")


def on_terminal(width: int, *arguments: str | Path) -> list[str]:
    """Run the command on a terminal of that width and return the lines it leaves there, without colours."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    env = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")} | {"TERM": "xterm"}
    with subprocess.Popen([*HEADWATER, *map(str, arguments)], stdin=theirs, stdout=theirs, stderr=theirs, env=env) as process:
        os.close(theirs)
        said = bytearray()
        try:
            while part := os.read(ours, 65_536):
                said += part
        except OSError:  # EIO: nobody holds the other side any more
            pass
        finally:
            os.close(ours)
    assert process.returncode == 0, said.decode(errors="replace")
    return [_STEERING.sub("", line).rsplit("\r")[-1] for line in said.decode().replace("\r\n", "\n").split("\n")]
