"""A Docker engine of the tests' own: started, used and stopped without touching any other on this machine.

It makes no firewall rules and no default bridge. Ports are published by its proxy, on loopback; containers reach each
other on the networks that a test makes, and nothing outside. Only its data folder stays: it holds the images.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from devstack.process import last_lines, wait_until
from maitre.errors import HouseError
from tests.docker.programs import PATH, program

#: Where images lie between runs. The folder may be removed at any time while no test runs.
CACHE = Path(__file__).resolve().parents[2] / ".cache" / "docker"


class NoEngine(HouseError):
    """No engine can run here; the message says why."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A running engine. `socket`: where it listens; `pid`: its process."""

    socket: Path
    pid: int

    @property
    def environment(self) -> dict[str, str]:
        """What a `docker` or `docker-compose` that talks to this engine needs, and nothing of the shell's Docker."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DOCKER_", "COMPOSE_"))}
        return {**kept, "PATH": PATH, "DOCKER_HOST": f"unix://{self.socket}"}

    def docker(self, *words: str, told: bytes | None = None) -> str:
        """What `docker WORDS` prints. `told`: its input. Raises HouseError with its last line when it fails."""
        done = self.run(program("docker"), *words, told=told)
        if done.returncode:
            said = (done.stderr or done.stdout).decode("utf-8", "replace").strip().splitlines()
            raise HouseError(f"docker {' '.join(words[:3])} failed: {said[-1] if said else done.returncode}")
        return done.stdout.decode("utf-8", "replace").strip()

    def run(self, *words: str, told: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
        """Run any program that talks to this engine, to its end."""
        return subprocess.run(words, env=self.environment, input=told, capture_output=True, check=False)

    def sweep(self) -> None:
        """Remove every container, network and volume. The images stay."""
        if containers := self.docker("ps", "--all", "--quiet").split():
            self.docker("rm", "--force", "--volumes", *containers)
        self.docker("network", "prune", "--force")
        if volumes := self.docker("volume", "ls", "--quiet").split():
            self.docker("volume", "rm", "--force", *volumes)


@contextmanager
def running_engine(cache: Path = CACHE) -> Iterator[Engine]:
    """An engine until the end of the block; then neither it nor a container of it is left. Raises NoEngine."""
    cache.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix="maitre-docker-"))  # short: a socket's path has at most 107 characters
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two engines must not share one data folder
        try:
            with (place / "log").open("wb") as log:
                daemon = subprocess.Popen(
                    words(place, cache / "data"),
                    env={**os.environ, "PATH": PATH},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            engine = Engine(place / "docker.sock", daemon.pid)
            try:
                wait_until(lambda: daemon.poll() is not None or _answers(engine), 60, every=0.1)
                if daemon.poll() is not None or not _answers(engine):
                    raise NoEngine(f"dockerd does not start here: {' '.join(last_lines(place / 'log', 1))}")
                engine.sweep()  # a run that was killed may have left some, which have just started again
                try:
                    yield engine
                finally:
                    engine.sweep()
            finally:
                _stop(daemon)
        finally:
            for held in (place / "exec" / "netns").glob("*"):  # dockerd leaves the one of `--network host`
                subprocess.run([program("umount"), str(held)], capture_output=True, check=False)
            shutil.rmtree(place)


def words(place: Path, data: Path) -> tuple[str, ...]:
    """The command line of the engine. `place`: what ends with it; `data`: what stays."""
    return (
        *(program("setpriv"), "--pdeathsig", "TERM"),  # it never outlives the tests, however they end
        *(program("dockerd"), "--host", f"unix://{place / 'docker.sock'}", "--pidfile", str(place / "pid")),
        *("--data-root", str(data), "--exec-root", str(place / "exec")),
        *("--bridge", "none", "--iptables=false", "--ip-forward=false", "--log-level", "warn"),
        *("--shutdown-timeout", "5"),
    )


def _answers(engine: Engine) -> bool:
    return engine.socket.exists() and engine.run(program("docker"), "version").returncode == 0


def _stop(daemon: subprocess.Popen[bytes]) -> None:
    if daemon.poll() is None:
        daemon.send_signal(signal.SIGTERM)
    try:
        daemon.wait(60)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()
