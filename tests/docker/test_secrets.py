"""Secrets and roles on a real engine: what containers get, what an inspection shows, and a new password meanwhile."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from compose.deploy.stack_roles import StackRoles
from compose.deploy.steps import MOUNTED
from compose.render.postgres_init import ENSURE
from compose.render.rendered import house_services, rendered
from compose.render.secret_copy import Copy
from compose.render.secret_files import value_of, write_copies, write_copy
from compose.render.secrets import copies
from compose.stack.consumers import consumers
from devstack import scaffold
from maitre.settings import GENERATED_SECRETS, House, load_house
from provisioning.rotation import rotate
from tests.compose.house import copy_house
from tests.docker.engine import Engine
from tests.docker.programs import program

#: Those that this test starts, with what they need.
STORES = ("postgres", "valkey")


@dataclass(frozen=True, slots=True)
class Site:
    """A house whose stores run in containers."""

    house: House
    engine: Engine

    @property
    def stack(self) -> Path:
        """The rendered folder."""
        return self.house.state / "stack"

    def compose(self, *words: str) -> str:
        """What `docker-compose WORDS` prints; the test fails where it does."""
        done = self.engine.run(program("docker-compose"), "-f", str(self.stack / "compose.yaml"), *words)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().strip()

    def write(self) -> None:
        """The rendered files and the copies of the secrets."""
        for name, text in rendered(self.house).items():
            file = self.stack / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")
        _, services = house_services(self.house)
        wanted = copies(services, consumers(()))
        write_copies(self.stack / "secrets", wanted, partial(value_of, self.house))

    def signs_in(self, role: str, password: str) -> bool:
        """Whether Postgres lets the role in over the network; its image trusts whoever is on loopback."""
        host = self.compose("exec", "-T", "postgres", "hostname", "-i").split()[0]
        url = f"host={host} user={role} dbname={role} password={password}"
        words = (program("docker-compose"), "-f", str(self.stack / "compose.yaml"), "exec", "-T", "postgres")
        return self.engine.run(*words, "psql", "-Atqc", "select 1", url).stdout == b"1\n"

    def valkey_opens(self, password: str) -> bool:
        """Whether Valkey lets somebody in with it."""
        words = (program("docker-compose"), "-f", str(self.stack / "compose.yaml"), "exec", "-T", "valkey")
        return self.engine.run(*words, "valkey-cli", "-a", password, "ping").stdout.strip() == b"PONG"


@pytest.fixture(scope="module")
def site(engine: Engine, stand_ins: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The stores of a new house, as `cli deploy` would make them."""
    folder = copy_house("small", tmp_path_factory.mktemp("small") / "house")
    scaffold.make_secrets(folder)
    for file in (folder / ".maitre" / "secrets", *(folder / ".maitre" / "secrets").iterdir()):
        file.chmod(0o700 if file.is_dir() else 0o600)
    house = load_house(folder)
    scaffold.make_logins(house)
    made = Site(house, engine)
    made.write()
    try:
        made.compose("up", "-d", "--wait", *STORES)
        yield made
    finally:
        engine.run(
            program("docker-compose"), "-f", str(made.stack / "compose.yaml"), "down", "--volumes", "--timeout", "5"
        )


def test_no_inspection_shows_a_secret(site: Site) -> None:
    """Neither the rendered files nor what the engine tells of the containers hold one."""
    told = "".join(file.read_text() for file in site.stack.rglob("*") if file.is_file() and "secrets" not in file.parts)
    told += site.engine.docker("inspect", *site.compose("ps", "-aq").split())
    told += site.compose("logs", "--no-color")
    assert not [name for name in GENERATED_SECRETS if site.house.secret(name) in told]


def test_each_container_reads_its_own(site: Site) -> None:
    """The files are its user's alone, and there is no other."""
    listed = site.compose("exec", "-T", "postgres", "sh", "-c", "cd /run/secrets && stat -c '%n %a %u' *")
    assert listed == "postgres_superuser_password 400 999"
    # Its folder cannot be listed: it is root's, and others pass through it only.
    assert site.compose("exec", "-T", "valkey", "stat", "-c", "%a %u", "/run/roles/default") == "400 999"
    with pytest.raises(AssertionError, match="No such file or directory"):
        site.compose("exec", "-T", "valkey", "ls", "/run/secrets")


def test_the_roles_are_there_and_stay_apart(site: Site) -> None:
    """Each signs in to its own database by its secret; the script runs again and changes nothing."""
    for one in consumers(()):
        assert site.signs_in(one.role, site.house.secret(one.secret))
        assert not site.signs_in(one.role, "wrong")
    sql = "select json_agg(r) from (select * from pg_authid order by 1) r"
    before = json.loads(site.compose("exec", "-T", "postgres", "psql", "-U", "postgres", "-Atqc", sql))
    assert site.compose(*ENSURE) == ""
    assert json.loads(site.compose("exec", "-T", "postgres", "psql", "-U", "postgres", "-Atqc", sql)) == before


def test_a_new_password_counts_at_once_and_postgres_goes_on(site: Site) -> None:
    """The role signs in by the new secret and no longer by the old one; the container is the same."""
    old, ids = site.house.secret("rag_db_password"), site.compose("ps", "-q")
    roles = StackRoles(site.stack, 999, lambda: None if site.compose(*ENSURE) == "" else None)
    rotate(site.house, "rag_db_password", scaffold.fresh, roles)
    assert site.signs_in("rag", site.house.secret("rag_db_password"))
    assert not site.signs_in("rag", old)
    assert site.compose("ps", "-q") == ids
    assert os.stat(site.stack / "secrets/postgres/roles/rag").st_uid == 999


def test_valkey_takes_a_new_password_while_it_serves(site: Site) -> None:
    """The old one opens it until it is closed; the container is the same, and well by its health check. Started anew
    it knows the new one."""
    old, ids = site.house.secret("valkey_password"), site.compose("ps", "-q")
    rotate(site.house, "valkey_password", scaffold.fresh, StackRoles(site.stack, 999, lambda: None))
    new = site.house.secret("valkey_password")
    write_copy(site.stack / "secrets", "valkey/roles/default", Copy("valkey_password", "plain", 999), new)
    site.compose("exec", "-T", "valkey", "sh", MOUNTED)
    assert [site.valkey_opens(one) for one in (old, new)] == [True, True]
    site.compose("exec", "-T", "valkey", "sh", MOUNTED, "alone")
    assert [site.valkey_opens(one) for one in (old, new)] == [False, True]
    assert site.compose("ps", "-q") == ids
    site.compose("restart", "valkey")
    site.compose("up", "-d", "--wait", *STORES)
    assert [site.valkey_opens(one) for one in (old, new)] == [False, True]
    assert site.compose("ps", "-q") == ids
