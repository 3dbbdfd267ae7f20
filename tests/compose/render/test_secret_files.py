"""The services' copies of their secrets: which there are, and the files themselves."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import bcrypt
import pytest

from compose.render.secret_copy import Copy, Form
from compose.render.secret_files import remove_others, value_of, write_copies
from compose.render.secrets import copies, names, readers
from compose.stack.consumers import consumers
from maitre.errors import HouseError
from maitre.settings import House
from provisioning.derived import verifies
from provisioning.logins import administrator_of, passwords_of
from provisioning.secret_uses import USES
from tests.compose.house import copy_house, render_house

ME = os.geteuid()


@dataclass(frozen=True, slots=True)
class Service:
    """What of a service tells which secrets it reads."""

    secrets: tuple[str, ...] = ()
    secret_env: Mapping[str, str] = field(default_factory=dict)
    user: str | None = f"{ME}:{ME}"


SERVICES = {
    "gateway": Service(("openai", "stamp", "postgres_password"), user="10001:10001"),
    "open_webui": Service(secret_env={"A": "x{secret.stamp}", "B": "{secret.open_webui_db_password_url}"}, user=None),
    "postgres": Service(("postgres_superuser_password",), user="999:999"),
    "traefik": Service(("traefik_users",), user="65532"),
    "valkey": Service(user="999:999"),
}


def marks(folder: Path) -> dict[str, tuple[int, str]]:
    """Every file: which one it is, and what it holds."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {str(file.relative_to(folder)): (file.stat().st_ino, file.read_text()) for file in files}


def test_each_service_has_what_it_reads_and_nothing_more() -> None:
    """Files, what variables are made of, and what Postgres keeps of its roles' passwords."""
    found = copies(SERVICES, consumers(()))
    assert {path: (copy.source, copy.form, copy.owner) for path, copy in found.items()} == {
        "gateway/openai": ("openai", "plain", 10001),
        "gateway/postgres_password": ("postgres_password", "plain", 10001),
        "gateway/stamp": ("stamp", "plain", 10001),
        "open_webui/open_webui_db_password_url": ("open_webui_db_password", "url", 0),
        "open_webui/stamp": ("stamp", "plain", 0),
        "postgres/postgres_superuser_password": ("postgres_superuser_password", "plain", 999),
        "postgres/roles/maitre": ("postgres_password", "scram", 999),
        "postgres/roles/open_webui": ("open_webui_db_password", "scram", 999),
        "postgres/roles/postgres": ("postgres_superuser_password", "scram", 999),
        "postgres/roles/rag": ("rag_db_password", "scram", 999),
        "traefik/traefik_users": ("dashboard_password", "users", 65532),
        "valkey/roles/default": ("valkey_password", "plain", 999),
    }
    assert names(SERVICES["open_webui"]) == ("open_webui_db_password_url", "stamp")


def test_a_changed_password_of_a_role_does_not_restart_a_store() -> None:
    """Who is started anew is who has the secret itself, in whatever form."""
    found = readers(copies(SERVICES, consumers(())))
    assert found["postgres_password"] == ("gateway",)
    assert found["open_webui_db_password"] == ("open_webui",)
    assert found["rag_db_password"] == ()
    assert found["valkey_password"] == ()
    assert found["stamp"] == ("gateway", "open_webui")
    assert found["dashboard_password"] == ("traefik",)


@pytest.mark.parametrize("name", ["small", "gpu"])
def test_the_table_of_secrets_names_those_who_read_them(name: str, tmp_path: Path) -> None:
    """No service of a rendered stack reads a generated secret that the table does not give it."""
    stack = render_house(copy_house(name, tmp_path / "house"))
    lasting = {name: one for name, one in stack.services.items() if not one.job}
    found = readers(copies(lasting, consumers(stack.stack.profiles)))
    assert {
        one: services for one, services in found.items() if one in USES and not {*services} <= {*USES[one].parts}
    } == {}
    assert set(found) - set(USES) <= {"cloud", "crm", "cloudflare", "tls_certificate", "tls_key"}


VALUES = {"plain": "a b", "word": "p/@ß", "db": "s3cret", "door": "open sesame"}


def wanted(**forms: Form) -> dict[str, Copy]:
    """Copies of mine by their path, `/` written as two underscores."""
    sources = {"plain": "plain", "url": "word", "scram": "db", "users": "door"}
    return {name.replace("__", "/"): Copy(sources[form], form, ME) for name, form in forms.items()}


