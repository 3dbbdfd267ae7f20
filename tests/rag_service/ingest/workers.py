"""Real worker processes, that a test starts, kills and waits for."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from maitre.settings import House

ROOT = Path(__file__).parents[3]
LEASE = "1.5"  # seconds


class Worker:
    """One process; it stands still at its step, if it has one."""

    def __init__(self, house: House, gateway: str, step: str = "nowhere", log: Path | None = None) -> None:
        words = (sys.executable, "-m", "tests.rag_service.ingest.working", step, "--lease", LEASE)
        seen = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        self.log = log
        with open(log or os.devnull, "ab") as heard:
            self.process = subprocess.Popen(
                words,
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
def working(house: House, gateway: str, step: str = "nowhere", log: Path | None = None) -> Iterator[Worker]:
    """A worker that is gone after the block."""
    worker = Worker(house, gateway, step, log)
    try:
        yield worker
    finally:
        worker.kill()
        for pipe in (worker.process.stdin, worker.process.stdout):
            if pipe is not None:
                pipe.close()
