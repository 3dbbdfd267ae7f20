"""A Postgres of its own for the benchmarks of the RAG service, as the embedded house runs it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg

from benchmarks.servers import free_port, running
from devstack import postgres, scaffold
from devstack.places import folder
from maitre.settings import load_house

#: More than all that is asked, where the embedded house has 64 MB: else it would be measured how the machine copies
#: pages.
BUFFERS = "2GB"


@contextmanager
def database(cpus: Sequence[int] = ()) -> Iterator[str]:
    """The URL of an empty database `bench`. `cpus`: those that Postgres may use, else the caller's. Everybody's indexes
    are built in as much memory."""
    with tempfile.TemporaryDirectory(prefix="maitre-bench-") as name:
        base = Path(name)
        base.chmod(0o755)  # Postgres runs as another account when this runs as root
        scaffold.copy_example(base / "house")
        scaffold.make_secrets(base / "house")
        house = load_house(base / "house")
        part = postgres.part(house, free_port("postgres"))
        part.prepare()
        log = folder(house.state / "logs") / "postgres.log"
        command = replace(part.command, argv=(*part.command.argv, "-c", f"shared_buffers={BUFFERS}"))
        with running(part.title, command, log, part.healthy, part.port, stop_signal=part.stop_signal) as server:
            if cpus:
                os.sched_setaffinity(server.pid, cpus)
            with psycopg.connect(part.url, autocommit=True) as connection:
                connection.execute("create database bench")
                connection.execute("alter database bench set maintenance_work_mem = '512MB'")
            yield part.url.rpartition("/")[0] + "/bench"
