"""Real processes of the service, that a test starts, kills and waits for."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devstack import ports
from devstack.probe import http_json
from devstack.process import wait_until
from maitre.settings import House

ROOT = Path(__file__).parents[3]
LEASE = "1.5"  # seconds


class Process:
    """One process; it stands still at its step, if it has one."""

    def __init__(self, house: House, gateway: str, words: tuple[str, ...], log: Path | None) -> None:
        seen = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        with open(log or os.devnull, "ab") as heard:
            self.process = subprocess.Popen(
                (sys.executable, "-m", *words),
                cwd=ROOT,
                env={
                    **seen,
                    "MAITRE_HOUSE": str(house.directory),
                    "MAITRE_POSTGRES_URL": house.endpoint("postgres"),
                    "MAITRE_GATEWAY_URL": gateway,
                },
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=heard,
            )

    def stands(self) -> str:
        """Wait until it stands at its step."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().decode().strip()

    def go_on(self) -> None:
        """Let it go on from its step."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()
        self.process.wait()

    def end(self) -> int:
        """Ask it to end, and wait; its exit code."""
        self.process.terminate()
        return self.process.wait(20)


@contextmanager
def working(house: House, gateway: str, step: str = "nowhere", log: Path | None = None) -> Iterator[Process]:
    """A worker that is gone after the block."""
    words = ("tests.rag_service.ingest.working", step, "--lease", LEASE)
    with _running(Process(house, gateway, words, log)) as worker:
        yield worker


@contextmanager
def serving(
    house: House, gateway: str, step: str = "nowhere", log: Path | None = None
) -> Iterator[tuple[Process, str]]:
    """The service, ready at a URL, and gone after the block."""
    port = ports.choose(["rag"], {}, ports.free, lambda: random.choice(ports.RANGE))["rag"]
    words = ("tests.rag_service.ingest.serving", step, str(port))
    with _running(Process(house, gateway, words, log)) as service:
        assert wait_until(lambda: http_json(port, "/health") == {"status": "ok"}, 30), log and log.read_text()
        yield service, f"http://127.0.0.1:{port}"


@contextmanager
def _running(process: Process) -> Iterator[Process]:
    try:
        yield process
    finally:
        process.kill()
        for pipe in (process.process.stdin, process.process.stdout):
            if pipe is not None:
                pipe.close()
