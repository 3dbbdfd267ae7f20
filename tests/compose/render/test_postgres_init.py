"""The script that makes roles and databases, on a real Postgres."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from compose.deploy.stack_roles import StackRoles
from compose.layout import SECRETS
from compose.render.postgres_init import SCRIPT, postgres_init
from compose.stack.consumers import EVERY, Consumer, consumers, passwords
from maitre.errors import HouseError
from provisioning.derived import percent_encoded, scram_verifier, verifies
from tests.compose.cluster import FIRST, Cluster, running_cluster

NASTY = "it's \\ \"$HOME\" `id` :'x' %s"
SALT = bytes(range(16))


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A cluster that every test of this module finds as the one before left it."""
    with running_cluster() as running:
        yield running


def ensure(cluster: Cluster, wanted: tuple[Consumer, ...], secrets: dict[str, str], password: str = FIRST) -> None:
    """Run the script for these consumers, whose passwords are those of `secrets`, else their role's name."""
    verifiers = {
        role: scram_verifier(secrets.get(role, FIRST if role == "postgres" else role), SALT)
        for role in passwords(wanted)
    }
    done = cluster.run(postgres_init(wanted)[SCRIPT], verifiers, password)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def picture(cluster: Cluster) -> list[tuple[object, ...]]:
    """Every role, every database and every right on it."""
    with cluster.connect("postgres", FIRST, "template1") as link:
        roles = link.execute("select * from pg_authid order by rolname").fetchall()
        return [*roles, *link.execute("select datname, datdba, datacl::text from pg_database order by 1").fetchall()]


def test_each_role_reaches_its_own_database_and_nothing_else(cluster: Cluster) -> None:
    """A consumer signs in to its database, makes tables there, and neither databases, roles nor visits."""
    ensure(cluster, EVERY, {"maitre": NASTY})
    for one in EVERY:
        password = NASTY if one.role == "maitre" else one.role
        with cluster.connect(one.role, password) as link:
            link.execute("create table t (a int)")
            link.execute("create schema s")
            for forbidden in ("create database more", "create role more", "alter role postgres password 'x'",
                              "create extension file_fdw", "copy t from program 'id'"):  # fmt: skip
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    link.execute(forbidden)
        for other in {"postgres", "template1", *(two.role for two in EVERY)} - {one.role}:
            with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
                cluster.connect(one.role, password, other)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            cluster.connect(one.role, "wrong")


def test_only_who_uses_vectors_has_them(cluster: Cluster) -> None:
    """The extensions are there before the consumer, who could not make them."""
    ensure(cluster, EVERY, {})
    for one in EVERY:
        with cluster.connect(one.role, one.role) as link:
            found = {row[0] for row in link.execute("select extname from pg_extension").fetchall()}
            assert found == {"plpgsql", *one.extensions}
            for extension in one.extensions:
                link.execute(f"create extension if not exists {extension}".encode())


def test_running_it_twice_changes_nothing(cluster: Cluster) -> None:
    """Roles, their passwords, databases and rights are the very same."""
    ensure(cluster, EVERY, {})
    before = picture(cluster)
    ensure(cluster, EVERY, {})
    assert picture(cluster) == before


def test_a_consumer_joins_and_a_password_is_rotated(cluster: Cluster) -> None:
    """A cluster with a few consumers gets another; a new password counts at once, and nobody else's changes."""
    ensure(cluster, EVERY, {})
    extra = Consumer("newcomer", "newcomer_db_password")
    ensure(cluster, (*EVERY, extra), {"open_webui": "second"})
    cluster.connect("newcomer", "newcomer").close()
    cluster.connect("open_webui", "second").close()
    cluster.connect("maitre", "maitre").close()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        cluster.connect("open_webui", "open_webui")
    ensure(cluster, EVERY, {"postgres": NASTY})
    cluster.connect("postgres", NASTY).close()
    ensure(cluster, EVERY, {}, password=NASTY)