ALL = wanted(a__plain="plain", b__word_url="url", b__roles__r="scram", c__users="users")


def test_copies_are_private_and_in_their_form(tmp_path: Path) -> None:
    """Mode 400 in a closed folder, through which nobody else passes."""
    home = tmp_path / "secrets"
    done = write_copies(home, ALL, VALUES.__getitem__)
    assert done == tuple(ALL)
    assert {stat.S_IMODE((home / path).stat().st_mode) for path in ALL} == {0o400}
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert (home / "a/plain").read_text() == "a b\n"
    assert (home / "b/word_url").read_text() == "p%2F%40%C3%9F\n"
    assert verifies((home / "b/roles/r").read_text().strip(), "s3cret")
    user, _, hashed = (home / "c/users").read_text().strip().partition(":")
    assert user == "admin"
    assert hashed.startswith("$2y$04$")
    assert bcrypt.checkpw(b"open sesame", hashed.encode())


def test_writing_twice_changes_nothing(tmp_path: Path) -> None:
    """Forms with a salt of their own stay too, so nothing is restarted."""
    write_copies(tmp_path, ALL, VALUES.__getitem__)
    before = marks(tmp_path)
    assert write_copies(tmp_path, ALL, VALUES.__getitem__) == ()
    assert marks(tmp_path) == before


@pytest.mark.parametrize("path", sorted(ALL))
def test_a_new_value_changes_its_own_copies_only(path: str, tmp_path: Path) -> None:
    """Whoever reads another secret is not disturbed."""
    write_copies(tmp_path, ALL, VALUES.__getitem__)
    before = marks(tmp_path)
    fresh = {**VALUES, ALL[path].source: "another"}
    assert write_copies(tmp_path, ALL, fresh.__getitem__) == (path,)
    after = marks(tmp_path)
    assert {one for one in ALL if after[one] != before[one]} == {path}


@pytest.mark.parametrize("spoil", ["mode", "link", "garbage"])
@pytest.mark.parametrize("path", sorted(ALL))
def test_a_spoilt_copy_is_mended(path: str, spoil: str, tmp_path: Path) -> None:
    """A copy that others may read, a link to elsewhere, or one that is not of this value is written anew."""
    write_copies(tmp_path / "s", ALL, VALUES.__getitem__)
    file, elsewhere = tmp_path / "s" / path, tmp_path / "elsewhere"
    elsewhere.write_text("left alone")
    file.chmod(0o644)
    if spoil == "link":
        file.unlink()
        file.symlink_to(elsewhere)
    elif spoil == "garbage":
        file.write_bytes(b"\xff\x00")
        file.chmod(0o400)
    assert write_copies(tmp_path / "s", ALL, VALUES.__getitem__) == (path,)
    assert not file.is_symlink()
    assert stat.S_IMODE(file.stat().st_mode) == 0o400
    assert elsewhere.read_text() == "left alone"
    assert write_copies(tmp_path / "s", ALL, VALUES.__getitem__) == ()


def test_what_nobody_reads_any_more_is_removed(tmp_path: Path) -> None:
    """Writing leaves it; what is removed then is a gone service's secret, and half of a write that was broken off."""
    write_copies(tmp_path, ALL, VALUES.__getitem__)
    (tmp_path / "a" / ".plain.new").write_text("half")
    left = {path: copy for path, copy in ALL.items() if not path.startswith("b/")}
    assert write_copies(tmp_path, left, VALUES.__getitem__) == ()
    assert remove_others(tmp_path, left) == ("a/.plain.new", "b/roles/r", "b/word_url")
    assert sorted(str(one.relative_to(tmp_path)) for one in tmp_path.rglob("*")) == ["a", "a/plain", "c", "c/users"]


def test_a_missing_source_leaves_everything_as_it_was(tmp_path: Path) -> None:
    """All sources are read first."""
    write_copies(tmp_path, ALL, VALUES.__getitem__)
    before = marks(tmp_path)

    def value(name: str) -> str:
        if name == "word":
            raise HouseError("The secret “word” is missing.")
        return "new"

    with pytest.raises(HouseError, match="“word” is missing"):
        write_copies(tmp_path, ALL, value)
    assert marks(tmp_path) == before


