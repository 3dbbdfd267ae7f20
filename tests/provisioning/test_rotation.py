"""New values for secrets: which may have one, and that a broken-off rotation leaves a house that works."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import pytest
from typer.testing import CliRunner

from cli import app
from commands.rotating import finish_embedded, rotate_embedded
from compose.stack.consumers import EVERY, passwords
from devstack import house as parts
from devstack import scaffold
from devstack.checks import look
from maitre.errors import HouseError
from maitre.house.secrets import with_password
from maitre.settings import GENERATED_SECRETS, House, load_house
from provisioning.roles_postgres import OwnRole
from provisioning.rotation import again, broken_off, rotate, take_waiting, waiting
from provisioning.secret_uses import USES
from tests.stores import STORES, running_stores

FREE = sorted(name for name, use in USES.items() if not use.loses and not use.elsewhere)
LOSING = sorted(name for name, use in USES.items() if use.loses)
ELSEWHERE = sorted(name for name, use in USES.items() if use.elsewhere)


@dataclass
class Server:
    """A database that knows one password of each role; `fault` strikes after it has learned one."""

    known: dict[str, str] = field(default_factory=dict)
    fault: BaseException | None = None

    def set_password(self, role: str, password: str) -> None:
        """Learn it, and fail if that is wanted."""
        self.known[role] = password
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A house that is down, with every generated secret."""
    scaffold.copy_example(tmp_path)
    scaffold.make_secrets(tmp_path)
    return load_house(tmp_path)


def values(house: House) -> dict[str, str]:
    """Every secret that is there now."""
    return {name: house.secret(name) for name in GENERATED_SECRETS}


def test_every_generated_secret_has_its_row() -> None:
    """The table is whole: each secret has a purpose and a reader, each database role its secret, in pairs both rows
    name each other, and what is said to people is whole sentences."""
    assert list(USES) == list(GENERATED_SECRETS)
    assert {use.role: name for name, use in USES.items() if use.role} == passwords(EVERY)
    for name, use in USES.items():
        assert use.purpose
        assert use.parts
        assert all(name in USES[other].together for other in use.together)
        assert all(re.fullmatch(r"[A-Z].*\.", told) for told in (use.loses, use.elsewhere, use.then) if told)


@pytest.mark.parametrize("name", FREE)
def test_a_new_value_is_new_for_this_secret_only(name: str, house: House) -> None:
    """Its file stays private, its role signs in with it, and nothing is left aside."""
    server, before = Server(), values(house)
    done = rotate(house, name, scaffold.fresh, server)
    after = values(house)
    assert {one for one in before if before[one] != after[one]} == {*done.names} == {name, *USES[name].together}
    role = USES[name].role
    assert server.known == ({role: after[name]} if role else {})
    home = house.state / "secrets"
    assert {file.name for file in home.iterdir()} == set(GENERATED_SECRETS)
    assert {file.stat().st_mode & 0o777 for file in home.iterdir()} == {0o600}


@pytest.mark.parametrize("name", LOSING)
def test_a_loss_must_be_accepted(name: str, house: House) -> None:
    """One sentence says what would be lost; said again with consent, it is done."""
    before = values(house)
    with pytest.raises(HouseError, match=re.escape(USES[name].loses) + ".*--accept-loss"):
        rotate(house, name, scaffold.fresh, Server())
    assert values(house) == before
    rotate(house, name, scaffold.fresh, Server(), accept_loss=True)
    assert house.secret(name) != before[name]


@pytest.mark.parametrize("name", [*ELSEWHERE, "nothing", "../stamp", ".stamp.next"])
def test_what_cannot_be_rotated_is_one_sentence(name: str, house: House) -> None:
    """A password that somebody else keeps, and a name that is no secret's: nothing changes, consent or not."""
    before = values(house)
    with pytest.raises(HouseError, match=r"^[^\n]+$"):
        rotate(house, name, scaffold.fresh, Server(), accept_loss=True)
    assert values(house) == before


