"""Trace receivers that are of no use: one refuses connections, one accepts them and says nothing."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def refusing() -> Iterator[str]:
    """The URL of a port that is taken and on which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield _url(taken)


@contextmanager
def hanging() -> Iterator[str]:
    """The URL of a server that accepts connections, reads what comes and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        threading.Thread(target=_accept, args=(server,), name="hanging-receiver", daemon=True).start()
        yield _url(server)


def _accept(server: socket.socket) -> None:
    accepted = []
    while True:
        try:
            accepted.append(server.accept()[0])
        except OSError:  # the server was closed
            break
    for connection in accepted:
        connection.close()


def _url(bound: socket.socket) -> str:
    return f"http://127.0.0.1:{bound.getsockname()[1]}"
