"""One deploy at a time: a lock that the kernel lets go of when its process and that one's children have ended, and a
note of who holds it."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from devstack.places import state_folder
from maitre.errors import HouseError


@contextmanager
def locked(state: Path, who: str, what: str, now: datetime) -> Iterator[int]:
    """Hold `.maitre/deploy.lock` within the block, and until the last child that was given the yielded descriptor has
    ended. Raises HouseError saying who holds it, since when and for what."""
    with (state_folder(state) / "deploy.lock").open("a+", encoding="utf-8") as file:
        _take(file)
        note = {"who": who, "pid": os.getpid(), "since": now.astimezone(UTC).isoformat(), "what": what}
        file.truncate(0)
        file.write(json.dumps(note))
        file.flush()
        yield file.fileno()


def must_be_free(state: Path) -> None:
    """Raises HouseError as `locked` does while somebody holds the lock: what they have half done is no plan's base.
    Writes nothing."""
    with suppress(FileNotFoundError), (state / "deploy.lock").open(encoding="utf-8") as file:
        _take(file)


def held(note: str) -> str:
    """The sentence about a lock that somebody holds, from their note; the note is only information."""
    try:
        told = json.loads(note)
        since = datetime.fromisoformat(told["since"])
        who = f"{told['who']} (pid {told['pid']}) has been at it since {since:%H:%M:%S} UTC: cli {told['what']}"
    except (ValueError, KeyError, TypeError):
        who = "another command is at it"
    return f"Another deploy of this house is running; {who}. Wait for it to end."


def _take(file: TextIO) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as busy:
        file.seek(0)
        raise HouseError(held(file.read())) from busy
