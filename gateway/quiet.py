"""Nothing that a guest wrote gets into the log: of a fault only its kind and its place are written down.

The upstream server prints whole messages, and exceptions of plugins may quote them.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from typing import Any

from maitre.faults import outline

log = logging.getLogger(__name__)


def hush(loop: asyncio.AbstractEventLoop) -> None:
    """Faults that nobody catches are logged without their words, on the loop and in threads; nothing below a
    warning is logged."""
    logging.getLogger().setLevel(logging.WARNING)
    loop.set_exception_handler(lambda _, context: _tell("on the loop", context.get("exception")))
    threading.excepthook = lambda args: _tell("in a thread", args.exc_value)
    sys.unraisablehook = lambda unraisable: _tell("while something was thrown away", unraisable.exc_value)


def silence(*words: Any, **how: Any) -> None:
    """What `print` is to the upstream server once it serves."""


def _tell(where: str, fault: BaseException | None) -> None:
    log.error("A fault %s: %s", where, "unknown" if fault is None else outline(fault))
