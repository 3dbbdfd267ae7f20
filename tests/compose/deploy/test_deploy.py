"""The story of a deploy, on a scripted engine and the real folder and journal."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml

from compose.deploy.deploy import Stopped
from compose.deploy.engine import EngineAway
from compose.deploy.releases import sentence, unfinished
from compose.deploy.steps import MOUNTED, PASSWORD, Step
from compose.render.postgres_init import ENSURE, SCRIPT
from maitre.errors import HouseError
from tests.compose import small
from tests.compose.conftest import Yard


def changed(service: str, **more: Any) -> dict[str, str]:
    """The files of the stack with one service changed."""
    document = small.document()
    document["services"][service] |= more
    return small.files(document)


def newer() -> dict[str, str]:
    """The files of the stack with a new version of our image."""
    document = small.document()
    for name in ("gateway", "migrate", "seed"):
        document["services"][name]["image"] = "maitre/engine:2"
    return small.files(document)


def running(yard: Yard) -> dict[str, str]:
    """The names of the containers that run and are well, with their images."""
    return {one.name: one.image for one in yard.engine.seen if one.well}


def test_the_first_deploy_makes_everything_in_order(yard: Yard) -> None:
    """Stores before jobs before those that need them; the release is written down and is the current one."""
    release = yard.go(small.files())
    images = ["build images", "pull images", "write files"]
    assert list(release.reached[:3]) == images
    assert list(release.reached[3:]) == [
        "start postgres", "start traefik", "run migrate", "start gateway", "run seed"
    ]  # fmt: skip
    assert release.outcome == "done"
    assert yard.journal.current() == release.id
    assert set(running(yard)) == {"house-traefik-1", "house-postgres-1", "house-gateway-1"}
    assert yard.copied == set(small.SECRETS)


def test_deploying_twice_changes_nothing(yard: Yard) -> None:
    """No step, no new release, the same containers."""
    yard.go(small.files())
    plan, way, _, _ = yard.way(small.files())
    assert (plan.work, way) == ((), ())


@pytest.mark.parametrize(
    ("change", "restarted"),
    [
        (lambda yard: changed("gateway", environment={"LOG_LEVEL": "debug"}), {"gateway": "change"}),
        (lambda yard: small.files(**{"traefik/traefik.yaml": "api: {insecure: true}\n"}), {"traefik": "restart"}),
        (lambda yard: small.files(**{"traefik/dynamic/more.yaml": "http: {}\n"}), {"traefik": "reload"}),
        (lambda yard: yard.secrets.update(postgres_password="new") or small.files(), {"postgres": "restart"}),
        (lambda yard: changed("postgres", image="pgvector/pgvector:0.9"), {"postgres": "change"}),
        (lambda yard: changed("gateway", scale=2), {"gateway": "start"}),
        (lambda yard: newer(), {"migrate": "run", "gateway": "change", "seed": "run"}),
    ],
)
def test_a_change_touches_only_what_reads_it(yard: Yard, change: Any, restarted: dict[str, str]) -> None:
    """Every other container stays the one that it was, and afterwards nothing is left to do."""
    yard.go(small.files())
    before = {one.service: one.id for one in yard.engine.seen}
    files = change(yard)
    assert yard.kinds(files) == restarted
    yard.go(files)
    after = {one.service: one.id for one in yard.engine.seen}
    replaced = {name for name, kind in restarted.items() if kind in ("change", "restart")}
    assert {name for name in before if before[name] != after[name]} - {"gateway"} == replaced - {"gateway"}
    assert yard.kinds(files) == {}


def test_a_service_of_ours_rolls(yard: Yard) -> None:
    """It is replaced by the rollout, and Traefik's file names the container that runs, whatever was rendered."""
    yard.go(small.files())
    yard.go(newer())
    assert yard.rollout.rolled == ["gateway"]
    assert running(yard)["house-gateway-2"] == "maitre/engine:2"
    yard.go(small.files(**{"traefik/traefik.yaml": "log: {}\n"}))
    dynamic = yaml.safe_load((yard.stack / "traefik/dynamic/gateway.yaml").read_text())
    (server,) = dynamic["http"]["services"]["gateway"]["loadBalancer"]["servers"]
    assert server["url"] in {f"http://{name}:8000" for name in ("house-gateway-2", "house-gateway-3")}


