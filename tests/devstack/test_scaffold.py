"""`cli init`: made where missing, never changed."""

from __future__ import annotations

import json
from pathlib import Path

from devstack import scaffold
from maitre.settings import GENERATED_SECRETS, load_house

from .conftest import make_house


def contents(directory: Path) -> dict[str, bytes]:
    """Every file below, with its bytes."""
    return {str(file): file.read_bytes() for file in directory.rglob("*") if file.is_file()}


def test_a_new_house_is_whole(tmp_path: Path) -> None:
    """The example's files, every secret, a password for every demo user; all of it private."""
    house = make_house(tmp_path / "house")
    assert house.assistants
    assert all(len(house.secret(name)) >= 32 for name in GENERATED_SECRETS)
    assert house.secret("langfuse_public_key").startswith("pk-lf-")
    logins = json.loads((house.state / "logins.json").read_text())
    assert [login["email"] for login in logins] == [user.email for user in house.users if user.demo]
    assert all(set(login) == {"email", "password", "plan"} for login in logins)
    assert (house.state / "logins.json").stat().st_mode & 0o777 == 0o600
    assert (house.state / "secrets").stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in (house.state / "secrets").iterdir()} == {0o600}


def test_a_second_init_changes_nothing(tmp_path: Path) -> None:
    """Twice is once: no secret is made anew, no file is written over."""
    house = make_house(tmp_path)
    before = contents(tmp_path)
    assert scaffold.copy_example(tmp_path) == []
    assert scaffold.make_secrets(tmp_path) == []
    assert scaffold.make_logins(house) == []
    assert contents(tmp_path) == before


def test_an_own_house_is_not_filled_with_examples(tmp_path: Path) -> None:
    """An operator who removed the example's assistants does not get them back."""
    make_house(tmp_path)
    for file in (tmp_path / "assistants").iterdir():
        file.unlink()
    assert scaffold.copy_example(tmp_path) == []
    assert list((tmp_path / "assistants").iterdir()) == []


def test_what_is_missing_alone_is_made(tmp_path: Path) -> None:
    """A lost secret and a new demo user are filled in; the rest stays."""
    house = make_house(tmp_path)
    (house.state / "secrets" / "stamp").unlink()
    file = tmp_path / "maitre.yaml"
    file.write_text(file.read_text() + "  - { email: new@maitre.example, name: New, plan: free, demo: true }\n")
    before = (house.state / "logins.json").read_text()
    assert scaffold.make_secrets(tmp_path) == ["stamp"]
    assert scaffold.make_logins(load_house(tmp_path)) == ["new@maitre.example"]
    after = json.loads((house.state / "logins.json").read_text())
    assert after[:-1] == json.loads(before)


def test_an_older_house_gets_what_a_new_version_needs(tmp_path: Path) -> None:
    """`cli up` makes the secrets that came later where they are missing, and no other: a lost password of a store is
    not mended by a new one."""
    house = make_house(tmp_path)
    for name in (*scaffold.NEW_SECRETS, "postgres_password"):
        (house.state / "secrets" / name).unlink()
    assert scaffold.add_new_secrets(house) == list(scaffold.NEW_SECRETS)
    assert {len(house.secret(name)) >= 32 for name in scaffold.NEW_SECRETS} == {True}
    assert scaffold.add_new_secrets(house) == []
    assert not (house.state / "secrets" / "postgres_password").exists()
