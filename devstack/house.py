"""The house as a whole: up, down, status. Every step is written down, so that a later command finds it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from devstack import parts, ports, scaffold, state
from devstack.interrupt import interruptions
from devstack.part import Part
from devstack.places import folder, state_folder
from devstack.process import alive, exit_code, last_lines, start, stop, wait_until
from devstack.state import Started
from maitre.errors import HouseError
from maitre.settings import Endpoint, House

#: Hears the name of a part and what happens to it: starting, ready, kept, stopping, stopped.
Progress = Callable[[Endpoint, str], None]

#: Doors first, stores last: an open turn still writes its row while the doors close. The worker leaves off before the
#: gateway is missing to it.
STOPPING: tuple[tuple[Endpoint, ...], ...] = (
    ("rag_worker",),
    ("open_webui", "pipelines", "gateway"),
    ("upstream", "embedder", "rag", "traces"),
    ("valkey", "postgres"),
)


@dataclass(frozen=True, slots=True)
class Condition:
    """How a part is. `pid` is None when it does not run; `fault` says plainly what is wrong, if anything."""

    name: Endpoint
    url: str | None = field(repr=False)
    pid: int | None
    healthy: bool
    log: Path | None = None
    fault: str = ""


def silent(name: Endpoint, event: str) -> None:
    """Progress that nobody watches."""


def up(house: House, progress: Progress = silent, only: Collection[Endpoint] | None = None) -> tuple[Endpoint, ...]:
    """Start what is missing, or runs by older files; the names of what was started. `only`: care for no
    other parts than these.

    Raises HouseError when a part cannot be started, KeyboardInterrupt on Ctrl-C; then everything that this
    call started is stopped again.
    """
    with state.alone(house.state), interruptions() as interrupted:
        before, every = _running(house.state), parts.names(house)
        scaffold.add_new_secrets(house)
        numbers = ports.sticky(house.state / "ports.json", parts.addressed(house), _ports(before))
        wanted = parts.of(house, numbers, every if only is None else only)
        apart = () if only is None else set(every) - set(only)
        kept = {name: one for name, one in before.items() if name in apart or _obeys(wanted.get(name), one)}
        # A store goes on through a change of its password, which is a part of its URL.
        kept = {name: replace(one, url=wanted[name].url) if name in wanted else one for name, one in kept.items()}
        _stop(house.state, kept, [one for name, one in before.items() if name not in kept], progress)
        for name in kept:
            progress(name, "kept")
        missing = {name: part for name, part in wanted.items() if name not in kept}
        fresh: dict[Endpoint, Started] = {}
        try:
            _start(house.state, missing, kept, fresh, interrupted, progress)
        except BaseException:
            _stop(house.state, kept, [*fresh.values()], progress)
            raise
        return tuple(fresh)


def down(folder_of_state: Path, progress: Progress = silent) -> tuple[Endpoint, ...]:
    """Stop everything that `up` started; the names of what still ran. Needs only the state, not the house's
    files. Raises HouseError naming a process that even SIGKILL did not end."""
    if not folder_of_state.is_dir():
        return ()
    with state.alone(folder_of_state), interruptions():
        ending = _running(folder_of_state)
        _stop(folder_of_state, {}, [*ending.values()], progress)
        return tuple(ending)


def status(house: House) -> list[Condition]:
    """Every part, really asked just now."""
    started = state.read(house.state)
    if not started:
        return [_absent(name) for name in parts.names(house)]
    wanted = parts.of(house, {**ports.read(house.state / "ports.json"), **_ports(started)}, list(started))
    with ThreadPoolExecutor(len(started)) as together:
        told = {
            one.name: one for one in together.map(lambda part: _condition(part, started[part.name]), wanted.values())
        }
    return [told.get(name) or _absent(name) for name in parts.names(house)]


@contextmanager
def running(house: House, progress: Progress = silent) -> Iterator[tuple[Endpoint, ...]]:
    """A house that is up within the block; afterwards it is down again, unless it was up before."""
    before = _running(house.state)
    fresh = up(house, progress)
    try:
        yield fresh
    finally:
        if not before:
            down(house.state, progress)


def _running(folder_of_state: Path) -> dict[Endpoint, Started]:
    return {name: one for name, one in state.read(folder_of_state).items() if alive(one.who)}


def _ports(started: Mapping[Endpoint, Started]) -> dict[str, int]:
    return {name: one.port for name, one in started.items()}


def _obeys(part: Part | None, one: Started) -> bool:
    """Whether a running part is the wanted one, and well."""
    return part is not None and part.fingerprint == one.fingerprint and wait_until(part.healthy, 5, 0.2)


def _start(
    home: Path,
    missing: Mapping[Endpoint, Part],
    kept: Mapping[Endpoint, Started],
    fresh: dict[Endpoint, Started],
    interrupted: Callable[[], bool],
    progress: Progress,
) -> None:
    """Start the missing parts, each as soon as what it needs is ready; return when all are."""
    ready, since = set(kept), dict[Endpoint, float]()
    logs = folder(state_folder(home) / "logs")
    while len(ready) < len(kept) + len(missing):
        for name, part in missing.items():
            if interrupted():
                raise KeyboardInterrupt
            if name not in fresh and ready.issuperset(part.needs):
                progress(name, "starting")
                part.prepare()
                fresh[name], since[name] = _begin(part, logs / f"{name}.log"), time.monotonic()
                state.write(home, {**kept, **fresh})
            elif name in fresh and name not in ready and _is_ready(part, fresh[name], since[name]):
                ready.add(name)
                progress(name, "ready")
        time.sleep(0.05)
    if interrupted():
        raise KeyboardInterrupt
    for name, part in missing.items():
        if not alive(fresh[name].who):
            raise _failure(part, fresh[name])


def _begin(part: Part, log: Path) -> Started:
    if log.exists():
        log.replace(log.with_suffix(".before.log"))
    who = start(part.command, log)
    return Started(part.name, who, part.port, part.url, log, part.fingerprint, int(part.stop_signal), part.grace)


def _is_ready(part: Part, one: Started, since: float) -> bool:
    if not alive(one.who):
        raise _failure(part, one)
    if part.healthy():
        try:
            part.check()
        except HouseError as useless:
            raise HouseError(_with_log(str(useless), one.log)) from useless
        return True
    if time.monotonic() - since > part.patience:
        raise HouseError(_with_log(f"{part.title} was not ready after {part.patience:.0f} seconds.", one.log))
    return False


def _failure(part: Part, one: Started) -> HouseError:
    code = exit_code(one.who.pid)
    how = f" (exit code {code})" if code is not None else ""
    return HouseError(_with_log(f"{part.title} ended while it was starting{how}.", one.log))


def _with_log(sentence: str, log: Path) -> str:
    lines = last_lines(log)
    return "\n  ".join([f"{sentence} The end of {log}:", *lines]) if lines else f"{sentence} Its log {log} is empty."


def _stop(home: Path, kept: Mapping[Endpoint, Started], ending: list[Started], progress: Progress) -> None:
    """Stop parts in order, and write down what is left."""
    left = {one.name: one for one in ending}

    def end(one: Started) -> None:
        progress(one.name, "stopping")
        stop(one.who, one.stop_signal, one.grace)
        progress(one.name, "stopped")

    for phase in STOPPING:
        together = [left[name] for name in phase if name in left]
        if together:
            with ThreadPoolExecutor(len(together)) as pool:
                list(pool.map(end, together))
    left = {name: one for name, one in left.items() if alive(one.who)}
    state.write(home, {**kept, **left})
    if left:
        stuck = ", ".join(f"{name} (pid {one.who.pid})" for name, one in left.items())
        raise HouseError(f"These processes do not end, not even when killed: {stuck}.")


def _absent(name: Endpoint) -> Condition:
    return Condition(name, None, None, False, fault="is not running")


def _condition(part: Part, one: Started) -> Condition:
    if not alive(one.who):
        lines = last_lines(one.log, 1)
        said = f" Its last line: {lines[0]}" if lines else ""
        return Condition(part.name, one.url, None, False, one.log, f"has crashed; see {one.log}.{said}")
    healthy = part.healthy()
    fault = "" if healthy else f"runs but does not answer; see {one.log}."
    return Condition(part.name, one.url, one.who.pid, healthy, one.log, fault)
