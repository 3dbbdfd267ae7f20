"""A scripted engine: it does to containers in memory what Compose would do, and fails where it is told to."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

import yaml

from compose.deploy.engine import StepFailed, Told
from compose.deploy.steps import Step
from compose.running import CONFIG, READS, Container, Running, reads_of, running


class Engine:
    """Reads the Compose file in `stack` as Compose would. `ill`: services that do not become healthy, with the images
    by which they do not; `recovers`: services that are well again if one waits; `faulty`: names of steps that fail;
    `steps`: all that were run; `at`: called at each step; `kept`: the volumes, of which Compose knows
    `todays`."""

    def __init__(self, stack: Path) -> None:
        self.stack = stack
        self.seen: list[Container] = []
        self.steps: list[Step] = []
        self.ill: set[tuple[str, str]] = set()
        self.recovers: set[str] = set()
        self.faulty: set[str] = set()
        self.at: Callable[[Step], None] = lambda step: None
        self.here: set[str] = set()
        self.kept: set[str] = set()
        self.todays: set[str] = set()
        self.passed: tuple[int, ...] = ()
        self._made = 0

    def run(self, step: Step, told: Told, stop: Callable[[], bool] = lambda: False) -> None:
        """Do the step in memory."""
        self.steps.append(step)
        self.at(step)
        if step.cut and stop():
            raise KeyboardInterrupt
        if step.name in self.faulty:
            raise StepFailed(f"“{step.name}” failed (exit code 1).")
        if step.kind in ("build", "pull"):
            self._fetch(step)
        elif "up" in step.argv:
            self._up(step)
        elif step.argv[:3] == ("docker", "volume", "rm"):
            self.kept -= set(step.argv)
        elif step.argv[1] == "rm":
            self.seen = [one for one in self.seen if one.name not in step.argv]
        elif "down" in step.argv:
            self.seen = []
            self.kept -= self.todays if "--volumes" in step.argv else set()

    def containers(self) -> Running:
        """What runs."""
        return running(self.seen)

    def wait_healthy(self, ids: Collection[str], patience: float) -> tuple[Container, ...]:
        """At once."""
        return tuple(one for one in self.seen if one.id in ids and not one.well)

    def wait_recovered(self, ids: Collection[str], patience: float) -> tuple[Container, ...]:
        """Those that recover have done so."""
        self.seen = [replace(one, health="healthy") if one.service in self.recovers else one for one in self.seen]
        return self.wait_healthy(ids, patience)

    def stop(self, id: str, seconds: int) -> None:
        """Stop a container."""
        self.seen = [replace(one, state="exited", exit_code=0) if one.id == id else one for one in self.seen]

    def remove(self, id: str) -> None:
        """Remove a container."""
        self.seen = [one for one in self.seen if one.id != id]

    def write_dynamic(self, name: str, text: str) -> None:
        """Put a file into the watched folder."""
        (self.stack / "traefik" / "dynamic" / name).write_text(text)

    def last_lines(self, id: str, count: int = 10) -> tuple[str, ...]:
        """The end of a container's log."""
        return ("its last words",)

    def images(self) -> frozenset[str]:
        """Those that were built and fetched."""
        return frozenset(self.here)

    def volumes(self) -> tuple[str, ...]:
        """Those that are kept."""
        return tuple(sorted(self.kept))

    def make(self, service: str) -> Container:
        """A new container of a service, by the Compose file on the disk."""
        written = yaml.safe_load((self.stack / "compose.yaml").read_text())["services"][service]
        self._made += 1
        number = max([one.number for one in self.seen if one.service == service], default=0) + 1
        health = "unhealthy" if (service, written["image"]) in self.ill else "healthy"
        labels = written["labels"]
        return Container(
            id=f"id{self._made}",
            name=f"house-{service}-{number}",
            service=service,
            number=number,
            image=written["image"],
            state="running",
            health=health,
            pid=1000 + self._made,
            config=labels[CONFIG],
            reads=reads_of(labels[READS]),
        )

    def _fetch(self, step: Step) -> None:
        file = Path(step.argv[step.argv.index("-f") + 1])
        if file.is_file():
            services = yaml.safe_load(file.read_text())["services"]
            self.here |= {services[name]["image"] for name in step.argv if name in services}

    def _up(self, step: Step) -> None:
        service = step.argv[-1]
        wanted = int(step.argv[step.argv.index("--scale") + 1].partition("=")[2])
        if "--force-recreate" in step.argv:
            self.seen = [one for one in self.seen if one.service != service]
        alive = [_started(one) for one in self.seen if one.service == service]
        self.seen = [one for one in self.seen if one.service != service] + alive[:wanted]
        for _ in range(wanted - len(alive)):
            self.seen.append(self.make(service))


def _started(one: Container) -> Container:
    """Compose starts what has stopped, and leaves what runs, well or not."""
    return one if one.state == "running" else replace(one, state="running", health="healthy")


class Rollout:
    """New containers beside the old ones, on the scripted engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.rolled: list[str] = []

    def roll(self, service: str, replicas: int, patience: float) -> None:
        """Replace the service's containers."""
        self.rolled.append(service)
        old = self.engine.containers().of(service)
        fresh = []
        for _ in range(replicas):
            fresh.append(self.engine.make(service))
            self.engine.seen.append(fresh[-1])
        if ill := self.engine.wait_healthy([one.id for one in fresh], patience):
            for one in fresh:
                self.engine.remove(one.id)
            raise StepFailed(f"{ill[0].name} did not become healthy: it is unhealthy.")
        servers = [{"url": f"http://{one.name}:8000"} for one in fresh]
        document = {"http": {"services": {service: {"loadBalancer": {"servers": servers}}}}}
        self.engine.write_dynamic(f"{service}.yaml", yaml.safe_dump(document))
        for one in old:
            self.engine.remove(one.id)
