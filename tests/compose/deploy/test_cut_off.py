"""A deploy that was killed, and a disk or containers that are not as a deploy left them: the next one sees it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from compose.deploy.releases import previous, unfinished
from tests.compose import small
from tests.compose.conftest import Yard


def two_gateways() -> dict[str, str]:
    """The stack with two replicas of the gateway."""
    document = small.document()
    document["services"]["gateway"]["scale"] = 2
    return small.files(document)


def newer() -> dict[str, str]:
    """The stack with a gateway of another image."""
    document = small.document()
    document["services"]["gateway"]["image"] = "maitre/engine:2"
    return small.files(document)


def ill(yard: Yard, name: str, **more: Any) -> None:
    """The container of this name is not well."""
    yard.engine.seen = [replace(one, **more) if one.name == name else one for one in yard.engine.seen]


def servers(yard: Yard) -> list[str]:
    """The containers of the gateway that Traefik is told."""
    told = yaml.safe_load((yard.stack / "traefik" / "dynamic" / "gateway.yaml").read_text())
    return [one["url"] for one in told["http"]["services"]["gateway"]["loadBalancer"]["servers"]]


def test_no_guest_is_sent_to_a_container_that_never_was_well(yard: Yard) -> None:
    """Killed while a new container waited for its health: the next deploy, and its way back, name the old one only."""
    yard.go(small.files())
    yard.engine.ill.add(("gateway", "maitre/engine:2"))

    def killed(step: Any) -> None:
        (yard.stack / "compose.yaml").write_text(yard.journal.files(yard.journal.all()[-1].id)["compose.yaml"])
        yard.engine.seen.append(yard.engine.make("gateway"))
        raise SystemExit("killed")

    yard.rollout.roll = lambda *_: killed(None)  # type: ignore[method-assign]
    with pytest.raises(SystemExit):
        yard.go(newer())
    assert len(yard.engine.containers().of("gateway")) == 2
    heard: list[list[str]] = []
    yard.rollout.roll = lambda *_: heard.append(servers(yard))  # type: ignore[method-assign]
    with pytest.raises(Exception, match="did not become healthy"):
        yard.go(newer())
    assert heard[0] == ["http://house-gateway-1:8000"]
    assert servers(yard) == ["http://house-gateway-1:8000"]


def test_one_of_two_that_is_unhealthy_is_made_anew(yard: Yard) -> None:
    """Compose would leave it alone, and no deploy would ever end well."""
    yard.go(two_gateways())
    ill(yard, "house-gateway-2", health="unhealthy")
    assert yard.kinds(two_gateways()) == {"gateway": "restart"}
    yard.go(two_gateways())
    assert [one.health for one in yard.engine.containers().of("gateway")] == ["healthy", "healthy"]
    assert yard.kinds(two_gateways()) == {}


def test_what_ends_again_and_again_is_no_good_house(yard: Yard) -> None:
    """Docker calls it “starting” anew each time."""
    yard.go(small.files())
    ill(yard, "house-traefik-1", health="starting", restarts=40, exit_code=1)
    (change,) = (one for one in yard.way(small.files())[0].work)
    assert (change.kind, change.why) == ("restart", "house-traefik-1 ends again and again (exit code 1)")


@pytest.mark.parametrize("file", ["compose.yaml", "traefik/traefik.yaml"])
@pytest.mark.parametrize("damage", [lambda file: file.unlink(), lambda file: file.write_text("x")])
def test_files_that_are_not_as_they_were_deployed_are_written_again(yard: Yard, file: str, damage: Any) -> None:
    """Nobody is started anew for it, but the next start of a container finds the right ones."""
    yard.go(small.files())
    before = yard.engine.containers()
    right = (yard.stack / file).read_text()
    damage(Path(yard.stack / file))
    plan, way, _, _ = yard.way(small.files())
    assert plan.work == ()
    assert [(step.kind, step.why) for step in way] == [("write", f"not as it was deployed: {file}")]
    yard.go(small.files())
    assert (yard.stack / file).read_text() == right
    assert yard.engine.containers() == before
    assert yard.way(small.files())[1] == ()


def test_a_copy_of_a_secret_that_is_gone_is_written_again(yard: Yard) -> None:
    """A container that starts without it would not start."""
    yard.go(small.files())
    yard.copied.remove("gateway/gateway_key")
    (step,) = yard.way(small.files())[1]
    assert step.why == "not as it was deployed: secrets/gateway/gateway_key"
    yard.go(small.files())
    assert yard.way(small.files())[1] == ()


def test_the_release_before_a_rotation_is_not_the_same_again(yard: Yard) -> None:
    """A rotation and a deploy that only wrote files bring nothing else: the way back goes past them."""
    first = yard.go(small.files())
    second = yard.go(newer())
    yard.secrets["gateway_key"] = "rotated"
    rotated = yard.go(newer(), what="secrets rotate gateway_key")
    (yard.stack / "compose.yaml").unlink()
    written = yard.go(newer())
    assert unfinished(yard.journal.all()) is None
    assert rotated.digests == second.digests == written.digests != first.digests
    assert previous(yard.journal.all(), yard.journal.current()) == first
