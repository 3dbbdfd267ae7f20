"""What runs: the containers of a Compose project, as Docker's inspection shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: Our labels: a digest of what a container was made of, and each rendered file and secret that it reads, with a digest.
CONFIG, READS = "io.maitre.config", "io.maitre.reads"
#: How a service is replaced where that is not by Compose: `beside`, its new containers beside the old ones.
ROLLOUT, BESIDE = "io.maitre.rollout", "beside"
_PROJECT, _SERVICE, _NUMBER, _ONEOFF = (
    f"com.docker.compose.{name}" for name in ("project", "service", "container-number", "oneoff")
)
#: A container that Docker has restarted so often is not slow, but broken.
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Container:
    """One container. `health` is None where it has no health check, `pid` where it does not run."""

    id: str
    name: str
    service: str
    number: int
    image: str
    state: str  # created, running, restarting, paused, exited, dead; gone
    health: str | None = None  # starting, healthy, unhealthy
    exit_code: int | None = None
    pid: int | None = None
    config: str = ""  # the label io.maitre.config
    reads: Mapping[str, str] = field(default_factory=dict)
    oneoff: bool = False  # of `compose run`
    restarts: int = 0  # by Docker, since it was made

    @property
    def well(self) -> bool:
        """Whether it serves: it runs, and its health check, if it has one, says so."""
        return self.state == "running" and self.health in (None, "healthy")

    @property
    def lost(self) -> bool:
        """Whether it certainly does not become well by itself soon."""
        failing = self.health == "unhealthy" or self.restarts >= _TRIES
        return self.state in ("exited", "dead", "gone") or (not self.well and failing)

    @property
    def fault(self) -> str:
        """What is wrong with it, in words that follow its name; empty when it is well."""
        if self.state in ("exited", "dead"):
            return f"has stopped (exit code {self.exit_code})"
        if self.restarts >= _TRIES and not self.well:
            return f"ends again and again (exit code {self.exit_code})"
        if self.state != "running":
            return f"is {self.state}"
        return "" if self.well else f"is {self.health}"


@dataclass(frozen=True, slots=True)
class Running:
    """The containers of a project, in the order of service and number; without those of `compose run`."""

    containers: tuple[Container, ...] = ()

    def of(self, service: str) -> tuple[Container, ...]:
        """The containers of a service."""
        return tuple(one for one in self.containers if one.service == service)

    @property
    def serving(self) -> Running:
        """Those that guests may be sent to: of each service the containers that are well; all while none is."""
        well = {one.service for one in self.containers if one.well}
        return Running(tuple(one for one in self.containers if one.well or one.service not in well))

    @property
    def services(self) -> tuple[str, ...]:
        """The services that have containers."""
        return tuple(dict.fromkeys(one.service for one in self.containers))


def running(containers: list[Container]) -> Running:
    """What runs, in order."""
    kept = (one for one in containers if not one.oneoff)
    return Running(tuple(sorted(kept, key=lambda one: (one.service, one.number))))


def gone(id: str) -> Container:
    """A container that was there and is no more."""
    return Container(id, f"container {id[:12]}", "", 0, "", "gone")


def container(seen: Mapping[str, Any]) -> Container:
    """A container from the answer of `GET /containers/ID/json`."""
    config, state = seen["Config"], seen["State"]
    labels = config.get("Labels") or {}
    return Container(
        id=seen["Id"],
        name=seen["Name"].removeprefix("/"),
        service=labels.get(_SERVICE, ""),
        number=int(labels.get(_NUMBER, 0)),
        image=config["Image"],
        state=state["Status"],
        health=(state.get("Health") or {}).get("Status"),
        exit_code=state.get("ExitCode"),
        pid=state.get("Pid") or None,
        config=labels.get(CONFIG, ""),
        reads=reads_of(labels.get(READS, "")),
        oneoff=labels.get(_ONEOFF) == "True",
        restarts=seen.get("RestartCount", 0),
    )


def reads_of(label: str) -> dict[str, str]:
    """The label io.maitre.reads, taken apart."""
    pairs = (word.rpartition("=") for word in label.split())
    return {what: digest for what, _, digest in pairs}
