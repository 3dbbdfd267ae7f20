"""What a deploy would change, and why: the difference of what should run and what runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from compose.deploy.wanted import ASIDE, Wanted
from compose.running import Container, Running

ChangeKind = Literal["create", "change", "restart", "start", "reload", "run", "remove", "keep"]

#: Above so many settings a change only says how many.
_MANY = 4


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to one service. `run`: a job; `start`: containers that stopped, or are too few or too many;
    `reload`: only files that the service watches."""

    service: str
    kind: ChangeKind
    why: str


@dataclass(frozen=True, slots=True)
class Plan:
    """All changes, in the order in which they happen; `keep` among them."""

    changes: tuple[Change, ...]

    @property
    def work(self) -> tuple[Change, ...]:
        """The changes that change something."""
        return tuple(one for one in self.changes if one.kind != "keep")


def plan(
    running: Running,
    services: Mapping[str, Wanted],
    before: Mapping[str, Mapping[str, Any]],
    *,
    done: Mapping[str, str],
    watched: Mapping[str, str],
) -> Plan:
    """The way from what runs to what should. `before`: the services of the Compose file of the release that runs, to
    say what differs; `done`: the jobs that ran, with the `mark` that they ran by, empty for one that did not end well;
    `watched`: files that a service
    watches and that differ on the disk, with the service."""
    changes: list[Change] = []
    for name, one in services.items():
        if one.job:
            changes.append(_job(one, done.get(name)))
            continue
        change = _service(one, running.of(name), before.get(name))
        files = sorted(file for file, service in watched.items() if service == name)
        if change.kind == "keep" and files:
            change = Change(name, "reload", f"{', '.join(files)} has changed; nothing restarts")
        changes.append(change)
    gone = [Change(name, "remove", _gone(name, before)) for name in running.services if name not in services]
    return Plan((*changes, *gone))


def _gone(name: str, before: Mapping[str, Any]) -> str:
    return "no longer in maitre.yaml" if name in before else "is not of this house's stack"


def _job(one: Wanted, ran: str | None) -> Change:
    if ran == one.mark:
        return Change(one.name, "keep", "has run")
    why = {None: "has not run yet", "": "did not end well the last time"}.get(ran, "what it was made of has changed")
    return Change(one.name, "run", why)


def _service(one: Wanted, containers: tuple[Container, ...], before: Mapping[str, Any] | None) -> Change:
    if not containers:
        return Change(one.name, "create", "is new" if before is None else "its container is gone")
    stale = [seen for seen in containers if (seen.config, dict(seen.reads)) != (one.config, dict(one.reads))]
    if stale:
        reads = list(_reads(one.reads, stale[0].reads))
        differs = list(differences(before or {}, one.definition)) if before else []
        if not differs and reads:
            return Change(one.name, "restart", "; ".join(reads))
        image = [] if stale[0].image == one.image else [f"image {stale[0].image} → {one.image}"]
        told = image + [word for word in differs if not word.startswith("image ")] + reads
        return Change(one.name, "change", "; ".join(told) or "is not made as this release makes it")
    if ill := [seen for seen in containers if not seen.well and (seen.health != "starting" or seen.lost)]:
        stopped = all(seen.state in ("created", "exited") for seen in ill)  # Compose starts these, and no others
        return Change(one.name, "start" if stopped else "restart", "; ".join(f"{one.name} {one.fault}" for one in ill))
    if len(containers) != one.replicas:
        return Change(one.name, "start", f"containers {len(containers)} → {one.replicas}")
    return Change(one.name, "keep", "")


def _reads(new: Mapping[str, str], old: Mapping[str, str]) -> Iterator[str]:
    for what, digest in new.items():
        kind, _, name = what.rpartition(":")
        called = f"its secret {name}" if kind == "secret" else f"its file {what.lstrip('./')}"
        if what not in old:
            yield f"{called} is new"
        elif old[what] != digest:
            yield f"{called} has changed"
    yield from (f"it no longer reads {what.rpartition(':')[2].lstrip('./')}" for what in old if what not in new)


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """What differs in two definitions of a service, in an operator's words."""
    if old.get("image") != new.get("image"):
        yield f"image {old.get('image', '–')} → {new.get('image', '–')}"
    for name in ("memory", "cpus"):
        values = [_limit(one, name) for one in (old, new)]
        if values[0] != values[1]:
            yield f"{name} {values[0] or '–'} → {values[1] or '–'}"
    texts = [{key: str(value) for key, value in _environment(one).items()} for one in (old, new)]
    names = sorted(key for key in {*texts[0], *texts[1]} if texts[0].get(key) != texts[1].get(key))
    if names:
        yield f"environment {', '.join(names)}" if len(names) <= _MANY else f"{len(names)} variables of its environment"
    apart = {"image", "environment", "deploy", "mem_limit", "cpus", "labels", "secrets", *ASIDE}
    rest = sorted(key for key in {*old, *new} - apart if old.get(key) != new.get(key))
    if rest:
        yield f"its {', '.join(rest)}"


def _limit(service: Mapping[str, Any], name: str) -> str:
    short = {"memory": "mem_limit", "cpus": "cpus"}[name]
    limits = service.get("deploy", {}).get("resources", {}).get("limits", {})
    return str(limits.get(name, service.get(short, "")))


def _environment(service: Mapping[str, Any]) -> Mapping[str, Any]:
    environment = service.get("environment", {})
    if isinstance(environment, Mapping):
        return environment
    return {name: value for name, _, value in (str(one).partition("=") for one in environment)}
