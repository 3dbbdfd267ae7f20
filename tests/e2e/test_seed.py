"""`cli seed` on a running house: the real Open WebUI, Pipelines server and Postgres."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from maitre.settings import House, User
from provisioning.change import Change
from provisioning.seed import seed
from tests.e2e.inn import Guest, Inn

pytestmark = pytest.mark.e2e


class WebUI:
    """Open WebUI as its administrator uses it, by hand."""

    def __init__(self, inn: Inn) -> None:
        self._inn = inn

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._inn.call(method, path, json=body)
        answer.raise_for_status()
        return answer.json()

    def get(self, path: str) -> Any:
        return self.ask("GET", path)

    def post(self, path: str, body: Any) -> Any:
        return self.ask("POST", path, body)


def work(changes: list[Change]) -> list[Change]:
    return [change for change in changes if change.action != "skip"]


def visible(inn: Inn, guest: Guest) -> set[str]:
    """The models that the browser of this guest offers."""
    models = inn.call("GET", "/api/models", guest).json()["data"]
    return {model["id"] for model in models if not model["info"]["meta"].get("hidden")}


@pytest.fixture
def webui(running_house: Inn) -> Iterator[WebUI]:
    """The administrator's hands; before and afterwards the house is as its files say."""
    seed(running_house.house)
    yield WebUI(running_house)
    seed(running_house.house)


def test_a_seeded_house_needs_nothing(running_house: Inn, webui: WebUI) -> None:
    """Twice is once, on the real parts."""
    assert work(seed(running_house.house)) == []


def test_each_guest_is_offered_exactly_what_their_plan_allows(running_house: Inn, webui: WebUI) -> None:
    """The models that Open WebUI lists for a user are the assistants open to their plan and its plain models."""
    house = running_house.house
    for user in (user for user in house.users if user.demo and user.plan and user.role != "admin"):
        allowed = {f"assistants.{slug}" for slug, one in house.assistants.items() if one.open_to(str(user.plan))}
        allowed |= {f"models.{id}" for id in house.plans[str(user.plan)].models}

        assert allowed == visible(running_house, running_house.login(user.email))


def test_what_an_administrator_undid_is_planned_then_mended(running_house: Inn, webui: WebUI) -> None:
    """A dry run tells what the run then does, and leaves everything as the administrator left it."""
    permissions = "/api/v1/users/default/permissions"
    undone = webui.get(permissions)
    undone["chat"]["file_upload"] = not undone["chat"]["file_upload"]
    webui.post(permissions, undone)
    row = webui.get("/api/v1/models/model?id=assistants.general")
    webui.post("/api/v1/models/model/update", {**row, "name": "Renamed"})
    webui.post("/api/v1/models/model/access/update", {"id": row["id"], "access_grants": []})

    planned = seed(running_house.house, dry_run=True)
    assert webui.get(permissions)["chat"] == undone["chat"]
    assert [change.key for change in work(planned)] == ["assistants.general", "permissions"]

    assert seed(running_house.house) == planned
    assert webui.get(permissions)["chat"]["file_upload"] is not undone["chat"]["file_upload"]
    mended = webui.get("/api/v1/models/model?id=assistants.general")
    assert mended["name"] == row["name"]
    assert {grant["principal_id"] for grant in mended["access_grants"]} == {
        grant["principal_id"] for grant in row["access_grants"]
    }


def test_what_others_made_stays(running_house: Inn, webui: WebUI) -> None:
    """A foreign group, its grant on an assistant, a workspace model and a connection survive a run that mends."""
    group = webui.post("/api/v1/groups/create", {"name": "Theirs", "description": ""})
    row = webui.get("/api/v1/models/model?id=assistants.general")
    grant = {"principal_type": "group", "principal_id": group["id"], "permission": "read"}
    grants = {"id": row["id"], "access_grants": [*row["access_grants"], grant]}
    webui.post("/api/v1/models/model/access/update", grants)
    webui.post("/api/v1/models/model/update", {**row, "name": "Renamed", "params": {"custom": 1}})
    webui.post(
        "/api/v1/models/create",
        {"id": "theirs", "base_model_id": "assistants.general", "name": "T", "meta": {}, "params": {}},
    )
    before = webui.get("/openai/config")
    theirs = {
        **before,
        "OPENAI_API_BASE_URLS": ["http://127.0.0.1:9/v1", *before["OPENAI_API_BASE_URLS"]],
        "OPENAI_API_KEYS": ["theirs", *before["OPENAI_API_KEYS"]],
        "OPENAI_API_CONFIGS": {"0": {"enable": False}},
    }
    webui.post("/openai/config/update", theirs)
    try:
        assert {change.resource for change in work(seed(running_house.house))} == {"connection", "models"}

        after = webui.get("/api/v1/models/model?id=assistants.general")
        assert (after["name"], after["params"]) == (row["name"], {"custom": 1})
        assert group["id"] in {one["principal_id"] for one in after["access_grants"]}
        assert group["id"] in {one["id"] for one in webui.get("/api/v1/groups/")}
        assert webui.get("/api/v1/models/model?id=theirs")["name"] == "T"
        config = webui.get("/openai/config")
        assert config["OPENAI_API_BASE_URLS"] == theirs["OPENAI_API_BASE_URLS"]
        assert config["OPENAI_API_CONFIGS"]["0"] == {"enable": False}
    finally:
        webui.post("/openai/config/update", before)
        webui.post("/api/v1/models/model/delete", {"id": "theirs"})
        webui.post("/api/v1/models/model/update", {**row, "params": {}})
        webui.ask("DELETE", f"/api/v1/groups/id/{group['id']}/delete")


def test_a_change_in_the_files_reaches_the_guests(running_house: Inn, webui: WebUI) -> None:
    """An assistant that went is no longer offered, a new one is, and both are undone by seeding the old files."""
    house = running_house.house
    guest = running_house.login(_guest(house).email)
    poet = replace(house.assistants["general"], slug="poet", name="Poet", prompt="Rhyme.")
    others = {slug: one for slug, one in house.assistants.items() if slug != "sports-coach"}
    before = visible(running_house, guest)

    seed(replace(house, assistants={**others, "poet": poet}))
    assert visible(running_house, guest) == before - {"assistants.sports-coach"} | {"assistants.poet"}

    seed(house)
    assert visible(running_house, guest) == before


def test_a_plan_that_changed_moves_the_guest_to_its_group(running_house: Inn, webui: WebUI) -> None:
    """Maitre's database decides the plan; Open WebUI's groups, and with them the models, follow."""
    house = running_house.house
    guest = _guest(house)
    users = tuple(replace(user, plan="business") if user == guest else user for user in house.users)

    seed(replace(house, users=users))

    assert "assistants.business-planner" in visible(running_house, running_house.login(guest.email))


def _guest(house: House) -> User:
    return next(user for user in house.users if user.plan == "free" and user.demo)
