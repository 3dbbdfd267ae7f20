"""One deploy at a time, between real processes."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from compose.deploy.lock import held, locked, must_be_free
from devstack.places import ROOT
from maitre.errors import HouseError

NOW = datetime(2026, 11, 21, 20, 40, 5, tzinfo=UTC)
HOLD = """
import sys
from datetime import datetime, UTC
from pathlib import Path
from compose.deploy.lock import locked
with locked(Path(sys.argv[1]), "lea", "deploy", datetime(2026, 11, 21, 20, 40, 5, tzinfo=UTC)):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(state: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock until the end of the block."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(state)], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        yield other


def test_a_second_deploy_is_told_who_is_at_it(tmp_path: Path) -> None:
    """Who, since when and what, in one sentence."""
    with holder(tmp_path) as other:
        sentence = f"lea (pid {other.pid}) has been at it since 20:40:05 UTC: cli deploy"
        with pytest.raises(HouseError, match="lea"):
            must_be_free(tmp_path)
        with pytest.raises(HouseError) as told, locked(tmp_path, "max", "rollback", NOW):
            pass
        assert sentence in str(told.value)


def test_the_lock_of_a_dead_process_is_free(tmp_path: Path) -> None:
    """The kernel let go of it; the note that it left says nothing."""
    with holder(tmp_path) as other:
        other.send_signal(signal.SIGKILL)
        other.wait()
    with locked(tmp_path, "max", "deploy", NOW):
        assert "max" in (tmp_path / "deploy.lock").read_text()


def test_a_child_that_goes_on_holds_the_lock(tmp_path: Path) -> None:
    """Compose, whose deploy was killed, still changes containers."""
    with locked(tmp_path, "lea", "deploy", NOW) as lock:
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, text=True, pass_fds=(lock,))
    with pytest.raises(HouseError, match="Another deploy of this house is running"), locked(tmp_path, "max", "x", NOW):
        pass
    child.communicate("\n")
    with locked(tmp_path, "max", "deploy", NOW):
        pass


def test_a_spoilt_note_is_only_information() -> None:
    """The sentence is there without it."""
    assert held("{") == "Another deploy of this house is running; another command is at it. Wait for it to end."
