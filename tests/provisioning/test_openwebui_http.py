"""The client of Open WebUI: every answer that is not the expected one is one clear sentence."""

from __future__ import annotations

import pytest
import requests

from maitre.errors import HouseError
from provisioning.openwebui_http import OpenWebUI, OpenWebUIError
from tests.provisioning.open_webui import PASSWORD, URL, FakeOpenWebUI


@pytest.fixture
def fake() -> FakeOpenWebUI:
    return FakeOpenWebUI([])


def test_a_web_page_is_not_an_answer(fake: FakeOpenWebUI) -> None:
    """An unknown path answers the web page with 200; that is an error."""
    web = OpenWebUI(URL, fake.session())
    web.sign_in("admin@x.io", PASSWORD)

    with pytest.raises(OpenWebUIError, match="/api/v1/nothing did not answer JSON"):
        web.get("/api/v1/nothing")


def test_a_wrong_password_says_where_the_right_one_belongs(fake: FakeOpenWebUI) -> None:
    """The operator reads whose password is wrong and which file holds it, and never the password."""
    with pytest.raises(HouseError, match=r"password of admin@x\.io.*logins\.json") as refused:
        OpenWebUI(URL, fake.session()).sign_in("admin@x.io", "hunter2")

    assert "hunter2" not in str(refused.value)


def test_only_an_administrator_can_seed(fake: FakeOpenWebUI) -> None:
    """Signing in as an ordinary user is refused at once, not at the first change."""
    fake.add_user("fran@x.io", "user")

    with pytest.raises(HouseError, match=r"fran@x\.io is not an administrator"):
        OpenWebUI(URL, fake.session()).sign_in("fran@x.io", PASSWORD)


def test_an_open_webui_without_users_says_how_to_begin(fake: FakeOpenWebUI) -> None:
    """Before the first administrator exists, the sentence says how to make one."""
    fake.users.clear()

    with pytest.raises(HouseError, match="no administrator yet"):
        OpenWebUI(URL, fake.session()).sign_in("admin@x.io", PASSWORD)


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [(requests.ConnectionError("x"), "cannot be reached"), (requests.ReadTimeout("x"), "does not answer in time")],
)
def test_a_silent_open_webui_is_one_sentence(fault: Exception, sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No connection and no answer are told apart, each with the address."""
    session = requests.Session()

    def fail(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr(session, "request", fail)

    with pytest.raises(OpenWebUIError, match=sentence) as down:
        OpenWebUI(URL, session).get("/api/config")

    assert URL in str(down.value)
    assert down.value.status == 0