@pytest.mark.parametrize(("start_period", "patience"), [("30s", 300), ("1800s", 1860)])
def test_a_service_has_the_time_that_it_asks_for(yard: Yard, start_period: str, patience: int) -> None:
    """Whose first start downloads something is waited for that long; nobody has less than five minutes."""
    started = {"postgres": "start postgres", "gateway": "roll gateway"}
    yard.go(small.files())
    for service, name in started.items():
        _, way, _, _ = yard.way(changed(service, healthcheck={"start_period": start_period}))
        assert [step.patience for step in way if step.name == name] == [patience]


def test_what_is_no_longer_wanted_goes_last(yard: Yard) -> None:
    """It is stopped and removed after everything else is well, and the reason is told."""
    yard.go(small.files())
    document = small.document()
    del document["services"]["traefik"]
    plan, way, _, _ = yard.way(small.files(document))
    assert [(one.service, one.kind, one.why) for one in plan.work] == [
        ("traefik", "remove", "no longer in maitre.yaml")
    ]
    assert [step.argv[:2] for step in way[-2:]] == [("docker", "stop"), ("docker", "rm")]
    yard.go(small.files(document))
    assert "house-traefik-1" not in running(yard)


@pytest.mark.parametrize(("rendered", "given"), [({"stop_grace_period": "330s"}, "330"), ({}, "60")])
def test_a_removed_service_ends_what_it_has_begun(yard: Yard, rendered: dict[str, str], given: str) -> None:
    """It gets the time that its own definition asked for, so that its streams are not cut."""
    document = small.document()
    document["services"]["traefik"] |= rendered
    yard.go(small.files(document))
    del document["services"]["traefik"]
    stop = yard.way(small.files(document))[1][-2]
    assert stop.argv == ("docker", "stop", "--time", given, "house-traefik-1")


def test_a_release_that_is_not_healthy_is_rolled_back(yard: Yard) -> None:
    """After a migration too: the old release runs as before, and the sentence says what was wrong."""
    first = yard.go(small.files())
    before = running(yard)
    yard.engine.ill = {("gateway", "maitre/engine:2")}
    with pytest.raises(HouseError, match="did not become healthy") as told:
        yard.go(newer())
    assert f"Rolled back: the house runs release {first.id} as before." in str(told.value)
    assert running(yard) == before
    assert yard.journal.current() == first.id
    assert yard.journal.all()[-1].outcome == "undone"
    assert unfinished(yard.journal.all()) is None
    assert "maitre/engine:1" in (yard.stack / "compose.yaml").read_text()


def test_a_replaced_store_that_is_not_healthy_comes_back(yard: Yard) -> None:
    """What was replaced before the fault is replaced back, with its log in the sentence."""
    yard.go(small.files())
    document = small.document()
    document["services"]["postgres"]["image"] = "pgvector/pgvector:0.9"
    document["services"]["traefik"]["image"] = "traefik:v4"
    yard.engine.ill = {("traefik", "traefik:v4")}
    with pytest.raises(HouseError, match="its last words"):
        yard.go(small.files(document))
    assert set(running(yard).values()) == {"traefik:v3", "pgvector/pgvector:0.8.6-pg18", "maitre/engine:1"}


def test_a_first_release_that_is_not_healthy_leaves_nothing(yard: Yard) -> None:
    """There is nothing to go back to, so what was started goes."""
    yard.engine.ill = {("gateway", "maitre/engine:1")}
    with pytest.raises(HouseError, match="There was no release before"):
        yard.go(small.files())
    assert yard.engine.seen == []
    assert yard.journal.current() is None


def test_a_build_that_fails_changes_nothing(yard: Yard) -> None:
    """No container is touched, and no way back is needed."""
    yard.go(small.files())
    before = running(yard)
    yard.engine.faulty = {"build images"}
    with pytest.raises(HouseError, match="Nothing that serves has been changed"):
        yard.go(newer())
    assert running(yard) == before