def test_a_secret_of_the_environment_is_changed_there(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new file would change nothing, since the environment goes before it."""
    monkeypatch.setenv("MAITRE_SECRET_LANGFUSE_SECRET_KEY", "x")
    with pytest.raises(HouseError, match="MAITRE_SECRET_LANGFUSE_SECRET_KEY goes before the file"):
        rotate(house, "langfuse_public_key", scaffold.fresh, Server())


@pytest.mark.parametrize("fault", [HouseError("Postgres is away."), KeyboardInterrupt()])
def test_a_broken_off_rotation_is_finished_by_the_next(fault: BaseException, house: House) -> None:
    """Whether Postgres has learned the new password or not, the second try gives it that very one."""
    server, before = Server(fault=fault), values(house)
    with pytest.raises(type(fault)):
        rotate(house, "postgres_password", scaffold.fresh, server)
    assert values(house) == before
    learned = server.known["maitre"]
    rotate(house, "postgres_password", scaffold.fresh, server)
    assert house.secret("postgres_password") == server.known["maitre"] == learned
    rotate(house, "postgres_password", scaffold.fresh, server)
    assert server.known["maitre"] != learned


#: The moments at which a rotation of a role's password can be killed: a call, and whether it has done its work.
MOMENTS = [(call, done) for call in ("set_aside", "set_password", "rename") for done in (False, True)]


@pytest.mark.parametrize(("call", "done"), MOMENTS)
@pytest.mark.parametrize("finish", ["again", "deploy"])
def test_a_rotation_killed_at_any_moment_is_noticed_and_finished(
    call: str, done: bool, finish: str, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the database may know another password than the file, the name is told; the next rotation, or a deploy
    that takes the value and tells the database, ends in one password for both, and leaves nothing aside."""
    name, old, replace = "postgres_password", house.secret("postgres_password"), Path.replace
    server = Server({"maitre": old})
    end = {"set_aside": f".{name}.next", "rename": name}.get(call, "")

    def killed(self: Path, target: Path) -> Path:
        if Path(target).name != end:
            return replace(self, target)
        if done:
            replace(self, target)
        raise KeyboardInterrupt

    with monkeypatch.context() as fault:
        if call == "set_password" and done:
            server.fault = KeyboardInterrupt()
        elif call == "set_password":
            fault.setattr(server, "set_password", lambda role, password: (_ for _ in ()).throw(KeyboardInterrupt()))
        else:
            fault.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            rotate(house, name, scaffold.fresh, server)
    noticed = broken_off(house)
    assert noticed == (name,) or server.known["maitre"] == house.secret(name)
    assert server.known["maitre"] in (house.secret(name), waiting(house, name))
    if finish == "again":
        rotate(house, name, scaffold.fresh, server)
    else:
        take_waiting(house)
        server.set_password("maitre", house.secret(name))
    assert server.known["maitre"] == house.secret(name)
    assert broken_off(house) == ()
    assert not list((house.state / "secrets").glob(".*.next"))


def test_a_broken_off_pair_is_named_once(house: House) -> None:
    """One command finishes both; one that loses something says so again; what the environment decides does not wait."""
    home = house.state / "secrets"
    for name in ("langfuse_secret_key", "langfuse_public_key", "sealing_key"):
        (home / f".{name}.next").write_text("waits\n")
    assert broken_off(house) == ("sealing_key", "langfuse_public_key")
    assert [again(name) for name in broken_off(house)] == [
        "cli secrets rotate sealing_key --accept-loss", "cli secrets rotate langfuse_public_key"
    ]  # fmt: skip
    rotate(house, "langfuse_public_key", scaffold.fresh, Server())
    assert broken_off(house) == ("sealing_key",)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("MAITRE_SECRET_SEALING_KEY", "x")
        assert broken_off(house) == ()


async def _signs_in(url: str) -> bool:
    try:
        await (await asyncpg.connect(url)).close()
    except asyncpg.InvalidPasswordError:
        return False
    return True


async def test_a_running_house_gets_a_new_password_of_its_database() -> None:
    """The old one is out at once; one that was learned before the command was killed is no hindrance; `cli up` tells
    the new address to everybody without a restart of Postgres; Valkey is restarted with its own."""
    with running_stores() as house:
        old = house.endpoint("postgres")
        await asyncio.to_thread(OwnRole(house).set_password, "maitre", "half-way")
        assert await _signs_in(with_password(old, "half-way"))
        await asyncio.to_thread(OwnRole(house).set_password, "maitre", "half-way")
        await asyncio.to_thread(OwnRole(house).set_password, "litellm", "of the stack only")
        (house.state / "secrets" / ".postgres_password.next").write_text("half-way\n")
        await asyncio.to_thread(rotate, house, "postgres_password", scaffold.fresh, OwnRole(house))
        assert house.secret("postgres_password") == "half-way"
        assert not await _signs_in(old)
        told: list[tuple[str, str]] = []
        await asyncio.to_thread(parts.up, house, lambda name, event: told.append((name, event)), STORES)
        assert told == [("postgres", "kept"), ("valkey", "kept")]
        assert house.endpoint("postgres") != old
        assert await _signs_in(house.endpoint("postgres"))
        await asyncio.to_thread(rotate, house, "valkey_password", scaffold.fresh, OwnRole(house))
        assert await asyncio.to_thread(parts.up, house, only=STORES) == ("valkey",)
        assert house.secret("valkey_password") in house.endpoint("valkey")


async def test_up_finishes_what_was_broken_off_in_a_house_that_is_down() -> None:
    """Postgres knows the new password and the file the old one, and nobody runs who could be asked: it is told in its
    data folder, starts, and lets in whoever has the secret."""
    with running_stores() as house:
        await asyncio.to_thread(OwnRole(house).set_password, "maitre", "half-way")
        (house.state / "secrets" / ".postgres_password.next").write_text("half-way\n")
        await asyncio.to_thread(parts.down, house.state)
        assert await asyncio.to_thread(finish_embedded, house) == ("postgres_password",)
        await asyncio.to_thread(parts.up, house, only=STORES)
        assert house.secret("postgres_password") == "half-way"
        assert await _signs_in(house.endpoint("postgres"))
        (house.state / "secrets" / ".postgres_password.next").write_text("another\n")
        assert await asyncio.to_thread(finish_embedded, house) == ("postgres_password",)
        await asyncio.to_thread(parts.up, house, only=STORES)
        assert await _signs_in(house.endpoint("postgres"))
        await asyncio.to_thread(parts.down, house.state)
        await asyncio.to_thread(rotate_embedded, house, "postgres_password", accept_loss=False)
        await asyncio.to_thread(parts.up, house, only=STORES)
        assert await _signs_in(house.endpoint("postgres"))


# ── the commands ─────────────────────────────────────────────────────────────────────────────────────────────


def run(house: House, *words: str) -> tuple[int, str]:
    """The exit code of `cli secrets …`, and all that it says."""
    done = CliRunner().invoke(app, ["secrets", *words, "--house", str(house.directory)])
    return done.exit_code, done.output


def test_list_shows_who_reads_what_and_never_a_value(house: House) -> None:
    """Also of secrets that maitre.yaml does not name, of files that nobody reads, and of missing ones."""
    (house.state / "secrets" / "left_over").write_text("s3cret-of-nobody")
    (house.state / "secrets" / "left_over").chmod(0o644)
    (house.state / "secrets" / "stamp").unlink()
    hidden = [house.secret(name) for name in GENERATED_SECRETS if name != "stamp"] + ["s3cret-of-nobody"]
    for words in (("list",), ("list", "--json")):
        code, said = run(house, *words)
        assert code == 0
        assert not [value for value in hidden if value in said]
    rows = {row["name"]: row for row in json.loads(said)}
    assert (rows["stamp"]["where"], rows["stamp"]["mode"]) == ("missing", None)
    assert (rows["left_over"]["read_by"], rows["left_over"]["mode"]) == ([], "644")
    assert (rows["sealing_key"]["rotation"], rows["sealing_key"]["mode"]) == ("loses", "600")
    assert rows["rag_db_password"]["read_by"] == ["rag", "rag_worker"]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("metrics_key", "metrics_key: new. The house is down; what reads it finds the new value when it starts.\nGive"),
        ("dashboard_password", "Nothing in this house reads it before `cli deploy`"),
        ("langfuse_secret_key", "langfuse_secret_key and langfuse_public_key: new."),
    ],
)
def test_rotate_says_what_is_left_to_do(name: str, says: str, house: House) -> None:
    """Who must be restarted, and what only people can do; never the value."""
    code, said = run(house, "rotate", name)
    assert code == 0
    assert says in said.replace("\n\n", "\n")
    assert house.secret(name) not in said


