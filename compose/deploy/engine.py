"""The container engine, as the stories of deploying see it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol

from compose.deploy.steps import Step
from compose.running import Container, Running
from maitre.errors import HouseError

#: Hears a line of a step's output.
Told = Callable[[str], None]


class StepFailed(HouseError):
    """A step did not succeed, or a container did not become healthy; the text is one sentence, with the end of the log
    below it."""


class EngineAway(HouseError):
    """The engine does not answer; the text says why, in one sentence."""


class Engine(Protocol):
    """Runs steps by Compose, and looks at and ends containers. Any call raises EngineAway when the engine does not
    answer, and OSError when the disk does not let it."""

    def run(self, step: Step, told: Told, stop: Callable[[], bool] = lambda: False) -> None:
        """Run the step's command to its end, each line of its output told and logged. When `stop` comes true, a step
        that may be cut is broken off with KeyboardInterrupt; any other one goes on to its end. Raises StepFailed."""
        ...

    def containers(self) -> Running:
        """The project's containers, asked now."""
        ...

    def wait_healthy(self, ids: Collection[str], patience: float) -> tuple[Container, ...]:
        """Wait until all are healthy, up to `patience` seconds; those that are not, as soon as that is certain
        (one has stopped, or is unhealthy). Empty: all are well."""
        ...

    def wait_recovered(self, ids: Collection[str], patience: float) -> tuple[Container, ...]:
        """The same for containers that were well before: one that is unhealthy, because a store was away, is given the
        whole patience to become well again."""
        ...

    def stop(self, id: str, seconds: int) -> None:
        """SIGTERM; after `seconds` SIGKILL. One that is gone already is left alone."""
        ...

    def remove(self, id: str) -> None:
        """Remove a container, running or not. One that is gone already is left alone."""
        ...

    def write_dynamic(self, name: str, text: str) -> None:
        """Put a file into the folder that Traefik watches, in one go."""
        ...

    def last_lines(self, id: str, count: int = 10) -> tuple[str, ...]:
        """The end of a container's log."""
        ...


class Rollout(Protocol):
    """Replaces a service's containers without a moment in which none serves."""

    def roll(self, service: str, replicas: int, patience: float) -> None:
        """New containers beside the old ones, healthy before those drain. Raises StepFailed when the new ones are not
        healthy: then they are removed again, and the old ones have never stopped serving."""
        ...