def test_a_way_back_that_fails_says_so(yard: Yard) -> None:
    """The sentence has both faults and what to run; the next deploy knows of it."""
    yard.go(small.files())
    yard.engine.faulty = {"run seed", "back: start postgres"}
    document = small.document()
    document["services"]["postgres"]["image"] = "pgvector/pgvector:0.9"
    document["services"]["seed"]["image"] = "maitre/engine:2"
    with pytest.raises(HouseError, match="The way back failed too"):
        yard.go(small.files(document))
    assert unfinished(yard.journal.all()) is not None


def test_ctrl_c_between_two_steps(yard: Yard) -> None:
    """The step that runs is finished, the sentence says how the house is left, and the same command finishes it."""
    yard.go(small.files())
    document = small.document()
    document["services"]["postgres"]["image"] = "pgvector/pgvector:0.9"
    document["services"]["gateway"]["image"] = "maitre/engine:2"
    yard.stopping = lambda: any(step.name == "start postgres" for step in yard.engine.steps[-1:])
    with pytest.raises(Stopped, match="Stopped after “start postgres”; not done: roll gateway") as told:
        yard.go(small.files(document))
    assert "`cli deploy` finishes it, `cli rollback` undoes it." in str(told.value)
    broken = unfinished(yard.journal.all())
    assert broken is not None
    assert "was stopped after “start postgres”" in sentence(broken)
    yard.stopping = lambda: False
    yard.go(small.files(document))
    assert set(running(yard).values()) == {"traefik:v3", "pgvector/pgvector:0.9", "maitre/engine:2"}
    assert unfinished(yard.journal.all()) is None


def test_ctrl_c_while_images_are_built(yard: Yard) -> None:
    """The build is broken off at once; nothing has been changed, and nothing is left to finish."""
    yard.go(small.files())
    yard.stopping = lambda: any(step.kind == "build" for step in yard.engine.steps[-1:])
    with pytest.raises(Stopped, match="Nothing has been changed"):
        yard.go(newer())
    assert unfinished(yard.journal.all()) is None


def test_a_deploy_that_was_cut_off_is_finished_by_the_next(yard: Yard) -> None:
    """Its journal has no end; the next deploy sees what runs and does the rest."""
    yard.go(small.files())

    def cut(step: Any) -> None:
        if step.name == "run seed":
            raise SystemExit("the machine went off")

    yard.engine.at = cut
    with pytest.raises(SystemExit):
        yard.go(newer())
    broken = unfinished(yard.journal.all())
    assert broken is not None
    assert sentence(broken) == f"The deploy {broken.id} of lea was cut off after “roll gateway”."
    yard.engine.at = lambda step: None
    assert yard.kinds(newer()) == {"seed": "run"}
    yard.go(newer())
    assert yard.kinds(newer()) == {}


def test_a_first_deploy_that_is_stopped(yard: Yard) -> None:
    """There is no release to go back to: the sentence names the command that removes what was begun."""
    yard.stopping = lambda: any(step.name == "start postgres" for step in yard.engine.steps[-1:])
    with pytest.raises(Stopped, match="`cli deploy` finishes it, `cli destroy` undoes it"):
        yard.go(small.files())


def test_a_deploy_that_was_cut_off_at_its_very_end(yard: Yard) -> None:
    """Nothing is left to change, and the next deploy writes down that it is done."""
    yard.go(small.files())
    yard.heard.clear()
    files = changed("traefik", image="traefik:v4")
    yard.engine.wait_healthy, wait = lambda ids, patience: exit("cut off"), yard.engine.wait_healthy  # type: ignore[method-assign]
    with pytest.raises(SystemExit):
        yard.go(files)
    yard.engine.wait_healthy = wait  # type: ignore[method-assign]
    assert unfinished(yard.journal.all()) is not None
    assert yard.kinds(files) == {}
    assert yard.go(files).outcome == "done"
    assert unfinished(yard.journal.all()) is None


