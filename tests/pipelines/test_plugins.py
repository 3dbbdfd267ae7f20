"""The four plugin files, loaded as the unmodified upstream server loads them."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable
from concurrent.futures import Future
from typing import Any

import pytest

from maitre import portal
from tests.loader import NAMES, PLUGINS, front_matter, load, revalved

MANIFOLDS, FILTERS = NAMES[:2], NAMES[2:]
FRAN = {"id": "u1", "email": "fran@x.io", "name": "Fran", "role": "user"}


class FakeEngine:
    """Answers as the engine does, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.menu = self.requests = self.filters = self

    def offered(self, door: str) -> list[dict[str, str]]:
        return [{"id": "one", "name": f"One of {door}"}]

    def stamped(self, body: dict[str, Any], user_id: str, model: str) -> dict[str, Any]:
        return {**body, "maitre": f"{user_id} {model}"}

    async def quota_inlet(self, body: dict[str, Any], user: object, assistant_for: str) -> dict[str, Any]:
        return {**body, "maitre": assistant_for}

    async def quota_outlet(self, body: dict[str, Any], user: object) -> dict[str, Any]:
        self.asked.append(("outlet", user))
        return body

    def trace_inlet(self, body: dict[str, Any], user: object) -> None:
        self.asked.append(("begin", user))

    async def trace_outlet(self, body: dict[str, Any], user: object) -> None:
        self.asked.append(("end", user))


class FakePortal:
    """A portal whose engine runs on the test's own loop."""

    def __init__(self) -> None:
        self.engine = FakeEngine()

    def submit(self, work: Awaitable[Any]) -> Future[Any]:
        done: Future[Any] = Future()

        async def run() -> None:
            try:
                done.set_result(await work)
            except Exception as fault:  # noqa: BLE001 - it belongs to whoever waits
                done.set_exception(fault)

        self.running = asyncio.ensure_future(run())
        return done


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What plugins do to the portal: “joined” and “left”, in order."""
    said: list[str] = []
    shared = FakePortal()

    def join() -> FakePortal:
        said.append("joined")
        return shared

    monkeypatch.setattr(portal, "join", join)
    monkeypatch.setattr(portal, "leave", lambda: said.append("left"))
    return said


@contextlib.asynccontextmanager
async def started(name: str) -> Any:
    """The plugin, started and stopped as the server does."""
    pipeline = load(name)
    await pipeline.on_startup()
    yield pipeline
    await pipeline.on_shutdown()


@pytest.mark.parametrize("name", NAMES)
def test_a_plugin_loads_by_its_path(name: str) -> None:
    """Without a place in sys.modules, twice in one process, and under the id that clients know."""
    first, second = load(name), load(name)
    assert first is not second
    assert first.id == name
    assert first.type == ("manifold" if name in MANIFOLDS else "filter")


@pytest.mark.parametrize("name", NAMES)
def test_front_matter_installs_nothing(name: str) -> None:
    """The server would run pip for requirements, and splits them at commas."""
    found = front_matter(name)
    assert "requirements" not in found
    assert {"title", "description"} <= set(found)


@pytest.mark.parametrize("name", NAMES)
def test_the_server_writes_nothing_that_git_sees(name: str) -> None:
    """Annotations stay eager, so that a module outside sys.modules can be typed by pydantic."""
    assert "from __future__" not in (PLUGINS / f"{name}.py").read_text("utf-8")


@pytest.mark.parametrize("name", MANIFOLDS)
def test_before_startup_a_manifold_offers_nothing(name: str) -> None:
    """The list is asked for on every request, from the first one on: it is empty, cheap, and opens nothing."""
    pipeline = load(name)
    for _ in range(10_000):
        assert pipeline.pipelines() == []
    assert portal._own is None


@pytest.mark.parametrize("name", FILTERS)
def test_valves_keep_their_defaults_through_an_update(name: str) -> None:
    """An update without a field returns to the class's default, which covers every model."""
    pipeline = load(name)
    defaults = pipeline.valves.model_dump()
    assert defaults["pipelines"] == ["*"]
    assert revalved(pipeline).model_dump() == defaults
    assert revalved(pipeline, **json.loads(json.dumps(defaults))) == pipeline.valves
    assert revalved(pipeline, pipelines=["gpt"]).pipelines == ["gpt"]
    assert revalved(pipeline).pipelines == ["*"]


@pytest.mark.parametrize("name", FILTERS)
def test_valves_hold_no_secret(name: str) -> None:
    """Valves can be read without a key."""
    assert set(load(name).valves.model_dump()) <= {"pipelines", "priority", "assistant_for"}


def test_the_quota_filter_comes_before_the_tracing_filter() -> None:
    """What is refused is not traced as if it had been served."""
    quota, tracing = (load(name).valves.priority for name in FILTERS)
    assert quota < tracing


@pytest.mark.parametrize("name", NAMES)
async def test_every_plugin_joins_once_and_leaves_once(name: str, opened: list[str]) -> None:
    """The portal counts its plugins, so each must say both."""
    async with started(name):
        assert opened == ["joined"]
    assert opened == ["joined", "left"]


@pytest.mark.parametrize("name", MANIFOLDS)
async def test_a_manifold_offers_what_the_engine_has_and_stamps(name: str, opened: list[str]) -> None:
    """Models come from memory; the inlet signs for the user whom Open WebUI names, not for the body's."""
    async with started(name) as pipeline:
        assert pipeline.pipelines() == [{"id": "one", "name": f"One of {name}"}]
        body = {"model": f"{name}.one", "user": {"id": "forged"}}
        assert await pipeline.inlet(body, FRAN) == {**body, "maitre": f"u1 {name}.one"}
    assert pipeline.pipelines() == []


@pytest.mark.parametrize("name", MANIFOLDS)
def test_a_pipe_hands_the_turn_over_under_its_public_name(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server cuts the manifold's id off; the engine knows models by their whole name."""
    pipeline = load(name)
    served: list[Any] = []
    monkeypatch.setitem(pipeline.pipe.__func__.__globals__, "serve", lambda *words: served.append(words))
    pipeline.pipe("Hi", "gpt-4.1", [], {"stream": True})
    assert served == [(f"{name}.gpt-4.1", {"stream": True})]


async def test_the_quota_filter_asks_the_engine_and_changes_nothing_after(opened: list[str]) -> None:
    """The inlet passes on what the valves say; the outlet returns the very body."""
    async with started("quota_filter") as pipeline:
        pipeline.valves = revalved(pipeline, assistant_for="gpt=coach")
        assert await pipeline.inlet({"model": "gpt"}, FRAN) == {"model": "gpt", "maitre": "gpt=coach"}
        body: dict[str, Any] = {"messages": []}
        assert await pipeline.outlet(body, FRAN) is body
        assert pipeline.portal.engine.asked == [("outlet", FRAN)]


async def test_the_tracing_filter_only_looks(opened: list[str]) -> None:
    """Both bodies pass unchanged."""
    async with started("tracing_filter") as pipeline:
        body: dict[str, Any] = {"messages": []}
        assert await pipeline.inlet(body, FRAN) is body
        assert await pipeline.outlet(body, FRAN) is body
        assert pipeline.portal.engine.asked == [("begin", FRAN), ("end", FRAN)]
