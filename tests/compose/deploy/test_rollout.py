"""A rollout on an engine that is a table: whatever goes wrong and whenever, one version serves, whole and alone."""

from __future__ import annotations

import re
from threading import Event
from typing import Any

import pytest

from compose.deploy.engine import StepFailed
from compose.deploy.rollout import BESIDE_DRAIN, BesideRollout
from compose.deploy.steps import Compose
from tests.compose.scripted_engine import ScriptedEngine

DRAIN = 300
LAST = DRAIN + BESIDE_DRAIN


def rollout(engine: ScriptedEngine, **more: Any) -> BesideRollout:
    """One on this engine and its Traefik."""
    compose = Compose(("docker", "compose"), "maitre", "compose.yaml")
    return BesideRollout(engine, engine, compose, DRAIN, lambda _: None, engine.now, engine.pause, **more)


@pytest.mark.parametrize(("old", "new"), [(1, 1), (2, 2), (1, 3), (3, 1)])
def test_the_new_ones_serve_and_the_old_ones_are_gone(old: int, new: int) -> None:
    """Every old one gets its whole time for what it has begun, and is told only when requests go to the new ones."""
    engine = ScriptedEngine(old)
    rollout(engine).roll("gateway", new, 60)
    assert engine.serving == "new"
    assert len(engine.told) == new
    ends = sorted(call for call in engine.calls if call.startswith("stop"))
    assert ends == [f"stop old{number} {LAST}" for number in range(1, old + 1)]
    assert engine.calls.index("send") < min(engine.calls.index(call) for call in ends)
    assert engine.sent == engine.told


FAULTS = {
    "compose fails": ({"state": "missing"}, "Compose failed"),
    "the gate: unhealthy": ({"health": "unhealthy"}, "name-new2 did not become healthy: it is unhealthy.\n  its last"),
    "the gate: it stops": ({"state": "exited"}, "name-new2 did not become healthy: it has stopped"),
    "the gate: it is never ready": ({"health": "starting"}, "name-new2 did not become healthy: it is starting"),
    "Traefik takes up nothing": ({"deaf": True}, "Traefik has not taken up within 30 seconds"),
    "it dies under real requests": ({"dies": True}, "name-new2 did not stay healthy: it has stopped"),
}


@pytest.mark.parametrize(("fault", "sentence"), FAULTS.values(), ids=FAULTS.keys())
def test_a_version_that_fails_leaves_the_old_one_as_it_was(fault: dict[str, Any], sentence: str) -> None:
    """The old one was never told to end; the sentence says what is wrong, with the last lines of the log."""
    engine = ScriptedEngine(**fault)
    with pytest.raises(StepFailed, match=sentence):
        rollout(engine).roll("gateway", 1, 60)
    assert engine.serving == "old"
    assert engine.sent == {"name-old1"}
    assert not [call for call in engine.calls if call.startswith("stop old")]


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (
            {"mute": True, "dies": True},
            "name-new2 did not stay healthy: it has stopped.*On the way back: Traefik has not",
        ),
        ({"mute": True, "deaf": True}, "Traefik has not taken up within 30 seconds that gateway is name-new2"),
    ],
)
def test_a_switch_back_that_fails_leaves_no_new_ones(fault: dict[str, Any], sentence: str) -> None:
    """The old ones are what is written down, and the new ones are gone, whatever Traefik has read."""
    engine = ScriptedEngine(**fault)
    with pytest.raises(StepFailed, match=re.compile(sentence, re.DOTALL)):
        rollout(engine).roll("gateway", 1, 60)
    assert engine.serving == "old"


def test_before_the_switch_a_failed_version_is_not_waited_for() -> None:
    """Nobody has sent it anything, so it has nothing to end."""
    engine = ScriptedEngine(health="unhealthy")
    with pytest.raises(StepFailed):
        rollout(engine).roll("gateway", 1, 60)
    assert "send" not in engine.calls
    assert not [call for call in engine.calls if call.startswith("stop")]


def test_after_the_switch_a_version_that_goes_back_ends_its_streams() -> None:
    """The one of several that is well has guests by then."""
    engine = ScriptedEngine(deaf=True)
    with pytest.raises(StepFailed):
        rollout(engine).roll("gateway", 2, 60)
    ends = sorted(call for call in engine.calls if call.startswith("stop"))
    assert ends == [f"stop new2 {LAST}", f"stop new3 {LAST}"]


def _length() -> int:
    engine = ScriptedEngine(2)
    rollout(engine).roll("gateway", 2, 60)
    return len(engine.calls)


@pytest.mark.parametrize("early", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("number", range(1, _length() + 1))
def test_ctrl_c_at_any_moment_leaves_one_version(number: int, early: bool) -> None:
    """Before or after what a call does: until the old ones drain it leads back to them, then on to the new ones. They
    are all there, alone, and Traefik knows them."""
    engine = ScriptedEngine(2, breaks=number, early=early)
    with pytest.raises(KeyboardInterrupt):
        rollout(engine).roll("gateway", 2, 60)
    assert engine.serving == ("new" if any(call.startswith("stop old") for call in engine.calls) else "old")


def test_an_operator_who_breaks_off_before_the_drain_has_the_old_version() -> None:
    """`stop` is asked while the new ones become healthy and while they are watched; later it leads forward."""
    for after in range(1, 30):
        engine, asked = ScriptedEngine(), 0

        def stop(after: int = after) -> bool:
            nonlocal asked
            asked += 1
            return asked == after

        try:
            rollout(engine, stop=stop).roll("gateway", 1, 60)
        except KeyboardInterrupt:
            assert engine.serving == "old"
        else:
            assert (engine.serving, asked <= after) == ("new", True)


def test_an_operator_who_breaks_off_during_the_drain_cuts_it_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """The old ones hear a second SIGTERM, and the rollout is done: the new ones serve."""
    engine, draining, cut = ScriptedEngine(), Event(), Event()
    ended = engine.stop

    def drains(id: str, seconds: int) -> None:
        if seconds == LAST:
            draining.set()
            assert cut.wait(60)
        else:
            ended(id, seconds)
            cut.set()

    monkeypatch.setattr(engine, "stop", drains)
    rollout(engine, stop=draining.is_set).roll("gateway", 1, 60)
    assert [call for call in engine.calls if call.startswith("stop")] == [f"stop old1 {BESIDE_DRAIN}"]
    assert engine.serving == "new"


def test_what_an_earlier_deploy_left_lying_is_removed() -> None:
    """A container that has stopped serves nobody, and Compose would only start it again."""
    engine = ScriptedEngine(2)
    engine.stop("old2", 0)
    rollout(engine).roll("gateway", 1, 60)
    assert engine.serving == "new"
    assert "remove old2" in engine.calls[: engine.calls.index("run")]
