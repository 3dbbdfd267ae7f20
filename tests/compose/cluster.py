"""A bare Postgres cluster with nothing of ours in it, as an image's first start leaves one."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from devstack.places import postgres_binaries
from devstack.ports import RANGE, choose, free
from devstack.privilege import ACCOUNT, GROUP, dropped
from devstack.process import wait_until

FIRST = "the-first-password"


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running server, and the folder in which its roles' verifiers lie."""

    folder: Path
    port: int

    def run(self, script: str, verifiers: Mapping[str, str], password: str = FIRST) -> subprocess.CompletedProcess[str]:
        """Run the script as the superuser, with these verifiers."""
        roles = self.folder / "roles"
        shutil.rmtree(roles, ignore_errors=True)
        roles.mkdir()
        for role, verifier in verifiers.items():
            (roles / role).write_text(verifier + "\n")
        env = {"PATH": f"{postgres_binaries()}:/usr/bin:/bin", "MAITRE_ROLES_DIR": str(roles)}
        env |= {"PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGPASSWORD": password}
        return subprocess.run(["sh"], input=script, env=env, capture_output=True, text=True, check=False)

    def connect(self, role: str, password: str, database: str | None = None) -> psycopg.Connection:
        """A connection as a role. Raises psycopg.OperationalError when it is let in nowhere."""
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=role, password=password, dbname=database or role, autocommit=True
        )


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """An empty cluster; afterwards nothing of it is left."""
    folder = Path(tempfile.mkdtemp(prefix="maitre-cluster-"))
    folder.chmod(0o755)
    binaries, data = postgres_binaries(), folder / "server"
    data.mkdir(mode=0o700)
    words = dropped(data, binaries)
    password = folder / "password"
    password.write_text(FIRST)
    if words:
        shutil.chown(data, ACCOUNT, GROUP)
        shutil.chown(password, ACCOUNT, GROUP)
    try:
        made = ["--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8", "--no-sync", "--locale=C.UTF-8"]
        subprocess.run(
            [*words, binaries / "initdb", "-D", data, f"--pwfile={password}", *made],
            cwd="/", check=True, capture_output=True,
        )  # fmt: skip
        port = choose(["postgres"], {}, free, lambda: random.choice(RANGE))["postgres"]
        options = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": "", "fsync": "off"}
        options |= {"shared_preload_libraries": "pg_stat_statements", "log_statement": "all"}
        told = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [*words, binaries / "postgres", "-D", data, *told], cwd="/", stderr=log, start_new_session=True
            )
        cluster = Cluster(folder, port)
        try:
            assert wait_until(lambda: _answers(cluster), 30), (folder / "log").read_text()
            yield cluster
        finally:
            os.kill(server.pid, signal.SIGINT)
            server.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _answers(cluster: Cluster) -> bool:
    try:
        cluster.connect("postgres", FIRST).close()
    except psycopg.OperationalError:
        return False
    return True
