"""The processes of a benchmark: the scripted upstream, and unmodified Pipelines servers that differ in plugins only."""

from __future__ import annotations

import random
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from devstack import gateway as gateway_part
from devstack import pipelines, ports
from devstack.places import ROOT, environment, folder
from devstack.probe import http_json
from devstack.process import Command, alive, last_lines, start, stop, wait_until
from maitre.errors import HouseError
from maitre.pipelines_server import server_folder
from maitre.settings import House


@dataclass(frozen=True, slots=True)
class Server:
    """A running process and where it listens."""

    pid: int
    port: int

    @property
    def url(self) -> str:
        """Its address on loopback."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def running(
    title: str,
    command: Command,
    log: Path,
    healthy: Callable[[], bool],
    port: int,
    patience: float = 60,
    stop_signal: int = signal.SIGTERM,
) -> Iterator[Server]:
    """A process that is ready within the block and gone after it. HouseError with its last words if it fails."""
    who = start(command, log)
    try:
        if not wait_until(lambda: not alive(who) or healthy(), patience) or not alive(who):
            said = "\n  ".join(last_lines(log, 6))
            raise HouseError(f"{title} did not start:\n  {said}")
        yield Server(who.pid, port)
    finally:
        stop(who, stop_signal, 8)


@contextmanager
def scripted_upstream(logs: Path) -> Iterator[Server]:
    """The scripted upstream, with llama.cpp's tokenizer routes."""
    port = free_port("upstream")
    words = (sys.executable, "-m", "tests.upstream", "--port", str(port), "--tokenize", "llama_cpp")
    command = Command(words, ROOT, environment(PYTHONPATH=str(ROOT)))
    with running("The scripted upstream", command, logs / "upstream.log", _healthy(port, "/health"), port) as server:
        yield server


@contextmanager
def pipelines_server(
    name: str, plugins: Sequence[Path], home: Path, logs: Path, log_level: str, key: str, env: Mapping[str, str]
) -> Iterator[Server]:
    """The upstream Pipelines server with a copy of these plugins. `env`: what its plugins need to know."""
    served = folder(home / name)
    for plugin in plugins:
        shutil.copy(plugin, served)
    port = free_port(name)
    words = (
        *(sys.executable, "-m", "uvicorn", "main:app", "--app-dir", str(server_folder())),
        *("--host", "127.0.0.1", "--port", str(port), "--log-level", "warning", "--no-access-log"),
        *("--timeout-graceful-shutdown", "2"),
    )
    command = Command(
        words,
        home,
        environment(
            PYTHONPATH=str(ROOT),
            PIPELINES_DIR=str(served),
            PIPELINES_API_KEY=key,
            GLOBAL_LOG_LEVEL=log_level,
            **env,
        ),
    )
    title = f"The Pipelines server of {name}"
    with running(title, command, logs / f"{name}.log", _healthy(port, "/"), port) as server:
        if failed := sorted(file.name for file in served.glob("failed/*.py")):
            said = "\n  ".join(last_lines(logs / f"{name}.log", 6))
            raise HouseError(f"{title} could not load {', '.join(failed)}:\n  {said}")
        yield server


@contextmanager
def host(house: House, logs: Path) -> Iterator[Server]:
    """Our host of the Pipelines server, as `cli up` starts it."""
    part = pipelines.part(house, free_port("pipelines"), {}, {})
    part.prepare()
    with running(part.title, part.command, logs / "host.log", part.healthy, part.port) as server:
        part.check()
        yield server


@contextmanager
def gateway(house: House, logs: Path) -> Iterator[Server]:
    """Our public API, as `cli up` starts it."""
    part = gateway_part.part(house, free_port("gateway"), {}, {})
    part.prepare()
    with running(part.title, part.command, logs / "gateway.log", part.healthy, part.port) as server:
        part.check()
        yield server


def free_port(name: str) -> int:
    """A free port of loopback."""
    return ports.choose([name], {}, ports.free, lambda: random.choice(ports.RANGE))[name]


def _healthy(port: int, path: str) -> Callable[[], bool]:
    return lambda: http_json(port, path) is not None