def test_what_was_ill_before_does_not_undo_a_deploy_of_something_else(yard: Yard) -> None:
    """With --only the rest is not asked for."""
    yard.go(small.files())
    (postgres,) = yard.engine.containers().of("postgres")
    yard.engine.seen[yard.engine.seen.index(postgres)] = replace(postgres, health="unhealthy")
    yard.go(changed("traefik", image="traefik:v4"), only=["traefik"])
    assert running(yard)["house-traefik-1"] == "traefik:v4"


def test_who_was_ill_while_a_store_was_away_is_waited_for(yard: Yard) -> None:
    """A container that the deploy did not touch, unhealthy because of what it did, undoes nothing."""
    yard.go(small.files())

    def away(step: Step) -> None:
        seen = yard.engine.seen
        if step.name == "start postgres":
            yard.engine.seen = [replace(one, health="unhealthy") if one.service == "gateway" else one for one in seen]

    yard.engine.at, yard.engine.recovers = away, {"gateway"}
    yard.go(changed("postgres", image="pgvector/pgvector:0.9.0-pg18"))
    assert running(yard)["house-postgres-1"] == "pgvector/pgvector:0.9.0-pg18"
    assert "house-gateway-1" in running(yard)


def test_going_back_to_an_earlier_release(yard: Yard) -> None:
    """The rendered files of then, and its `seed` last, no migration; the way back is a release itself, and the newer
    files are another `seed` to the deploy after it."""
    first = yard.go(small.files())
    yard.go(newer())
    release = yard.go(yard.journal.files(first.id), what=f"rollback to {first.id}", back=True)
    assert set(running(yard).values()) == {"traefik:v3", "pgvector/pgvector:0.8.6-pg18", "maitre/engine:1"}
    assert yard.journal.current() == release.id
    assert release.reached == ("build images", "write files", "roll gateway", "run seed")
    assert yard.kinds(newer()) == {"gateway": "change", "seed": "run"}
    assert yard.kinds(yard.journal.files(first.id)) == {"migrate": "run"}


def seeded(yard: Yard) -> list[str]:
    """The images by which `seed` has run, as the Compose file on the disk named them."""
    ran: list[str] = []

    def look(step: Step) -> None:
        if step.service == "seed" and step.kind == "job":
            ran.append(yaml.safe_load((yard.stack / "compose.yaml").read_text())["services"]["seed"]["image"])

    yard.engine.at = look
    return ran


def test_a_fault_after_seed_takes_back_what_seed_wrote(yard: Yard) -> None:
    """Whether it ended or not: `seed` of the release that runs again is the last step, and it is the one that ran by
    the journal."""
    first = yard.go(small.files())
    ran = seeded(yard)
    yard.engine.faulty = {"run seed"}
    with pytest.raises(HouseError, match=f"Rolled back: the house runs release {first.id} as before"):
        yard.go(newer())
    assert ran == ["maitre/engine:2", "maitre/engine:1"]
    assert yard.heard[-1] == "done back: run seed"
    assert yard.journal.all()[-1].outcome == "undone"
    assert yard.kinds(newer()).keys() == {"gateway", "seed"}
    assert "seed" not in yard.kinds(small.files())


def test_a_fault_before_seed_runs_no_seed(yard: Yard) -> None:
    """Also where the release that runs has never run its own."""
    yard.go(small.files())
    yard.go(changed("seed", image="maitre/engine:1", command=["another"]), only=["traefik"])
    ran = seeded(yard)
    yard.engine.ill = {("gateway", "maitre/engine:2")}
    with pytest.raises(HouseError, match="Rolled back"):
        yard.go(newer())
    assert ran == []


def test_a_way_back_of_which_only_seed_fails(yard: Yard) -> None:
    """The sentence says what is back and what is not, and the command that it names brings the rest."""
    first = yard.go(small.files())
    before = running(yard).values()
    yard.engine.faulty = {"run seed", "back: run seed"}
    with pytest.raises(HouseError) as told:
        yard.go(newer())
    assert str(told.value) == (
        "“run seed” failed (exit code 1).\n"
        f"Containers and files are back as in release {first.id}, but the plans, the assistants and Open WebUI's "
        "settings, which `seed` writes, are not: “back: run seed” failed (exit code 1).\n"
        "Mend it, then run `cli rollback`: it runs `seed` of that release again."
    )
    assert sorted(running(yard).values()) == sorted(before)
    assert unfinished(yard.journal.all()) is not None
    assert yard.journal.current() == first.id
    plan, way, _, _ = yard.way(yard.journal.files(first.id), back=True)
    assert [(one.service, one.why) for one in plan.work] == [("seed", "did not end well the last time")]
    assert [step.name for step in way][-1] == "run seed"


