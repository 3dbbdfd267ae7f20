"""Processes: known by pid and birth, stopped by pid only, nothing left of their session."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from devstack.process import Command, Identity, alive, exit_code, identify, last_lines, start, stop, wait_until

STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(600)
"""


def python(code: str, tmp_path: Path) -> tuple[Identity, Path]:
    """Start a Python program; its identity and its log."""
    log = tmp_path / "program.log"
    return start(Command((sys.executable, "-c", code), tmp_path, dict(os.environ)), log), log


def test_a_process_is_alive_until_it_is_stopped(tmp_path: Path) -> None:
    """Stopping asks politely first, and the process is gone and reaped afterwards."""
    who, _ = python("import time; time.sleep(600)", tmp_path)
    assert alive(who)
    assert stop(who, signal.SIGTERM, 10)
    assert not alive(who)
    assert exit_code(who.pid) == -signal.SIGTERM


def test_a_stranger_with_the_same_pid_is_never_stopped(tmp_path: Path) -> None:
    """A pid that was reused by another process (another birth, another boot) counts as gone."""
    who, _ = python("import time; time.sleep(600)", tmp_path)
    for former in (replace(who, born=who.born - 1), replace(who, boot="an earlier one")):
        assert not alive(former)
        assert stop(former, signal.SIGKILL, 1)
    assert alive(who)
    stop(who, signal.SIGKILL, 10)


def test_a_zombie_counts_as_dead() -> None:
    """A process that ended but was not reaped yet runs no more."""
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    assert wait_until(lambda: Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z", 20)
    assert identify(child.pid) is None
    child.wait()


def test_one_that_ignores_the_signal_is_killed_with_its_children(tmp_path: Path) -> None:
    """Nothing of a stopped process's session is left behind."""
    who, log = python(STUBBORN, tmp_path)
    assert wait_until(lambda: bool(last_lines(log)), 20)
    child = identify(int(last_lines(log)[0]))
    assert child is not None
    assert not stop(who, signal.SIGTERM, 0.2)
    assert not alive(who)
    assert not alive(child)


def test_a_program_gets_a_session_of_its_own_and_a_private_log(tmp_path: Path) -> None:
    """Ctrl-C in the terminal does not reach it, and other users cannot read what it says."""
    who, log = python("print('hello'); import time; time.sleep(600)", tmp_path)
    assert os.getsid(who.pid) == who.pid
    assert log.stat().st_mode & 0o777 == 0o600
    stop(who, signal.SIGKILL, 10)


def test_the_last_lines_of_a_log_skip_empty_ones(tmp_path: Path) -> None:
    """What a crashed part said last is what a person needs; bytes that are no UTF-8 do no harm."""
    log = tmp_path / "a.log"
    log.write_bytes(b"one\n\ntwo \xff\n\n")
    assert last_lines(log, 1) == ["two \ufffd"]
    assert last_lines(tmp_path / "missing.log") == []
