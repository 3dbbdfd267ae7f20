"""Ctrl-C as a question instead of an exception, so that a start or a stop is never cut between two lines."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def interruptions() -> Iterator[Callable[[], bool]]:
    """Within, SIGINT, SIGTERM and SIGHUP only make the yielded question come true. (In another thread than the
    main one Python allows no handlers, and nothing is heard.)"""
    heard: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = {number: signal.signal(number, lambda number, _: heard.append(number)) for number in SIGNALS}
    try:
        yield lambda: bool(heard)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