def test_a_rollback_of_which_only_seed_fails_stays(yard: Yard) -> None:
    """Containers that are back are not given up for it: the release runs, and the same command runs its `seed`."""
    first = yard.go(small.files())
    yard.go(newer())
    yard.engine.faulty = {"run seed"}
    with pytest.raises(HouseError, match="Containers and files are back as in release") as told:
        yard.go(yard.journal.files(first.id), back=True)
    last = yard.journal.all()[-1]
    assert f"run `cli rollback {last.id}`: it runs `seed` of that release again." in str(told.value)
    assert (last.outcome, yard.journal.current()) == ("done", last.id)
    assert set(running(yard).values()) == {"traefik:v3", "pgvector/pgvector:0.8.6-pg18", "maitre/engine:1"}
    yard.engine.faulty = set()
    assert yard.go(yard.journal.files(last.id), back=True).reached[-2:] == ("write files", "run seed")


@pytest.mark.parametrize(("at", "again"), [("roll gateway", {"gateway"}), ("run seed", {"gateway", "seed"})])
def test_the_way_back_after_ctrl_c_runs_seed_if_it_had_begun(yard: Yard, at: str, again: set[str]) -> None:
    """A stopped deploy goes nowhere by itself; `cli rollback` then takes back what had begun, and no more."""
    first = yard.go(small.files())
    yard.heard.clear()
    yard.stopping = lambda: any(f"begins {at}" == one for one in yard.heard)
    with pytest.raises(Stopped):
        yard.go(newer())
    yard.stopping = lambda: False
    plan, _, _, _ = yard.way(yard.journal.files(first.id), back=True)
    assert {one.service for one in plan.work} == again


def test_only_some_services(yard: Yard) -> None:
    """Those that were named, and the jobs that they need; the rest stays for another deploy."""
    yard.go(small.files())
    document = small.document()
    document["services"]["postgres"]["image"] = "pgvector/pgvector:0.9"
    for name in ("gateway", "migrate"):
        document["services"][name]["image"] = "maitre/engine:2"
    plan, _, _, _ = yard.way(small.files(document), only=["gateway"])
    assert [one.service for one in plan.work] == ["migrate", "gateway"]


def test_a_dump_precedes_the_migration(yard: Yard) -> None:
    """Only where tables may change; also where Postgres has no container yet, because its data may be there."""
    names = [step.name for step in yard.way(small.files(), dump="/dumps/a.sql")[1]]
    assert names.index("start postgres") < names.index("dump databases") == names.index("run migrate") - 1
    yard.go(small.files())
    names = [step.name for step in yard.way(newer(), dump="/dumps/a.sql")[1]]
    assert names.index("dump databases") + 1 == names.index("run migrate")
    assert "dump databases" not in [step.name for step in yard.way(newer())[1]]


def test_postgres_hears_of_its_roles_before_anybody_signs_in(yard: Yard) -> None:
    """Just after it is there, or just after the files are written where it runs already and is not touched; whoever
    reads a changed password comes after that."""
    script = {SCRIPT: "#!/bin/sh\n"}
    told = "tell postgres its roles"
    reached = list(yard.go(small.files(**script)).reached)
    assert reached[reached.index("start postgres") + 1] == told
    yard.secrets["gateway_key"] = "new"
    reached = list(yard.go(small.files(**script), only=("gateway",)).reached)
    assert reached == ["build images", "write files", told, "roll gateway"]
    step = next(step for step in yard.engine.steps if step.name == told)
    assert step.argv[-len(ENSURE) :] == ENSURE
    assert yard.way(small.files(**script))[1] == ()


