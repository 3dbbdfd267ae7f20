"""A TCP proxy that can lose answers: it hands a request on and breaks the connection before the reply."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Lossy:
    """Listens on `port` and talks to `target`. While `losing`, a reply ends its connection instead."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.losing = threading.Event()
        self.lost = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._accept, name="lossy-proxy", daemon=True).start()

    @contextmanager
    def loses_answers(self) -> Iterator[None]:
        """Within, what is asked is done, but nobody hears of it."""
        self.losing.set()
        try:
            yield
        finally:
            self.losing.clear()

    def close(self) -> None:
        """Accept no more connections; the open ones end with their peers."""
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                near = self._server.accept()[0]
            except OSError:  # closed
                return
            try:
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:  # the target is down, and so are we
                near.close()
                continue
            threading.Thread(target=self._hand_on, args=(near, far, False), daemon=True).start()
            threading.Thread(target=self._hand_on, args=(far, near, True), daemon=True).start()

    def _hand_on(self, source: socket.socket, sink: socket.socket, replies: bool) -> None:
        with suppress(OSError):  # either end may break at any time, which ends both
            while data := source.recv(65536):
                # Greetings pass, so that the connection is good until something is really asked.
                if replies and self.losing.is_set() and not data.startswith((b"+OK", b"R")):
                    self.lost += 1
                    break
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
