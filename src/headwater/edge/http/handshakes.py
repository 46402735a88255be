"""Accepts connections on a TLS listener, and sees each through its handshake."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable

from headwater.edge.http.connections import Places

# How long a client may take to answer the end of TLS; nothing is lost without that answer.
FAREWELL_WITHIN_S = 1.0

_log = logging.getLogger(__name__)


class Greeted(asyncio.Protocol):
    """What a handshake is for; `made` once it is finished, and from then on it keeps and gives back its place by itself."""

    made = False


class Handshakes:
    """Whoever has not finished the handshake counts as a connection, and has *within_s* for it.

    The loop's own server would hand a connection over after the handshake: nobody could count or refuse it before.
    """

    def __init__(
        self,
        sock: socket.socket,
        tls: Callable[[], ssl.SSLContext],
        connection: Callable[[str], Greeted],
        *,
        places: Places,
        full: Callable[[int], bool],
        within_s: float,
    ) -> None:
        """*connection*: makes one that holds the place it is given. *full*: whether so many handshakes and the connections are too many."""
        sock.setblocking(False)
        self._socket, self._tls, self._connection = sock, tls, connection
        self._places, self._full, self._within_s = places, full, within_s
        self._loop = asyncio.get_running_loop()
        self._begun: set[asyncio.Task[None]] = set()
        self._accepting = self._loop.create_task(self._accept())

    def close(self) -> None:
        """Accept no more, and drop who is not connected yet."""
        for task in (self._accepting, *self._begun):
            task.cancel()
        self._socket.close()

    async def _accept(self) -> None:
        while True:
            try:
                client, peer = await self._loop.sock_accept(self._socket)
            except ConnectionError:  # it left before it was accepted
                continue
            except OSError as error:  # no descriptors left, most likely: as the loop's own server does, wait until some are free
                _log.error("cannot accept connections: %s", error)
                await asyncio.sleep(1.0)
                continue
            place = self._places.enter(peer)
            if place is None or self._full(len(self._begun)):
                if place is not None:
                    self._places.leave(place)
                client.close()  # a refusal could be read after a handshake only, which is the work that is saved here
                continue
            task = self._loop.create_task(self._shake_hands(client, place))
            self._begun.add(task)
            task.add_done_callback(self._begun.discard)
            await asyncio.sleep(0)  # many that come at once must not keep the others waiting

    async def _shake_hands(self, client: socket.socket, place: str) -> None:
        connection = self._connection(place)
        with contextlib.suppress(OSError):  # no TLS, none that both speak, too slow, or gone: all of it is the client's affair
            await self._loop.connect_accepted_socket(
                lambda: connection,
                client,
                ssl=self._tls(),
                ssl_handshake_timeout=self._within_s,
                ssl_shutdown_timeout=FAREWELL_WITHIN_S,
            )
        if not connection.made:
            self._places.leave(place)
