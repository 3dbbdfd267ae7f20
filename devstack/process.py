"""Processes that outlive the command that started them: started in a session of their own, known by pid *and*
birth, stopped by pid only. A pid alone may be somebody else's by now."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

#: The children of this very process, kept so that they can be reaped and asked for their exit code.
_children: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True, slots=True)
class Identity:
    """One process for all time: its pid, its birth in clock ticks after boot, and the boot."""

    pid: int
    born: int
    boot: str


@dataclass(frozen=True, slots=True)
class Command:
    """What to run, as a value. `env` is the whole environment; it may hold secrets and is never printed."""

    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str] = field(repr=False)


def identify(pid: int) -> Identity | None:
    """Who has this pid now; None when nobody has, or only a zombie."""
    stat = _stat(pid)
    if stat is None or stat[0] in "ZX":
        return None
    return Identity(pid, int(stat[19]), Path("/proc/sys/kernel/random/boot_id").read_text().strip())


def alive(who: Identity) -> bool:
    """Whether this very process still runs. A zombie counts as dead, a stranger with its pid too."""
    exit_code(who.pid)
    return identify(who.pid) == who


def zombie(pid: int) -> bool:
    """Whether the pid belongs to a process that ended and that its parent has not reaped."""
    stat = _stat(pid)
    return stat is not None and stat[0] == "Z"


def working_in(place: Path) -> tuple[int, ...]:
    """The pids of the processes whose current folder is this one, as far as we may see."""
    found, real = [], str(place.resolve())
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                where = os.readlink(f"/proc/{entry.name}/cwd")
            except OSError:
                continue  # it ended, or it is another user's
            if where == real:
                found.append(int(entry.name))
    return tuple(found)


def start(command: Command, log: Path) -> Identity:
    """Start the command in its own session, its output appended to the log (mode 600)."""
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        child = subprocess.Popen(
            command.argv,
            cwd=command.cwd,
            env=dict(command.env),
            stdin=subprocess.DEVNULL,
            stdout=handle,
            stderr=handle,
            start_new_session=True,  # else Ctrl-C in the terminal would hit it too
        )
    finally:
        os.close(handle)
    _children[child.pid] = child
    return identify(child.pid) or Identity(child.pid, -1, "ended at once")


def exit_code(pid: int) -> int | None:
    """How a child of this process ended; None while it runs, or when it is not our child. Reaps it."""
    child = _children.get(pid)
    return child.poll() if child else None


def stop(who: Identity, with_signal: int, patience: float) -> bool:
    """Ask the process to end, wait up to `patience` seconds, then kill it and what its session left.
    True if it went by itself. One that is already gone is left alone."""
    if not alive(who):
        return True
    family = _session(who.pid)
    _send(who, with_signal)
    gently = wait_until(lambda: not alive(who), patience)
    for member in (who, *family):
        if alive(member):
            _send(member, signal.SIGKILL)
    wait_until(lambda: not any(alive(member) for member in (who, *family)), 5)
    return gently


def wait_until(true: Callable[[], bool], patience: float, every: float = 0.02) -> bool:
    """Whether the condition came true within `patience` seconds."""
    deadline = time.monotonic() + patience
    while not true():
        if time.monotonic() >= deadline:
            return False
        time.sleep(every)
    return True


def last_lines(log: Path, count: int = 10) -> list[str]:
    """The last lines of a log that say something; none when there is no log."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 64_000))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return []
    return [line for line in text.splitlines() if line.strip()][-count:]


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat after the name: 0 is the state, 3 the session, 19 the birth."""
    try:
        raw = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    return raw[raw.rindex(b")") + 2 :].decode("ascii").split()


def _session(leader: int) -> tuple[Identity, ...]:
    members = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() and (stat := _stat(int(entry.name))) and int(stat[3]) == leader:
            members.append(identify(int(entry.name)))
    return tuple(member for member in members if member and member.pid != leader)


def _send(who: Identity, number: int) -> None:
    try:
        os.kill(who.pid, number)
    except ProcessLookupError:
        return  # it ended in between, which is what was wanted
