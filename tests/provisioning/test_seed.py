"""Seeding from end to end, on an Open WebUI and books in memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from devstack import scaffold
from maitre.errors import HouseError
from maitre.settings import load_house
from provisioning.change import Change
from provisioning.openwebui_http import OpenWebUI
from provisioning.resources.connection import Connection
from provisioning.resources.settings import file_embeddings
from provisioning.seed import provision
from provisioning.wanted import wanted_of
from tests.provisioning.house import GENERAL, HOUSE, SERVED, MemoryBooks, make_house, on_a_loop
from tests.provisioning.open_webui import GATEWAY, PASSWORD, PIPELINES, URL, FakeOpenWebUI
from tests.provisioning.rag_service import FakeRagService

ON_GATEWAY = HOUSE + "open_webui: {connection: gateway}\n"
KNOWING = HOUSE.replace("small: {name: Small, tools: false}", "small: {}, vectors: {embedding: true}") + (
    "rag: {embedding: vectors}\n"
)


class Scene:
    """A house's folder, an Open WebUI and books; `seed` does what the command does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.webui = FakeOpenWebUI(list(SERVED))
        self.rag = FakeRagService()
        self.books = MemoryBooks()
        self.heard: list[str] = []

    def seed(self, yaml: str = HOUSE, dry_run: bool = False, **assistants: str) -> list[Change]:
        house = make_house(self.folder, yaml, **assistants)
        scaffold.make_secrets(self.folder)
        asked = Connection(*GATEWAY, gateway=True) if yaml == ON_GATEWAY else Connection(*PIPELINES)
        web = OpenWebUI(URL, self.webui.session())
        web.sign_in("admin@x.io", PASSWORD)
        passwords = {"admin@x.io": PASSWORD, "fran@x.io": "secret of fran"}
        files = file_embeddings(house, "http://gate:9100")
        wanted = wanted_of(house, asked, passwords, files)
        with on_a_loop(self.books) as books:
            rag = self.rag.client() if wanted.collections else None
            return provision(wanted, web, books, rag, dry_run=dry_run, progress=self.heard.append, patience=0)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def work(changes: list[Change]) -> list[Change]:
    return [change for change in changes if change.action != "skip"]


def test_the_files_of_a_house_with_knowledge_are_embedded_by_the_gateway(scene: Scene) -> None:
    """Open WebUI searches in its own files by the house's metered embedder; its key is never printed. Without
    knowledge it searches in none, and nobody gives it any."""
    changes = work(scene.seed(KNOWING))
    embedding = scene.webui.documents["/api/v1/retrieval/embedding"]
    key = load_house(scene.folder).secret("gateway_key")
    assert embedding["openai_config"] == {"url": "http://gate:9100/v1", "key": key}
    assert embedding["RAG_EMBEDDING_MODEL"] == "vectors"
    assert embedding["RAG_EMBEDDING_BATCH_SIZE"] > 1
    assert embedding["ENABLE_ASYNC_EMBEDDING"] is False
    capabilities = scene.webui.rows["assistants.general"]["meta"]["capabilities"]
    assert (capabilities["file_upload"], capabilities["file_context"]) == (True, True)
    retrieval = scene.webui.documents["/api/v1/retrieval/config"]
    assert retrieval == {"BYPASS_EMBEDDING_AND_RETRIEVAL": False, "TOP_K": 3}
    assert scene.webui.documents["/api/v1/users/default/permissions"]["chat"]["file_upload"] is True
    assert not [change for change in changes if key in change.sentence]
    assert work(scene.seed(KNOWING)) == []

    scene.seed()
    assert scene.webui.documents["/api/v1/retrieval/config"]["BYPASS_EMBEDDING_AND_RETRIEVAL"] is True
    assert scene.webui.documents["/api/v1/users/default/permissions"]["chat"]["file_upload"] is False


def test_twice_is_once(scene: Scene) -> None:
    """The second run finds nothing to do and writes nothing."""
    assert work(scene.seed())
    scene.webui.asked.clear()

    assert work(scene.seed()) == []
    assert scene.webui.written == []


def test_a_dry_run_changes_nothing_and_tells_what_the_run_does(scene: Scene) -> None:
    """`--dry-run` writes to neither side, and its sentences are those of the run that follows."""
    planned = scene.seed(dry_run=True)

    assert scene.webui.written == []
    assert not scene.books.migrated
    assert scene.books.empty
    assert planned == scene.seed()
    assert scene.heard == [change.sentence for change in work(planned)]


def test_the_house_stands_on_both_sides(scene: Scene) -> None:
    """Plans, accounts, groups, rows, settings and valves are as the files say."""
    scene.seed()

    assert scene.books.plan("fran@x.io") == "free"
    assert scene.webui.group("Plan: Free") == {"fran@x.io"}
    assert scene.webui.group("Plan: Pro") == {"admin@x.io"}
    assert scene.webui.group("coaches") == {"fran@x.io"}
    assert set(scene.webui.rows) == set(SERVED)
    assert scene.webui.rows["assistants.general"]["meta"]["capabilities"]["usage"] is True
    assert scene.webui.documents["/api/v1/users/default/permissions"]["chat"] == {
        "file_upload": False, "web_upload": False, "stt": False, "tts": False, "call": False, "valves": False,
        "edit": True,
    }  # fmt: skip
    assert scene.webui.valves == {"quota_filter": {"pipelines": ["*"], "priority": 7}}
    assert scene.webui.documents["/openai/config"]["OPENAI_API_BASE_URLS"] == ["http://theirs/v1", "http://pipes:9099"]


