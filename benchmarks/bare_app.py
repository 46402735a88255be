"""The limit of a PutEvents: a raw ASGI application on uvicorn that reads the body and answers 202 at once, checking and keeping nothing."""

from __future__ import annotations

import socket
import sys
from typing import Any

import uvicorn

ANSWER = b'{"Results":{}}'
HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(ANSWER)).encode())]


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer every request with 202 once its body has been read."""
    more = True
    while more:
        more = (await receive()).get("more_body", False)
    await send({"type": "http.response.start", "status": 202, "headers": HEADERS})
    await send({"type": "http.response.body", "body": ANSWER})


def main(listen_fd: int) -> None:
    """Serve on a socket that is bound already, until SIGTERM."""
    config = uvicorn.Config(
        app, http="httptools", loop="uvloop", lifespan="off", access_log=False, log_config=None, server_header=False, backlog=2048
    )
    # Not by `fd=`: uvicorn would take it for a Unix socket, and Nagle's algorithm would add 40 ms to every answer.
    uvicorn.Server(config).run([socket.socket(fileno=listen_fd)])


if __name__ == "__main__":
    main(int(sys.argv[1]))
