"""How many turns may wait at once where each of them holds a thread of the server's pool."""

from __future__ import annotations

import threading
from types import TracebackType

from maitre.errors import NoPlace

SEATS = 24  # of the 40 threads that the Pipelines server shares among everything it does
RETRY = 10  # seconds after which a refused guest may try again


class Seats:
    """The seats of one server."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._lock = threading.Lock()

    def take(self) -> Seat:
        """A seat. Raises NoPlace when there is none."""
        with self._lock:
            if not self._free:
                raise NoPlace("house_full", retry_after=RETRY)
            self._free -= 1
        return Seat(self)

    def back(self) -> None:
        """A seat is free again."""
        with self._lock:
            self._free += 1


class Seat:
    """One turn's seat, given back once."""

    def __init__(self, seats: Seats) -> None:
        self._seats: Seats | None = seats

    def leave(self) -> None:
        """Give it back; a second time does nothing. One thread at a time."""
        if self._seats is not None:
            self._seats.back()
            self._seats = None

    def __enter__(self) -> Seat:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()
