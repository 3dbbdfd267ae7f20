"""The difference of what should run and what runs, and the words for it."""

from __future__ import annotations

from typing import Any

import pytest

from compose.deploy.plan import differences, plan
from compose.deploy.wanted import Wanted, wanted
from compose.running import Container, Running
from tests.compose import small

BEFORE: dict[str, Any] = small.document()["services"]


def one_of(name: str = "gateway", **more: Any) -> Wanted:
    """The wanted gateway, with a change in its definition."""
    document = small.document()
    document["services"][name] |= more
    secrets = {f"secrets/{path}": (path.split("/")[1], "d1") for path in small.SECRETS}
    return wanted(document, small.files(), secrets)[name]


def seen(of: Wanted, **more: Any) -> Container:
    """A container that was made of it."""
    given: dict[str, Any] = {
        "id": "1", "name": f"house-{of.name}-1", "service": of.name, "number": 1, "image": of.image,
        "state": "running", "health": "healthy", "config": of.config, "reads": of.reads,
    }  # fmt: skip
    return Container(**{**given, **more})


OLD = one_of()


@pytest.mark.parametrize(
    ("now", "containers", "kind", "why"),
    [
        (OLD, [seen(OLD)], "keep", ""),
        (OLD, [seen(OLD, health="starting")], "keep", ""),
        (OLD, [], "create", "its container is gone"),
        (one_of(image="maitre/engine:2"), [seen(OLD)], "change", "image maitre/engine:1 → maitre/engine:2"),
        (one_of(mem_limit="2g", deploy={}), [seen(OLD)], "change", "memory 1g → 2g; cpus 1 → –"),
        (one_of(environment={"LOG_LEVEL": "debug"}), [seen(OLD)], "change", "environment LOG_LEVEL, MAITRE_HOUSE"),
        (one_of(command=["x"], user="1:1"), [seen(OLD)], "change", "its command, user"),
        (OLD, [seen(OLD, reads={"secret:gateway_key": "d0"})], "restart", "its secret gateway_key has changed"),
        (OLD, [seen(OLD, reads={})], "restart", "its secret gateway_key is new"),
        (
            OLD,
            [seen(OLD, reads={**OLD.reads, "./house/engine/maitre.yaml": "d0"})],
            "restart",
            "it no longer reads house/engine/maitre.yaml",
        ),
        (OLD, [seen(OLD, config="other")], "change", "is not made as this release makes it"),
        (
            OLD,
            [seen(OLD, state="exited", health=None, exit_code=3)],
            "start",
            "house-gateway-1 has stopped (exit code 3)",
        ),
        (OLD, [seen(OLD, health="unhealthy")], "restart", "house-gateway-1 is unhealthy"),
        (OLD, [seen(OLD), seen(OLD, number=2, health="unhealthy")], "restart", "house-gateway-1 is unhealthy"),
        (
            OLD,
            [seen(OLD, health="starting", restarts=40, exit_code=1)],
            "restart",
            "house-gateway-1 ends again and again (exit code 1)",
        ),
        (OLD, [seen(OLD), seen(OLD, number=2)], "start", "containers 2 → 1"),
        (one_of(depends_on=[], profiles=["x"], pull_policy="never"), [seen(OLD)], "keep", ""),
    ],
)
def test_what_happens_to_a_service(now: Wanted, containers: list[Container], kind: str, why: str) -> None:
    """Each difference has its kind and its words; what no container is made of is no difference."""
    (change,) = plan(Running(tuple(containers)), {"gateway": now}, BEFORE, done={}, watched={}).changes
    assert (change.kind, change.why) == (kind, why)


def test_what_is_new_and_what_is_gone() -> None:
    """A service that was never there is new; one that nobody wants goes, ours or not."""
    strangers = Running((seen(OLD, service="gone"), seen(OLD, service="traefik", id="2")))
    changes = plan(strangers, {"gateway": OLD}, {"traefik": {}}, done={}, watched={}).changes
    assert [(one.service, one.kind, one.why) for one in changes] == [
        ("gateway", "create", "is new"),
        ("gone", "remove", "is not of this house's stack"),
        ("traefik", "remove", "no longer in maitre.yaml"),
    ]


def test_a_job_runs_once_for_what_it_is_made_of() -> None:
    """Again only when its image, its definition or what it reads has changed."""
    job = one_of("migrate")
    told = [plan(Running(), {"migrate": job}, {}, done=done, watched={}).changes[0].kind for done in (
        {}, {"migrate": "other"}, {"migrate": job.mark}
    )]  # fmt: skip
    assert told == ["run", "run", "keep"]


def test_many_variables_are_counted() -> None:
    """A line that nobody can read helps nobody."""
    told = list(differences({"environment": [f"A{number}=1" for number in range(5)]}, {}))
    assert told == ["5 variables of its environment"]
