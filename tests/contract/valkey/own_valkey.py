"""A Valkey process of the tests, configured as in the embedded house, to be killed, frozen and restarted."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

from benchmarks.servers import free_port
from devstack.places import valkey_binary
from devstack.probe import valkey_answers
from devstack.valkey import configuration

PASSWORD = "s3cret/@"


class OwnValkey:
    """It keeps its port and its data over restarts."""

    def __init__(self, home: Path) -> None:
        self.port = free_port("valkey")
        self.url = f"redis://:s3cret%2F%40@127.0.0.1:{self.port}/0"
        self._config = home / "valkey.conf"
        self._config.write_text(configuration(self.port, str(home), PASSWORD))
        self._log = home / "valkey.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it unless it runs. TimeoutError when it does not answer within 20 seconds."""
        if self._process is not None and self._process.poll() is None:
            return
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([valkey_binary(), self._config], stdout=log, stderr=log)
        until = time.monotonic() + 20
        while not valkey_answers(self.port, PASSWORD):
            if time.monotonic() > until:
                raise TimeoutError(self._log.read_text())
            time.sleep(0.02)

    def kill(self) -> None:
        """`kill -9`, and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def freeze(self) -> None:
        """It keeps its connections and answers nobody."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on where it was."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)
