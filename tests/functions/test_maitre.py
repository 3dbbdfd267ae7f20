"""The Function that stamps turns inside Open WebUI, loaded as Open WebUI loads it: from its text."""

from __future__ import annotations

import types
from dataclasses import replace
from typing import Any

import pytest

from maitre.chat import inlet
from maitre.chat.stamp import KEY, LIFETIME, verify
from provisioning.resources.functions import SOURCE

SECRET = "the house's"
USER = {"id": "u1", "email": "fran@x.io", "name": "Fran", "role": "user"}
METADATA: dict[str, Any] = {
    "chat_id": "c1",
    "message_id": "m1",
    "session_id": "s1",
    "variables": {"{{USER_LANGUAGE}}": "uk-UA", "{{CURRENT_TIMEZONE}}": "Europe/Kyiv"},
    "model": {"id": "assistants.coach", "info": {"base_model_id": None}},
}
BODY = {"model": "assistants.coach", "messages": []}


@pytest.fixture
def module() -> types.ModuleType:
    """The Function's module, which is in no `sys.modules`."""
    made = types.ModuleType("function_maitre")
    exec(compile(SOURCE.read_text("utf-8"), "maitre.py", "exec"), made.__dict__)
    return made


@pytest.fixture
def function(module: types.ModuleType) -> Any:
    """The filter, with the house's secret in its valves."""
    made = module.Filter()
    made.valves = module.Filter.Valves(secret=SECRET)
    return made


def stamped(function: Any, metadata: dict[str, Any], **body: Any) -> dict[str, Any]:
    """The body after the inlet."""
    after: dict[str, Any] = function.inlet({**BODY, **body}, __user__=dict(USER), __metadata__=metadata)
    return after


@pytest.mark.parametrize(
    "metadata",
    [
        METADATA,
        {**METADATA, "session_id": None, "chat_id": "", "variables": None},
        {**METADATA, "task": "title_generation"},
        {},
        {**METADATA, "chat_id": "c\0\ud800\x07" + "x" * 300},
    ],
    ids=["browser", "api", "task", "nothing", "odd"],
)
def test_the_stamp_is_the_one_that_our_inlets_sign(function: Any, metadata: dict[str, Any]) -> None:
    """The gateway verifies it, and reads in it what the Pipelines inlet would have written of the same turn."""
    told = stamped(function, metadata)[KEY]
    now = 0.0
    found = verify(told, SECRET, user_id="u1", model="assistants.coach", now=now)
    assert found is not None
    body = {**BODY, "metadata": metadata}
    ours = inlet.stamp_of(body, user_id="u1", model="assistants.coach", turn_id=found.turn_id, now=now)
    assert replace(found, expires=ours.expires) == ours
    assert len(found.turn_id) == 32


def test_the_stamp_lives_as_long_as_ours(module: types.ModuleType) -> None:
    """What the Function repeats of our own files is the same there."""
    assert (module.KEY, module.LIFETIME, module.OURS) == (KEY, LIFETIME, inlet.OURS)


def test_a_workspace_model_is_stamped_for_the_model_beneath(function: Any) -> None:
    """The gateway is asked for the base model, and believes a stamp for that one only."""
    mine = {**METADATA, "model": {"id": "mine", "info": {"base_model_id": "assistants.coach"}}}
    told = stamped(function, mine, model="mine")[KEY]
    assert verify(told, SECRET, user_id="u1", model="assistants.coach", now=0.0)


@pytest.mark.parametrize(
    ("metadata", "model"),
    [
        (METADATA, "gpt-plain"),
        ({**METADATA, "direct": True}, "assistants.coach"),
        ({**METADATA, "model": {"direct": True}}, "assistants.coach"),
    ],
    ids=["foreign", "direct", "direct-model"],
)
def test_no_one_elses_model_sees_a_stamp(function: Any, metadata: dict[str, Any], model: str) -> None:
    """Neither an operator's other connection nor a guest's own; and a forged one is taken out of the body."""
    assert KEY not in stamped(function, metadata, model=model, **{KEY: "forged"})


def test_without_a_secret_nothing_is_stamped(module: types.ModuleType) -> None:
    """A Function that somebody installed by hand signs nothing, and still removes what a client put in."""
    assert KEY not in stamped(module.Filter(), METADATA, **{KEY: "forged"})


def test_the_file_stands_alone_and_is_short() -> None:
    """Open WebUI keeps it as text in its database, and rewrites imports that look like its own old ones."""
    text = SOURCE.read_text("utf-8")
    assert len(text.splitlines()) < 100
    assert "import maitre" not in text
    assert "from maitre" not in text
    assert not [old for old in ("from utils", "from apps", "from main", "from config") if old in text]
