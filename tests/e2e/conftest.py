"""One running house for the end-to-end suite, on the real parts, with a scripted upstream beside the real model.

Every test runs twice: Open WebUI is connected to the Pipelines server, then to the gateway. It is the same house, with
the same guests and chats, in which one setting was changed. `by("pipelines")` keeps a test to one way.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from commands.init import init
from devstack.house import down, up
from devstack.places import open_webui_python
from maitre.settings import load_house
from provisioning.seed import seed
from tests.e2e.inn import Guest, Inn
from tests.upstream import ScriptedUpstream, running_upstream

#: The two parts that Open WebUI can be connected to.
WAYS = ("pipelines", "gateway")

ROOT = Path(__file__).parent.parent.parent

#: Assistants and plans of the tests' own, on the scripted upstream.
ASSISTANTS: dict[str, tuple[dict[str, Any], str]] = {
    "scripted": (
        {"name": "Scripted", "model": "scripted", "overrides": ["max_tokens", "temperature"]},
        "You are read from a script.",
    ),
    "scripted-tools": ({"name": "Scripted tools", "model": "scripted", "tools": True}, "You use tools."),
    "scripted-once": ({"name": "Scripted once", "model": "scripted", "type": "one-shot"}, "You hear one message."),
    "scripted-json": (
        {
            "name": "Scripted JSON",
            "model": "scripted",
            "json_answer": True,
            "json_schema": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
        },
        "You answer in JSON.",
    ),
    "scripted-queued": ({"name": "Scripted queued", "model": "queued"}, "You are read from a script, one by one."),
    "scripted-knowing": (
        {
            "name": "Scripted knowing",
            "model": "scripted",
            "knowledge": {"collections": ["recipes", "vault"], "deadline_seconds": 60},  # on a busy machine, too
        },
        "You read.",
    ),
    "scripted-minding": (
        {
            "name": "Scripted minding",
            "model": "scripted",
            "memory": {"load": 2, "relevant": 1, "summary": True, "summary_tokens": 100},
        },
        "You remember.",
    ),
    "scripted-off": ({"name": "Scripted off", "model": "scripted", "enabled": False}, "You are switched off."),
}
PLANS: dict[str, dict[str, Any]] = {
    "wide": {"name": "Wide", "price": 0, "max_answer_tokens": 4000, "models": ["scripted", "smollm2", "queued"]},
    "narrow": {"name": "Narrow", "price": 0, "tokens_per_day": 2000, "max_answer_tokens": 20, "models": ["scripted"]},
}


@pytest.fixture(scope="package")
def upstream() -> Iterator[ScriptedUpstream]:
    """The scripted upstream of the house; its log is of the whole suite."""
    with running_upstream() as started:
        yield started


class Home:
    """The house's folder, and the inn that stands in it once it is up."""

    def __init__(self, folder: Path, upstream_url: str) -> None:
        self.folder = folder
        folder.chmod(0o755)
        write_house(folder, upstream_url)
        init(house=folder)
        self.inn: Inn | None = None

    def become(self, way: str) -> Inn:
        """The inn, connected this way: one setting changed, then `cli up` and `cli seed`."""
        if self.inn is None or self.inn.house.webui.connection != way:
            file = self.folder / "maitre.yaml"
            told = yaml.safe_load(file.read_text("utf-8"))
            told["open_webui"]["connection"] = way
            file.write_text(yaml.safe_dump(told, allow_unicode=True), "utf-8")
            house = load_house(self.folder)
            up(house)
            seed(house)
            self.inn = Inn(house)
        return self.inn


@pytest.fixture(scope="package")
def home(tmp_path_factory: pytest.TempPathFactory, upstream: ScriptedUpstream) -> Iterator[Home]:
    """The house; down until it becomes something. Skipped by name where Open WebUI is not installed."""
    if not open_webui_python().exists():
        pytest.skip("Open WebUI is not installed; `make install` installs it")
    home = Home(tmp_path_factory.mktemp("house"), upstream.url)
    try:
        yield home
        if home.inn is not None:
            _compare_the_books(home.inn, upstream)
    finally:
        down(home.folder / ".maitre")


@pytest.fixture(scope="package", params=WAYS)
def running_house(home: Home, request: pytest.FixtureRequest) -> Inn:
    """The house, up and seeded, connected one way and then the other."""
    return home.become(request.param)


@pytest.fixture(autouse=True)
def _stays_connected(request: pytest.FixtureRequest) -> None:
    """The house is connected as the test expects, whatever the test before did."""
    if "running_house" in request.fixturenames:
        inn, home = request.getfixturevalue("running_house"), request.getfixturevalue("home")
        home.become(inn.house.webui.connection)


def _compare_the_books(inn: Inn, upstream: ScriptedUpstream) -> None:
    """After everything that the suite did: every call of the upstream is one row, and every row one call, unless the
    guest stopped it before it was sent."""
    until = time.monotonic() + 30
    ours = {"scripted", "narrow"}
    while [row for row in inn.all_rows() if row["status"] == "open" and row["provider"] in ours]:
        assert time.monotonic() < until, "a row stayed open"
        time.sleep(0.2)
    found = [row for row in inn.all_rows() if row["provider"] in ours]
    rows = {row["request_id"]: row for row in found}
    calls = [call.request_id for call in upstream.calls]
    assert (len(calls), len(found)) == (len(set(calls)), len(rows))
    assert set(calls) - {*rows} == set()
    unsent = [row for name, row in rows.items() if name not in calls]
    assert [row for row in unsent if (row["status"], row["completion_tokens"]) != ("stopped", 0)] == []


def write_house(folder: Path, upstream_url: str) -> None:
    """The example house, with the tests' plans and assistants besides."""
    for name in ("assistants", "knowledge"):
        shutil.copytree(ROOT / "config" / name, folder / name)
    example = yaml.safe_load((ROOT / "config" / "maitre.yaml").read_text("utf-8"))
    example["providers"]["scripted"] = {
        "kind": "openai",
        "base_url": f"{upstream_url}/v1",
        "models": {"scripted": {"name": "Scripted model"}},
    }
    # The same upstream once more, behind a line with a single seat.
    example["providers"]["narrow"] = {
        "kind": "openai",
        "base_url": f"{upstream_url}/v1",
        "max_concurrent": 1,
        "models": {"queued": {"name": "Queued model", "upstream": "scripted"}},
    }
    example["prices"]["models"]["scripted"] = {"input": "1", "output": "2"}
    example["plans"] |= PLANS
    example["knowledge"] |= {"recipes": {"language": "english", "readers": {"everyone": True}}, "vault": {}}
    example["open_webui"] |= dict.fromkeys(("title_generation", "follow_up_generation", "tags_generation"), True)
    (folder / "maitre.yaml").write_text(yaml.safe_dump(example, allow_unicode=True), "utf-8")
    for slug, (front, prompt) in ASSISTANTS.items():
        text = f"---\n{yaml.safe_dump(front, allow_unicode=True)}---\n{prompt}\n"
        (folder / "assistants" / f"{slug}.md").write_text(text, "utf-8")


@pytest.fixture
def guest(running_house: Inn) -> Callable[..., Guest]:
    """Makes a fresh guest with a plan: `guest("free")`."""
    return running_house.new_guest