def with_valkey(**more: Any) -> dict[str, str]:
    """The files of a stack with a Valkey, which the gateway and a job sign in to."""
    document = small.document()
    document["services"]["valkey"] = small.service("valkey/valkey:9") | more
    for name in ("gateway", "seed"):
        reads = document["services"][name].setdefault("secrets", [])
        document["services"][name] |= {"secrets": [*reads, {"source": "valkey_password"}]}
    document["services"]["gateway"]["depends_on"] = ["postgres", "migrate", "valkey"]
    document["secrets"]["valkey_password"] = {"file": "./secrets/gateway/valkey_password"}
    return small.files(document, **{PASSWORD: "#!/bin/sh\n"})


TOLD, CLOSED = "tell valkey its password", "close valkey to old passwords"


def test_valkey_goes_on_through_a_new_password_and_so_does_whoever_has_the_old_one(yard: Yard) -> None:
    """It takes the new one before anybody is started with it, and refuses the old one after the last; the server stays
    the same container, and a deploy without its clients does not ask it."""
    yard.secrets["valkey_password"] = "old"
    assert TOLD not in yard.go(with_valkey()).reached
    before = {one.service: one.id for one in yard.engine.seen}
    yard.secrets["valkey_password"] = "new"
    reached = yard.go(with_valkey()).reached
    assert reached[-5:] == ("write files", TOLD, "roll gateway", "run seed", CLOSED)
    after = {one.service: one.id for one in yard.engine.seen}
    assert {name for name in before if before[name] != after[name]} == {"gateway"}
    told = [step.argv[-3:] for step in yard.engine.steps if step.service == "valkey" and "exec" in step.argv]
    assert told == [("valkey", "sh", MOUNTED), ("sh", MOUNTED, "alone")]
    yard.secrets["postgres_password"] = "new"
    assert not {TOLD, CLOSED} & {*yard.go(with_valkey()).reached}


def test_an_old_password_of_valkey_stays_while_somebody_was_left_out(yard: Yard) -> None:
    """A deploy of one client only leaves the others their password; a Valkey that is itself started anew reads its
    password then."""
    yard.secrets["valkey_password"] = "old"
    yard.go(with_valkey())
    yard.secrets["valkey_password"] = "new"
    assert not {TOLD, CLOSED} & {step.name for step in yard.way(with_valkey(), only=("postgres",))[1]}
    names = [step.name for step in yard.way(with_valkey(), only=("seed",))[1]]
    assert (TOLD in names, CLOSED in names) == (True, False)
    assert not {TOLD, CLOSED} & {step.name for step in yard.way(with_valkey(image="valkey/valkey:10"))[1]}


def test_a_deploy_that_was_stopped_before_its_last_step_is_finished_by_the_next(yard: Yard) -> None:
    """Where every container is right already, what stores are told is still done."""
    yard.secrets["valkey_password"] = "old"
    yard.go(with_valkey())
    yard.secrets["valkey_password"] = "new"
    yard.stopping = lambda: any(event == "done run seed" for event in yard.heard)
    yard.heard.clear()
    with pytest.raises(Stopped, match=CLOSED):
        yard.go(with_valkey())
    yard.stopping = lambda: False
    assert yard.way(with_valkey())[1] == ()
    assert yard.go(with_valkey()).reached == ("write files", CLOSED)


def without_its_key() -> dict[str, str]:
    """The files of a stack whose gateway is new and reads no secret."""
    document = small.document()
    document["services"]["gateway"] |= {"image": "maitre/engine:2", "secrets": []}
    del document["secrets"]["gateway_key"]
    return small.files(document)


def test_the_way_back_has_the_copies_of_its_own_release(yard: Yard) -> None:
    """A copy that only the older release reads stays until the newer one is done, and is there again on the way back,
    though no file of today names it."""
    first = yard.go(small.files())
    yard.engine.ill = {("gateway", "maitre/engine:2")}
    there: list[set[str]] = []
    yard.engine.at = lambda step: there.append(set(yard.copied))
    with pytest.raises(HouseError, match="Rolled back"):
        yard.go(without_its_key())
    assert all(seen == set(small.SECRETS) for seen in there)
    yard.engine.ill = set()
    yard.go(without_its_key())
    assert yard.copied == {"postgres/postgres_password"}
    assert yard.kinds(yard.journal.files(first.id)) == {"gateway": "change"}
    yard.go(yard.journal.files(first.id), back=True)
    assert yard.copied == set(small.SECRETS)