def test_a_house_without_pipelines_has_a_function_instead_of_valves(scene: Scene) -> None:
    """Open WebUI is connected to the gateway; the Function signs with the house's secret and is on for every model."""
    changes = scene.seed(ON_GATEWAY)

    (function,) = scene.webui.functions.values()
    secret = (scene.folder / ".maitre" / "secrets" / "stamp").read_text().strip()
    assert (function["valves"], function["is_active"], function["is_global"]) == ({"secret": secret}, True, True)
    assert not [change for change in changes if change.resource == "valves"]
    assert secret not in repr(changes)
    document = scene.webui.documents["/openai/config"]
    assert document["OPENAI_API_BASE_URLS"] == ["http://theirs/v1", "http://gate:9100/v1"]
    assert document["OPENAI_API_CONFIGS"]["1"]["headers"] == {
        "X-Maitre-Groups": "{{USER_GROUPS}}",
        "X-Maitre-Task": "{{TASK}}",
    }
    assert work(scene.seed(ON_GATEWAY)) == []


@pytest.mark.parametrize("undone", [{"is_active": False}, {"valves": {}}, {"content": "x"}, {"is_global": False}])
def test_the_function_is_mended(scene: Scene, undone: dict[str, object]) -> None:
    """Whatever an administrator did to it, one run makes it right and the next has nothing to do."""
    scene.seed(ON_GATEWAY)
    scene.webui.functions["maitre"].update(undone)

    assert [change.resource for change in work(scene.seed(ON_GATEWAY))] == ["functions"]
    assert work(scene.seed(ON_GATEWAY)) == []


def test_from_one_way_to_the_other_and_back(scene: Scene) -> None:
    """The same connection leads elsewhere; models stay, and the Function goes with the secret in its valves."""
    scene.seed()
    theirs = {"headers": {"X-Theirs": "1"}}
    scene.webui.documents["/openai/config"]["OPENAI_API_CONFIGS"]["1"].update(theirs)

    there = work(scene.seed(ON_GATEWAY))
    assert [change.resource for change in there] == ["functions", "connection"]
    back = work(scene.seed())
    assert {change.resource for change in back} == {"functions", "connection", "valves"}

    assert scene.webui.functions == {}
    document = scene.webui.documents["/openai/config"]
    headers = {**theirs["headers"], "X-Maitre-Groups": "{{USER_GROUPS}}"}
    assert document["OPENAI_API_BASE_URLS"] == ["http://theirs/v1", "http://pipes:9099"]
    assert document["OPENAI_API_CONFIGS"]["1"] == {"enable": True, "maitre": True, "headers": headers}


def test_a_newcomer_leaves_the_default_group_for_their_plan(scene: Scene) -> None:
    """Open WebUI puts a new user into the default plan's group; after one run they are in their own plan's only."""
    scene.seed()
    scene.seed(HOUSE + "  - {email: fran2@x.io, name: F, plan: pro, demo: true}\n")
    scene.webui.add_user("nina@x.io", "pending")

    scene.seed()

    assert scene.webui.group("Plan: Pro") == {"admin@x.io", "nina@x.io"}
    assert scene.webui.group("Plan: Free") == {"fran@x.io"}
    assert scene.books.plan("nina@x.io") == "pro"


def test_a_guest_whom_the_files_do_not_name_is_in_the_group_of_their_plan(scene: Scene) -> None:
    """Who signed up alone is on the default plan, so that they see its assistants."""
    scene.webui.add_user("guest@x.io", "user")

    scene.seed()

    assert scene.webui.group("Plan: Free") == {"fran@x.io", "guest@x.io"}


def test_what_vanished_from_the_files_goes_and_what_others_made_stays(scene: Scene) -> None:
    """A vanished assistant loses its row and is disabled in the database; foreign rows and groups are untouched."""
    scene.seed()
    scene.webui.rows["theirs"] = {"id": "theirs", "name": "T", "meta": {}, "access_grants": []}
    scene.webui.groups["g-theirs"] = {"id": "g-theirs", "name": "theirs", "description": "", "data": None}

    scene.seed(HOUSE.replace("groups: {coaches: Trainers}", "").replace(", groups: [coaches]", ""), general=GENERAL)

    assert set(scene.webui.rows) == {"assistants.general", "assistants.refused", "models.small", "theirs"}
    assert scene.books.personas["planner"].enabled is False
    assert {group["name"] for group in scene.webui.groups.values()} == {"Plan: Free", "Plan: Pro", "theirs"}


def test_an_assistant_that_a_plan_lost_is_hidden_from_it(scene: Scene) -> None:
    """Grants follow the files, although Open WebUI's update of a row leaves grants alone."""
    scene.seed()

    scene.seed(general=GENERAL.replace("model: small", "model: small\nplans: [pro]"), planner=GENERAL)

    (grant,) = scene.webui.rows["assistants.general"]["access_grants"]
    assert scene.webui.groups[grant["principal_id"]]["name"] == "Plan: Pro"


def test_a_failed_change_is_named_and_the_next_run_completes_it(scene: Scene) -> None:
    """The error says which change failed and why; what was done before stays, the rest follows in the next run."""
    scene.webui.broken = "/api/v1/models/create"

    with pytest.raises(HouseError) as failed:
        scene.seed()

    assert "Make the model row assistants.general" in str(failed.value)
    assert "out of paper" in str(failed.value)
    scene.webui.broken = None
    again = work(scene.seed())
    assert {change.resource for change in again} == {"models", "settings", "valves"}
    assert work(scene.seed()) == []


def test_a_model_that_open_webui_does_not_list_is_an_error(scene: Scene) -> None:
    """A row without a served model would be a dead entry, so seeding ends with a sentence that names it."""
    scene.webui.served.remove("assistants.planner")

    with pytest.raises(HouseError, match=r"does not list assistants\.planner.*http://pipes:9099"):
        scene.seed()
