"""The real container engine: the Docker SDK looks, Compose runs. Implements `compose.deploy.engine.Engine`."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import IO

import docker
import requests
from docker.errors import APIError, DockerException, NotFound

from compose.deploy.engine import EngineAway, StepFailed, Told
from compose.deploy.steps import Compose, Step
from compose.running import Container, Running, container, gone, running
from devstack.places import PASSED_ON, folder
from provisioning.durable import rename_whole, write_whole

#: Beside what any child may see: which engine is meant.
_DOCKERS = ("DOCKER_HOST", "DOCKER_CONFIG", "DOCKER_CONTEXT", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY")
_TAIL = 10
#: The client wraps the system's errors several times.
_CAUSES = {
    "Permission denied": "this user may not use its socket",
    "No such file": "there is no socket",
    "Connection refused": "nobody listens on its socket",
}


@contextmanager
def reached() -> Iterator[None]:
    """Raises EngineAway for what the client raises within."""
    # Without an engine the client raises its own error, or requests' one, depending on how it was made.
    try:
        yield
    except (DockerException, requests.exceptions.RequestException) as away:
        raise EngineAway(f"Docker does not answer: {plainly(away).removesuffix('.')}.") from away


def plainly(error: Exception) -> str:
    """The first cause of an error of the Docker client, in one line."""
    text = str(error.explanation if isinstance(error, APIError) and error.explanation else error)
    known = (word for sign, word in _CAUSES.items() if sign in text)
    return next(known, " ".join(text.split()) or type(error).__name__)


def client() -> docker.DockerClient:
    """A client of the engine that DOCKER_HOST names, else the usual socket's. Raises EngineAway when none answers."""
    with reached():
        made = docker.from_env()
        made.ping()
    return made


class DockerEngine:
    """One project on the engine. `log` gets everything that Compose prints; `dynamic` is the folder that Traefik
    watches; `passed` are descriptors that every child keeps open."""

    def __init__(self, compose: Compose, log: Path, dynamic: Path) -> None:
        self._compose, self._log, self._dynamic = compose, log, dynamic
        self.passed: tuple[int, ...] = ()

    @cached_property
    def _client(self) -> docker.DockerClient:
        return client()

    def run(self, step: Step, told: Told, stop: Callable[[], bool] = lambda: False) -> None:
        """Run the step's command to its end."""
        last: list[str] = []
        folder(self._log.parent)
        with _private(self._log) as log, _output(step) as (into, whole):
            log.write(f"# {step.name}: {' '.join(step.argv)}\n".encode())
            try:
                child = subprocess.Popen(
                    step.argv,
                    env=_environment(step.env),
                    stdin=subprocess.DEVNULL,
                    stdout=into or subprocess.PIPE,
                    stderr=subprocess.PIPE if into else subprocess.STDOUT,
                    pass_fds=self.passed,
                    start_new_session=True,  # else Ctrl-C in the terminal would cut it
                )
            except OSError as missing:
                raise StepFailed(f"{step.argv[0]} could not be started: {missing.strerror}.") from missing
            broken = False
            for line in _lines(child, lambda: step.cut and stop()):
                if line is None:
                    os.killpg(child.pid, signal.SIGINT)
                    broken = True
                    continue
                log.write(f"{line}\n".encode())
                log.flush()
                last = [*last, line][-_TAIL:]
                told(line)
            code = child.wait()
            if broken:
                raise KeyboardInterrupt
            if code != 0:
                raise StepFailed("\n  ".join([f"“{step.name}” failed (exit code {code}); {self._log} says:", *last]))
            whole()

    def containers(self) -> Running:
        """The project's containers, asked now."""
        with reached():
            found = self._client.api.containers(all=True, filters={"label": self._label})
            seen = [self._inspect(one["Id"]) for one in found]
        return running([one for one in seen if one is not None])

    def wait_healthy(self, ids: Collection[str], patience: float) -> tuple[Container, ...]:
        """Wait until all are healthy; those that are not."""
        return self._waited(ids, patience, lambda one: one.lost)

    def wait_recovered(self, ids: Collection[str], patience: float) -> tuple[Container, ...]:
        """Wait until all are well again; those that are not."""
        return self._waited(ids, patience, lambda one: one.state == "gone")

    def _waited(
        self, ids: Collection[str], patience: float, hopeless: Callable[[Container], bool]
    ) -> tuple[Container, ...]:
        deadline = time.monotonic() + patience
        while True:
            with reached():
                seen = [self._inspect(id) or gone(id) for id in ids]
            ill = tuple(one for one in seen if not one.well)
            if not ill or any(hopeless(one) for one in ill) or time.monotonic() > deadline:
                return ill
            time.sleep(0.2)

    def stop(self, id: str, seconds: int) -> None:
        """SIGTERM; after `seconds` SIGKILL."""
        with reached(), _gone():
            self._client.api.stop(id, timeout=seconds)

    def remove(self, id: str) -> None:
        """Remove a container, running or not."""
        with reached(), _gone():
            self._client.api.remove_container(id, force=True)

    def write_dynamic(self, name: str, text: str) -> None:
        """Put a file into the folder that Traefik watches, in one go."""
        write_whole(self._dynamic / name, text, 0o644)

    def last_lines(self, id: str, count: int = 10) -> tuple[str, ...]:
        """The end of a container's log."""
        with reached():
            try:
                text = self._client.api.logs(id, tail=count)
            except NotFound:
                return ()
        return tuple(line for line in text.decode("utf-8", "replace").splitlines() if line.strip())

    def images(self) -> frozenset[str]:
        """The names of the images that are here."""
        with reached():
            found = self._client.api.images()
        return frozenset(name for one in found for name in (*(one["RepoTags"] or ()), *(one["RepoDigests"] or ())))

    def volumes(self) -> tuple[str, ...]:
        """The names of the project's volumes, whichever release made them."""
        with reached():
            found = self._client.api.volumes(filters={"label": self._label})
        return tuple(sorted(one["Name"] for one in found["Volumes"] or ()))

    @property
    def _label(self) -> str:
        return f"com.docker.compose.project={self._compose.project}"

    def _inspect(self, id: str) -> Container | None:
        try:
            return container(self._client.api.inspect_container(id))
        except NotFound:
            return None  # it went in between