def test_the_way_back_replaces_as_its_own_release_did(yard: Yard) -> None:
    """Whether a service is a job, and whether it is replaced beside, stands in the release's own Compose file."""
    first = yard.go(small.files())
    document = small.document()
    document["services"]["gateway"] |= {"image": "maitre/engine:2", "labels": {}}
    yard.go(small.files(document))
    assert yard.rollout.rolled == []
    yard.go(yard.journal.files(first.id), back=True)
    assert yard.rollout.rolled == ["gateway"]
    assert set(running(yard)) == {"house-traefik-1", "house-postgres-1", "house-gateway-2"}


def test_a_service_that_was_left_out_keeps_its_copies(yard: Yard) -> None:
    """With --only the others run on with what an older release gave them."""
    yard.go(small.files())
    files = without_its_key()
    document = yaml.safe_load(files["compose.yaml"])
    document["services"]["traefik"]["image"] = "traefik:v4"
    yard.go(small.files(document), only=["traefik"])
    assert yard.copied == set(small.SECRETS)


def refusing(fault: Exception, at: str) -> Any:
    """Raises the fault at the step of this name."""

    def look(step: Any) -> None:
        if step.name == at:
            raise fault

    return look


@pytest.mark.parametrize(
    "fault", [OSError(28, "No space left on device", "/h/deploy.log"), ConnectionResetError(104, "reset by peer")]
)
def test_what_the_disk_or_the_network_refuses_is_undone_too(yard: Yard, fault: OSError) -> None:
    """One sentence with the file, where there is one, and the release before runs again."""
    yard.go(small.files())
    before = running(yard)
    document = small.document()
    for name in ("traefik", "postgres"):
        document["services"][name]["image"] = "another:1"
    yard.engine.at = refusing(fault, "start traefik")
    with pytest.raises(HouseError, match="Rolled back") as told:
        yard.go(small.files(document))
    assert str(fault.strerror) in str(told.value)
    assert running(yard) == before
    assert yard.journal.all()[-1].outcome == "undone"


def test_a_journal_that_cannot_be_written_is_undone_too(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """The house goes back, and the sentence says that it could not be written down."""
    yard.go(small.files())
    before = running(yard)

    def full(release: Any) -> None:
        raise OSError(28, "No space left on device", "release.json")

    monkeypatch.setattr(yard.journal, "note", full)
    with pytest.raises(HouseError, match="could not be written down: release.json: No space left on device"):
        yard.go(changed("postgres", image="pgvector/pgvector:0.9"))
    assert running(yard) == before


def test_an_engine_that_goes_away_in_the_middle(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence: how the house is, and what to run once it answers."""
    yard.go(small.files())

    def away() -> Any:
        raise EngineAway("Docker does not answer: there is no socket.")

    def go_away(step: Any) -> None:
        if step.name == "start postgres":
            monkeypatch.setattr(yard.engine, "containers", away)

    yard.engine.at = go_away
    with pytest.raises(HouseError) as told:
        yard.go(changed("postgres", image="pgvector/pgvector:0.9"))
    assert str(told.value) == (
        "Docker does not answer: there is no socket. The deploy broke off after “write files”, and what runs has been "
        "left as it is; once Docker answers, `cli deploy` finishes it, `cli rollback` undoes it."
    )
    assert unfinished(yard.journal.all()) is not None


def test_only_migrations_that_ran_are_noted(yard: Yard) -> None:
    """A release that did not run the job carries over what the current one has, so that the next one that does run it
    makes a dump."""
    assert yard.go(small.files()).migrations == ("0001.sql",)
    yard.migrations = {"migrate": ("0001.sql", "0002.sql"), "migrate_rag": ("rag.sql",)}
    assert yard.go(changed("traefik", image="traefik:v4")).migrations == ("0001.sql",)
    assert yard.go(small.files(), back=True).migrations == ("0001.sql",)
    assert yard.go(newer()).migrations == ("0001.sql", "0002.sql")
