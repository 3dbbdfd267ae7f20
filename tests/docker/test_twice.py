"""A deploy brings what runs to what the files say: twice is once, a change touches only those who read it, and a
rollback takes it back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.docker.deployed import Deployed

Settings = dict[str, Any]
Births = dict[str, tuple[str, str]]

ASSISTANT = "assistants/general.md"
SENTENCE = "Mention the soup of the day."


def births(house: Deployed) -> Births:
    """Each container's service, with its id and when its process started."""
    return {
        one["Config"]["Labels"]["com.docker.compose.service"]: (one["Id"], one["State"]["StartedAt"])
        for one in house.containers().values()
    }


def renewed(before: Births, after: Births) -> set[str]:
    """The services of which a container is another one, or has started again."""
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def deploy(house: Deployed) -> tuple[dict[str, str], set[str]]:
    """Deploy: what the plan said of each service that is not kept, and which services are renewed."""
    before = births(house)
    told = house.asked("deploy", "--yes")
    planned = {one["service"]: one["kind"] for one in told["changes"] if one["kind"] != "keep"}
    return planned, renewed(before, births(house))


@pytest.fixture
def as_before(house: Deployed) -> Iterator[None]:
    """Afterwards the house is what it was, deployed."""
    files = {name: (house.folder / name).read_text("utf-8") for name in ("maitre.yaml", ASSISTANT)}
    yield
    for name, text in files.items():
        (house.folder / name).write_text(text, "utf-8")
    house.deploy()


def test_twice_is_once(house: Deployed) -> None:
    """The second deploy has nothing to do, says so, and every container is the same one, started when it was."""
    before = births(house)
    assert "Nothing to do" in house.deploy()
    assert deploy(house) == ({}, set())
    assert births(house) == before


@pytest.mark.usefixtures("as_before")
def test_a_change_touches_only_who_reads_it(house: Deployed) -> None:
    """An assistant's text restarts nothing, a limit of Valkey's only Valkey, a plan only who serves by it; each is in
    force then. Taken back all at once, they renew the same ones, and nothing is left to do."""
    file = house.folder / ASSISTANT
    file.write_text(f"{file.read_text('utf-8')}\n{SENTENCE}\n", "utf-8")
    assert deploy(house) == ({"seed": "run"}, set())
    assert (
        house.psql(f"select count(*) from assistants where slug = 'general' and spec::text like '%{SENTENCE}%'") == "1"
    )

    def limit(told: Settings) -> None:
        told["stack"]["services"]["valkey"] = {"memory": "384m"}

    house.change(limit)
    assert deploy(house) == ({"valkey": "change"}, {"valkey"})
    (valkey,) = house.of("valkey")
    assert house.containers()[valkey]["HostConfig"]["Memory"] == 384 * 1024**2

    def plan(told: Settings) -> None:
        told["plans"]["free"]["requests_per_minute"] = 7

    house.change(plan)
    planned, touched = deploy(house)
    assert planned == {"gateway": "restart", "pipelines": "restart", "migrate": "run", "seed": "run"}
    assert touched == {"gateway", "pipelines"}
    assert "7" in house.psql("select spec::text from plans where slug = 'free'")

    def back(told: Settings) -> None:
        told["plans"]["free"]["requests_per_minute"] = 5
        del told["stack"]["services"]["valkey"]

    house.change(back)
    planned, touched = deploy(house)
    assert planned.keys() == {"gateway", "pipelines", "valkey", "migrate", "seed"}
    assert touched == {"gateway", "pipelines", "valkey"}
    assert deploy(house) == ({}, set())


TITLE = "select spec ->> 'name' from plans where slug = 'free'"
PLANS = "select count(*) from plans where slug = 'extra'"


@pytest.mark.usefixtures("as_before")
def test_a_rollback_takes_back_what_seed_wrote(house: Deployed) -> None:
    """A plan's name, and a plan that is new, in Maitre's database and in Open WebUI; the dry run says so before, and a
    second rollback is forward again."""
    old = house.psql(TITLE)
    current = house.asked("deploy", "--dry-run")["release"]

    def change(told: Settings) -> None:
        told["plans"]["free"]["name"] = "Gratis"
        told["plans"]["extra"] = {**told["plans"]["free"], "name": "Extra"}

    house.change(change)
    deploy(house)
    assert (house.psql(TITLE), house.psql(PLANS)) == ("Gratis", "1")

    told = house.asked("rollback", "--dry-run")
    assert told["to"] == current
    assert [one["service"] for one in told["changes"] if one["kind"] == "run"] == ["seed"]
    assert [one["name"] for one in told["steps"] if one["kind"] == "job"] == ["run seed"]
    said = house.cli("rollback", "--yes").stdout
    assert f"Back to release {current}" in said
    assert (house.psql(TITLE), house.psql(PLANS)) == (old, "0")
    left = house.asked("seed", "--dry-run")["changes"]  # as the release that runs has it
    assert [one for one in left if one["action"] != "skip"] == []

    assert house.cli("rollback", "--yes").returncode == 0
    assert (house.psql(TITLE), house.psql(PLANS)) == ("Gratis", "1")