@contextmanager
def _gone() -> Iterator[None]:
    try:
        yield
    except NotFound:
        return
    except APIError as error:
        if error.status_code != 409:  # its removal is in progress already
            raise


@contextmanager
def _private(path: Path) -> Iterator[IO[bytes]]:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as file:
        yield file


@contextmanager
def _output(step: Step) -> Iterator[tuple[IO[bytes] | None, Callable[[], object]]]:
    """Where the output goes, and what makes it whole: a file gets its name only when the step has succeeded."""
    if step.into is None:
        yield None, lambda: None
        return
    into = Path(step.into)
    folder(into.parent)
    part = into.with_name(f".{into.name}")
    part.unlink(missing_ok=True)
    try:
        with _private(part) as file:
            yield file, lambda: rename_whole(part, into)
    finally:
        part.unlink(missing_ok=True)


def _environment(names: tuple[str, ...]) -> dict[str, str]:
    return {name: os.environ[name] for name in (*PASSED_ON, *_DOCKERS, *names) if name in os.environ}


def _lines(child: subprocess.Popen[bytes], stop: Callable[[], bool]) -> Iterator[str | None]:
    """The lines of a child's output as they come; None once, when `stop` came true."""
    pipe = child.stdout or child.stderr
    assert pipe is not None
    asked, rest = False, b""
    with selectors.DefaultSelector() as ready:
        ready.register(pipe, selectors.EVENT_READ)
        while True:
            if not asked and stop():
                asked = True
                yield None
            if not ready.select(0.2):
                continue
            fresh = os.read(pipe.fileno(), 65536)
            *lines, rest = (rest + fresh).split(b"\n")
            yield from (line.decode("utf-8", "replace").rstrip("\r") for line in lines)
            if not fresh:
                if rest:
                    yield rest.decode("utf-8", "replace")
                return