def test_a_broken_off_rotation_is_seen(house: House) -> None:
    """In the list, for people and for machines, and among the findings of `cli doctor`, each with the command."""
    (house.state / "secrets" / ".sealing_key.next").write_text("waits\n")
    said = run(house, "list")[1].replace("\n", " ")
    command = "cli secrets rotate sealing_key --accept-loss"
    assert f"A rotation of sealing_key was broken off; run `{command}` again to finish it." in said
    assert [row["name"] for row in json.loads(run(house, "list", "--json")[1]) if row["broken_off"]] == ["sealing_key"]
    (found,) = [one for one in look(house.directory) if one.what == "rotation"]
    assert (found.ok, found.seen) == (False, "a rotation of sealing_key was broken off")
    assert command in found.remedy
    assert "waits" not in said


def test_up_says_what_it_finishes(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is started; the value that waited is the secret then."""
    (house.state / "secrets" / ".gateway_key.next").write_text("waits\n")
    started: list[str] = []
    monkeypatch.setattr("commands.up._up", lambda checked: started.append(checked.secret("gateway_key")))
    done = CliRunner().invoke(app, ["up", "--house", str(house.directory)])
    assert "A rotation of gateway_key had been broken off; it is finished." in done.output
    assert (done.exit_code, started) == (0, ["waits"])
