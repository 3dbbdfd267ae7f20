"""The script that tells a running Valkey its new password, run by this machine's shell against a real server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import redis

from compose.deploy.steps import PASSWORD
from devstack.places import ROOT
from devstack.probe import valkey_answers
from tests.stores import running_stores

#: As much of valkey-cli as the script needs, for the package of the server has none.
CLI = ROOT / "tests" / "docker" / "images" / "valkey" / "valkey_cli.py"


@dataclass(frozen=True, slots=True)
class Server:
    """A Valkey, and the two folders of its container that the script looks into."""

    port: int
    first: str  # the password that it was started with
    roles: Path
    temporary: Path
    programs: Path

    def tell(self, password: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Put the password where a deploy puts it, and run the script."""
        (self.roles / "default").write_text(password + "\n")
        return subprocess.run(
            ["sh", str(ROOT / "compose" / "files" / PASSWORD), *words],
            env={
                "PATH": f"{self.programs}:{os.environ['PATH']}",
                "MAITRE_ROLES_DIR": str(self.roles),
                "TMPDIR": str(self.temporary),
            },
            capture_output=True,
            text=True,
            check=False,
        )

    def opens(self, *passwords: str) -> list[bool]:
        """Which passwords open it."""
        return [valkey_answers(self.port, one) for one in passwords]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running one, as its container's entry point leaves it."""
    folders = [tmp_path_factory.mktemp(name) for name in ("roles", "temporary", "programs")]
    with running_stores() as house:
        told = urlsplit(house.endpoint("valkey"))
        made = Server(told.port or 0, unquote(told.password or ""), *folders)
        (made.temporary / "password").write_text(made.first + "\n")
        program = made.programs / "valkey-cli"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} {CLI} -p {made.port} "$@"\n')
        program.chmod(0o755)
        yield made


def test_both_passwords_open_it_until_the_old_one_is_closed(server: Server) -> None:
    """Nobody is locked out between: who is signed in stays so, and who comes with the old one comes in until `alone`;
    twice is once."""
    old = redis.Redis(port=server.port, password=server.first, single_connection_client=True)
    assert old.ping()
    for _ in range(2):
        assert server.tell("second").returncode == 0
        assert server.opens(server.first, "second", "third") == [True, True, False]
        assert (server.temporary / "password").read_text() == "second\n"
    for _ in range(2):
        assert server.tell("second", "alone").returncode == 0
        assert server.opens(server.first, "second") == [False, True]
    assert old.ping()
    assert (server.temporary / "password").stat().st_mode & 0o777 == 0o600
    assert server.tell(server.first, "alone").returncode == 0
    assert server.opens(server.first, "second") == [True, False]


def test_any_password_can_be_told_and_none_is_said(server: Server) -> None:
    """Whatever is in it, and neither a command line nor what is printed has it."""
    nasty = 'it\'s "a" $HOME `id` > #\\ %s *'
    done = server.tell(nasty, "alone")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert server.opens(nasty, server.first) == [True, False]
    assert server.tell(server.first, "alone").returncode == 0


def test_a_valkey_that_knows_neither_says_so(server: Server) -> None:
    """One sentence, and nothing has changed."""
    (server.temporary / "password").write_text("of somebody else\n")
    done = server.tell("fourth")
    assert done.returncode == 1
    assert done.stderr.startswith("valkey: it does not take its new password: WRONGPASS")
    assert "fourth" not in done.stderr
    assert server.opens(server.first, "fourth") == [True, False]
    (server.temporary / "password").write_text(server.first + "\n")