@pytest.mark.parametrize(("source", "value"), [("db", "pässword"), ("door", "x" * 73)])
def test_a_password_that_cannot_be_is_one_sentence(source: str, value: str, tmp_path: Path) -> None:
    """What Postgres or bcrypt does not take is named with its secret, and nothing is written."""
    with pytest.raises(HouseError, match=f"The secret “{source}” cannot be used for"):
        write_copies(tmp_path / "s", ALL, {**VALUES, source: value}.__getitem__)
    assert not (tmp_path / "s").exists()


def test_only_root_gives_files_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An ordinary user reads one sentence, and nothing is written."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(HouseError, match="run it with sudo"):
        write_copies(tmp_path / "s", {"a/plain": Copy("plain", "plain", 10001)}, VALUES.__getitem__)
    assert not (tmp_path / "s").exists()


@pytest.mark.skipif(ME != 0, reason="only root gives files to others")
def test_each_copy_belongs_to_its_service(tmp_path: Path) -> None:
    """The owner is the service's user; a changed user changes the copy."""
    for owner in (10001, 999):
        done = write_copies(tmp_path, {"a/plain": Copy("plain", "plain", owner)}, VALUES.__getitem__)
        assert done == ("a/plain",)
        assert (tmp_path / "a/plain").stat().st_uid == owner


def test_a_house_gives_its_services_their_secrets(house: House, tmp_path: Path) -> None:
    """From the house's own secrets; whoever is no longer there loses its copy."""
    services = {name: Service(one.secrets, one.secret_env) for name, one in SERVICES.items()}
    (house.state / "secrets" / "openai").write_text("sk-1")
    (house.state / "secrets" / "openai").chmod(0o600)

    def write(profiles: tuple[str, ...]) -> tuple[str, ...]:
        wanted = copies(services, consumers(profiles))
        return write_copies(tmp_path / "s", wanted, partial(value_of, house)) + remove_others(tmp_path / "s", wanted)

    assert "postgres/roles/litellm" in write(("litellm",))
    assert (tmp_path / "s/gateway/openai").read_text() == "sk-1\n"
    assert verifies((tmp_path / "s/postgres/roles/rag").read_text().strip(), house.secret("rag_db_password"))
    assert write(()) == ("postgres/roles/litellm",)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_source_that_others_may_read_is_refused(mode: int, house: House) -> None:
    """The sentence names the command that closes it; the folder counts as well."""
    file = house.state / "secrets" / "stamp"
    assert value_of(house, "stamp") == file.read_text().strip()
    file.chmod(mode)
    with pytest.raises(HouseError, match=f"chmod go= {file}"):
        value_of(house, "stamp")
    file.chmod(0o600)
    file.parent.chmod(0o755)
    with pytest.raises(HouseError, match=f"chmod go= {file.parent}"):
        value_of(house, "stamp")


def test_where_a_services_secret_comes_from(house: House) -> None:
    """The administrator's password is the one that signs in; a missing secret's sentence says who makes it."""
    assert value_of(house, "webui_admin_password") == administrator_of(house, passwords_of(house))[1]
    (house.state / "secrets" / "stamp").unlink()
    with pytest.raises(HouseError, match="`cli init --house .*` generates it"):
        value_of(house, "stamp")
    with pytest.raises(HouseError, match=r"“tls_key” is missing: put it into .*/secrets/tls_key \(mode 600\)"):
        value_of(house, "tls_key")


def test_demo_users_sign_in_to_a_stack_with_the_passwords_that_are_shown(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`cli seed` in its container, which sees no .maitre of the host, knows the same passwords as `cli status`; a house
    without demo users has none to tell."""
    shown = passwords_of(house)
    mounted = tmp_path / "run"
    mounted.mkdir()
    (mounted / "logins").write_text(value_of(house, "logins"))
    (house.state / "logins.json").unlink()
    assert value_of(house, "logins") == "[]"
    monkeypatch.setenv("MAITRE_SECRETS_DIR", str(mounted))
    assert shown
    assert passwords_of(house) == shown


def test_passwords_that_others_may_read_are_refused(house: House) -> None:
    """Those of demo users as well."""
    (house.state / "logins.json").chmod(0o644)
    with pytest.raises(HouseError, match="chmod go= .*logins.json"):
        value_of(house, "logins")
