"""How a house stands to the recommendations, as a table of houses and answers."""

from __future__ import annotations

import json
import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_args

import pytest

from compose.host.known import recommendations
from compose.host.production import CHECKS, Advice, Known, State, evaluate, in_bytes
from compose.host.sizing import Needs
from compose.stack.catalogue import read_services
from compose.stack.settings import Ollama, Stack
from tests.compose.machines import GOOD

NEEDS = Needs(cores=4, memory=8, disk=40, models=3)
SERVICES = {name: one for name, one in read_services("small").items() if one.profile is None}
KNOWN = Known(
    stack=Stack(),
    machine=GOOD,
    needs=NEEDS,
    models=("llama3.2:1b",),
    services=SERVICES,
    ollama_calls=(2,),
    traced=True,
)
SLOW = replace(NEEDS, slow=("llama3.1:8b",))
TRAEFIK = SERVICES["traefik"]
DONE, NOT, NONE = "done", "not done", "does not apply"

#: Which check, what is changed of a good house, how it stands, a word of what is seen or of the remedy.
CASES: list[tuple[str, dict[str, Any], str, str]] = [
    ("secrets", {}, DONE, "600"),
    ("secrets", {"missing_secrets": ("stamp",)}, NOT, "stamp"),
    ("secrets", {"open_secrets": ("stamp",)}, NOT, "chmod"),
    ("unique_secrets", {}, DONE, ""),
    ("unique_secrets", {"same_secrets": ("a", "b")}, NOT, "a, b"),
    ("store_passwords", {}, DONE, ""),
    ("store_passwords", {"missing_secrets": ("valkey_password",)}, NOT, "valkey_password"),
    ("dashboard", {}, DONE, "basic_auth"),
    ("dashboard", {"stack": Stack(access={"dashboard": "allowlist"})}, DONE, "allowlist"),
    ("dashboard", {"stack": Stack(access={"dashboard": "public"})}, NOT, "default"),
    ("models_private", {}, DONE, ""),
    ("models_private", {"services": {"ollama": replace(SERVICES["gateway"], name="ollama")}}, NOT, "ollama"),
    ("health", {}, DONE, "services"),
    ("health", {"services": {"traefik": replace(TRAEFIK, health=None)}}, NOT, "traefik"),
    ("ollama_instances", {}, NONE, "stack.ollama.instances"),
    ("ollama_instances", {"stack": Stack(ollama=Ollama(instances=3))}, DONE, "3"),
    ("ollama_parallel", {}, DONE, "2"),
    ("ollama_parallel", {"ollama_calls": ()}, NONE, ""),
    ("ollama_parallel", {"ollama_calls": (2, None)}, NOT, "max_concurrent"),
    ("model_memory", {}, DONE, "8 GB"),
    ("model_memory", {"needs": replace(NEEDS, memory=20)}, NOT, "20"),
    ("model_memory", {"needs": replace(NEEDS, unknown=("phantom",))}, DONE, "phantom"),
    ("model_memory", {"models": ()}, NONE, "elsewhere"),
    ("model_memory", {"stack": Stack(ollama=Ollama(gpu=True))}, NONE, "GPU"),
    ("models", {}, DONE, "llama3.2:1b"),
    ("models", {"needs": SLOW}, NOT, "llama3.1:8b"),
    ("models", {"needs": SLOW, "stack": Stack(ollama=Ollama(gpu=True))}, DONE, ""),
    ("models", {"models": ()}, NONE, ""),
    ("huge_pages", {}, DONE, "0 reserved"),
    ("huge_pages", {"machine": replace(GOOD, huge_pages=9, huge_free=9)}, NOT, "nr_hugepages=0"),
    ("swap", {}, DONE, "off"),
    ("swap", {"machine": replace(GOOD, swap=1_000_000_000)}, NOT, "swapoff"),
    ("postgres", {}, DONE, "shared_buffers="),
    ("memory", {"machine": replace(GOOD, memory=1_000_000_000)}, NOT, "stack.services"),
    ("memory", {"machine": replace(GOOD, memory=64_000_000_000)}, DONE, "64 GB"),
    ("cloudflare", {}, NONE, "stack.cloudflare"),
    ("cloudflare", {"stack": Stack(cloudflare=True)}, DONE, "docs/install.md"),
    ("tracing", {}, DONE, "elsewhere"),
    ("tracing", {"stack": Stack(profiles=("langfuse",))}, DONE, "langfuse"),
    ("tracing", {"traced": False}, NOT, "stack.profiles"),
]


@pytest.mark.parametrize(("check", "change", "state", "word"), CASES)
def test_a_check(check: str, change: dict[str, Any], state: str, word: str) -> None:
    """A look at this house has one answer, and what is not done has a remedy."""
    found, seen, remedy = CHECKS[check](replace(KNOWN, **change))
    assert found == state
    assert word in f"{seen} {remedy}"
    assert seen
    assert remedy or found != NOT


def test_every_check_has_its_cases() -> None:
    """No look is left out of the table above."""
    assert {case[0] for case in CASES} == set(CHECKS)


def test_every_recommendation_is_answered() -> None:
    """Each is told once, in its order; what a later issue brings is not done, what is not needed does not apply."""
    rows = recommendations()
    advice = list(evaluate(rows, KNOWN))
    assert [one.id for one in advice] == [row.id for row in rows]
    for row, one in zip(rows, advice, strict=True):
        assert one.seen
        assert row.answer != "later" or one.state == "not done"
        assert row.answer != "without" or one.state == "does not apply"


@pytest.mark.parametrize(
    ("amount", "bytes_"), [("512m", 1 << 29), ("1.5g", 3 << 29), ("64k", 1 << 16), ("2gb", 1 << 31), ("7", 7)]
)
def test_amounts(amount: str, bytes_: int) -> None:
    """Amounts are read as Compose reads them."""
    assert in_bytes(amount) == bytes_


def test_the_form_that_cli_md_shows() -> None:
    """The JSON of `cli doctor --production` has the documented fields, and each state is named."""
    page = (Path(__file__).parents[3] / "docs" / "cli.md").read_text("utf-8")
    found = re.search(r"<!-- form: doctor --production -->\n```json\n(.*?)```\n\n(.*)", page, re.DOTALL)
    assert found
    shown = json.loads(found[1])["recommendations"]
    assert {tuple(one) for one in shown} == {tuple(one.name for one in fields(Advice))}
    assert all(f"`{state}`" in found[2] for state in get_args(State))
