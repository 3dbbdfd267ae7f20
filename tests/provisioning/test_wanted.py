"""What a house wants of Open WebUI."""

from __future__ import annotations

from pathlib import Path

from devstack import scaffold
from provisioning.resources import models, settings
from provisioning.resources.connection import Connection, connection_of
from provisioning.wanted import Wanted, wanted_of
from tests.provisioning.house import GENERAL, HOUSE, PLANNER, make_house


def wanted(folder: Path, yaml: str = HOUSE, **assistants: str) -> Wanted:
    return wanted_of(make_house(folder, yaml, **assistants), Connection("http://pipes", "key"), {}, None)


def row(everything: Wanted, id: str) -> models.WantedModel:
    (found,) = (model for model in everything.models if model.id == id)
    return found


def test_a_row_is_read_by_the_plans_that_may_use_it(tmp_path: Path) -> None:
    """An assistant without plans is for every plan, one with plans for those, a plain model for plans that list it."""
    everything = wanted(tmp_path)

    assert row(everything, "assistants.general").readers == ("plan:free", "plan:pro")
    assert row(everything, "assistants.planner").readers == ("plan:pro",)
    assert row(everything, "models.small").readers == ("plan:pro",)


def test_a_disabled_assistant_is_inactive_and_for_nobody(tmp_path: Path) -> None:
    """Its row stays, so that enabling it again keeps picture and parameters."""
    off = row(
        wanted(tmp_path, general=GENERAL, old=PLANNER.replace("plans: [pro]", "enabled: false")), "assistants.old"
    )

    assert (off.active, off.readers) == (False, ())


def test_the_refused_model_is_hidden_and_for_everybody(tmp_path: Path) -> None:
    """A refused request is sent to it, so whoever was refused must be able to read it, and nobody sees it."""
    refused = row(wanted(tmp_path), "assistants.refused")

    assert (refused.hidden, refused.readers) == (True, ("*",))


def test_built_in_tools_need_an_assistant_and_a_model_with_tools(tmp_path: Path) -> None:
    """Open WebUI adds about twenty tools to a request; a model that cannot use them must not get them."""
    yaml = HOUSE.replace("models: {small: {name: Small, tools: false}}", "models: {small: {tools: false}, big: {}}")
    armed = GENERAL.replace("model: small", "model: small\ntools: true")
    everything = wanted(tmp_path, yaml, a=armed, b=armed.replace("model: small", "model: big"), c=GENERAL)

    tools = {id: row(everything, f"assistants.{id}").capabilities["builtin_tools"] for id in "abc"}
    assert tools == {"a": False, "b": True, "c": False}


def test_an_alias_is_a_model_like_any_other(tmp_path: Path) -> None:
    """It has a row, its readers and, if all its models have them, tools; what only stands behind it has no row."""
    yaml = HOUSE.replace("models: {small: {name: Small, tools: false}}", "models: {small: {tools: false}, big: {}}")
    yaml = yaml.replace("models: [small]", "models: [best]") + "models: {best: {name: Best, use: [big, small]}}\n"
    everything = wanted(tmp_path, yaml, a=GENERAL.replace("model: small", "model: best\ntools: true"))

    best = row(everything, "models.best")
    assert (best.name, best.readers, best.tools) == ("Best", ("plan:pro",), False)
    assert [model.id for model in everything.models] == ["assistants.a", "models.best", "assistants.refused"]


def test_a_name_is_one_printable_line(tmp_path: Path) -> None:
    """A name is shown without the spaces around and within it that nobody meant."""
    odd = GENERAL.replace("name: General", 'name: " General   two "')

    assert row(wanted(tmp_path, odd=odd), "assistants.odd").name == "General two"


def test_the_default_model_is_one_that_every_plan_may_talk_to(tmp_path: Path) -> None:
    """Neither an assistant of some plans, nor one-shot, nor JSON, nor a disabled one."""
    shot = GENERAL.replace("model: small", "model: small\ntype: one-shot")
    json = GENERAL.replace("model: small", "model: small\njson_answer: true")
    off = GENERAL.replace("model: small", "model: small\nenabled: false")

    everything = wanted(tmp_path, a=PLANNER, b=shot, c=json, d=off, e=GENERAL)
    assert everything.settings["models"] == {"DEFAULT_MODELS": "assistants.e"}
    assert wanted(tmp_path, a=PLANNER).settings["models"] == {}


def test_a_newcomer_gets_the_group_of_the_default_plan(tmp_path: Path) -> None:
    """With a default plan Open WebUI puts newcomers into its group; without one we leave the setting alone."""
    assert wanted(tmp_path).settings["admin"]["DEFAULT_GROUP_ID"] == settings.GroupId("plan:free")
    assert "DEFAULT_GROUP_ID" not in wanted(tmp_path, HOUSE.replace("default_plan: free", "")).settings["admin"]


def test_the_connection_is_the_one_that_the_house_chose(tmp_path: Path) -> None:
    """To the Pipelines server with its key, or to the gateway's API with the gateway's and the header for tasks."""
    scaffold.make_secrets(tmp_path)
    pipes = make_house(tmp_path)
    assert connection_of(pipes, "http://h:1/") == Connection("http://h:1", pipes.secret("pipelines_key"))
    gate = make_house(tmp_path, HOUSE + "open_webui: {connection: gateway}\n")
    assert connection_of(gate, "http://h:2") == Connection("http://h:2/v1", gate.secret("gateway_key"), gateway=True)
    assert connection_of(gate, "http://h:2").headers == {
        "X-Maitre-Groups": "{{USER_GROUPS}}",
        "X-Maitre-Task": "{{TASK}}",
    }


def test_secrets_are_not_printed(tmp_path: Path) -> None:
    """The key of the Pipelines server and passwords are in no repr."""
    everything = wanted_of(make_house(tmp_path), Connection("http://pipes", "k3y"), {"fran@x.io": "pa55"}, None)

    assert "k3y" not in repr(everything)
    assert "pa55" not in repr(everything)