def test_a_role_with_too_much_is_cut_down(cluster: Cluster) -> None:
    """An older cluster's role that may do more than it needs may not any longer."""
    ensure(cluster, EVERY, {})
    with cluster.connect("postgres", FIRST) as link:
        link.execute("alter role maitre superuser createdb createrole")
        link.execute("grant connect on database litellm to public")
    ensure(cluster, EVERY, {})
    with cluster.connect("maitre", "maitre") as link, pytest.raises(psycopg.errors.InsufficientPrivilege):
        link.execute("create database more")
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        cluster.connect("maitre", "maitre", "litellm")


def test_a_missing_or_clear_password_is_one_sentence_and_changes_nothing(cluster: Cluster) -> None:
    """What is no verifier would become a password by mistake; it is refused before anything is done."""
    ensure(cluster, EVERY, {})
    before = picture(cluster)
    good = {role: scram_verifier("x", SALT) for role in passwords(EVERY)}
    for spoilt in ({**good, "rag": "clear text"}, {role: one for role, one in good.items() if role != "rag"}):
        done = cluster.run(postgres_init(EVERY)[SCRIPT], spoilt)
        assert (done.returncode, done.stdout) == (1, "")
        assert "/rag is missing or no SCRAM verifier" in done.stderr
        assert done.stderr.count("\n") == 1
    assert picture(cluster) == before


def test_no_log_has_a_password(cluster: Cluster) -> None:
    """A server that logs every statement, and its statistics, know verifiers only."""
    ensure(cluster, EVERY, {"maitre": NASTY})
    log = (cluster.folder / "log").read_text()
    assert "SCRAM-SHA-256$4096:" in log
    assert NASTY not in log


def test_a_running_stack_gets_a_new_password(cluster: Cluster, tmp_path: Path) -> None:
    """Its verifier is written and the script run again; a role that the stack does not have is left alone, and asked
    a second time nothing changes."""
    ensure(cluster, EVERY, {})
    stack, ran = tmp_path / "stack", list[int]()
    folder = stack / SECRETS / "postgres" / "roles"
    folder.mkdir(parents=True)
    for role in passwords(EVERY):
        (folder / role).write_text(scram_verifier(FIRST if role == "postgres" else role, SALT))

    def again() -> None:
        verifiers = {file.name: file.read_text().strip() for file in folder.iterdir()}
        ran.append(cluster.run(postgres_init(EVERY)[SCRIPT], verifiers).returncode)

    roles = StackRoles(stack, os.geteuid(), again)
    roles.set_password("rag", "another")
    cluster.connect("rag", "another").close()
    before = picture(cluster)
    roles.set_password("rag", "another")
    assert picture(cluster) == before
    roles.set_password("nobody", "x")
    assert ran == [0, 0]


def test_the_profiles_decide_who_is_there() -> None:
    """The core has three; each profile adds its own; the same consumers render the same bytes in any order."""
    assert [one.role for one in consumers(())] == ["maitre", "rag", "open_webui"]
    assert [one.role for one in consumers(("litellm", "vllm"))] == ["maitre", "rag", "open_webui", "litellm"]
    assert len({tuple(postgres_init(order).items()) for order in itertools.permutations(EVERY[:3])}) == 1
    assert len({one.secret for one in EVERY}) == len(EVERY)


def test_a_verifier_is_of_one_password() -> None:
    """It takes its own password and no other, spoilt text verifies nothing, and a letter with several forms is
    refused."""
    made = scram_verifier("secret", SALT)
    assert verifies(made, "secret")
    assert not verifies(made, "Secret")
    assert not any(verifies(spoilt, "secret") for spoilt in ("", "x", "a$b$c", made[:-2], "SCRAM-SHA-256$4096:!$a:b"))
    with pytest.raises(HouseError, match="printable ASCII"):
        scram_verifier("é", SALT)
    assert percent_encoded("a/@: é") == "a%2F%40%3A%20%C3%A9"
