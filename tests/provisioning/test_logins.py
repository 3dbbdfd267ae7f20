"""Where the passwords come from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from maitre.errors import HouseError
from provisioning.logins import administrator_of, passwords_of, signed_in
from provisioning.openwebui_http import OpenWebUI
from tests.provisioning.house import HOUSE, make_house
from tests.provisioning.open_webui import PASSWORD, URL, FakeOpenWebUI


def write(folder: Path, name: str, text: str) -> None:
    file = folder / ".maitre" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_only_demo_users_have_passwords(tmp_path: Path) -> None:
    """A password in the file of somebody who is not a demo user is not used."""
    logins = [{"email": email, "password": "p"} for email in ("fran@x.io", "nina@x.io", "gone@x.io")]
    write(tmp_path, "logins.json", json.dumps(logins))

    assert passwords_of(make_house(tmp_path)) == {"fran@x.io": "p"}


def test_an_administrator_who_is_no_demo_user_signs_in_with_the_secret(tmp_path: Path) -> None:
    """The first admin of maitre.yaml is used; their password is the secret webui_admin_password."""
    write(tmp_path, "secrets/webui_admin_password", "s3cret\n")
    house = make_house(tmp_path, HOUSE.replace("plan: pro, demo: true", "plan: pro"))

    assert administrator_of(house, passwords_of(house)) == ("admin@x.io", "s3cret")


def test_a_house_without_an_administrator_says_so(tmp_path: Path) -> None:
    """Nobody to sign in as is one sentence."""
    house = make_house(tmp_path, HOUSE.replace("role: admin, ", ""))

    with pytest.raises(HouseError, match="names no user with the role admin"):
        administrator_of(house, {})


def test_a_spoilt_file_of_logins_is_one_sentence(tmp_path: Path) -> None:
    """Broken JSON names the file and what writes it anew."""
    write(tmp_path, "logins.json", "{")

    with pytest.raises(HouseError, match="cannot be read.*cli init"):
        passwords_of(make_house(tmp_path))


def test_a_token_is_kept_privately_and_used_while_it_holds(tmp_path: Path) -> None:
    """The second run signs in with the kept token; a token that no longer holds is replaced."""
    house, webui = make_house(tmp_path), FakeOpenWebUI([])
    file = tmp_path / ".maitre" / "open-webui-token"
    write(tmp_path, "logins.json", json.dumps([{"email": "admin@x.io", "password": PASSWORD}]))

    def sign_ins() -> int:
        signed_in(house, OpenWebUI(URL, webui.session()), passwords_of(house))
        return webui.asked.count(("POST", "/api/v1/auths/signin"))

    assert (sign_ins(), sign_ins()) == (1, 1)
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_text("stale")
    assert (sign_ins(), sign_ins()) == (2, 2)
