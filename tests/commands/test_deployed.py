"""The commands of a deployed house, through the command line, on a scripted engine."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli import app
from commands.deploying import Progress
from compose.deploy import steps
from compose.deploy.journal import Journal
from compose.deploy.steps import Compose, Step
from compose.host.facts import Facts
from compose.render import rendering
from compose.render.rendering import Rendering
from compose.workshop import Workshop
from maitre.errors import ConfigError
from tests.compose import small
from tests.compose.deploy.test_lock import holder
from tests.compose.engine import Engine, Rollout
from tests.devstack.conftest import make_house

RUN = CliRunner()
GB = 1024**3
GOOD = Facts(
    engine="28.0", compose="5.6.1", cpus=4, memory=16 * GB, disk_free=100 * GB, addresses=frozenset({"10.0.0.1"})
)


class Yard:
    """A house whose stack is the small one. `document`: what is rendered; `facts`: the machine."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.state = directory, directory / ".maitre"
        self.engine = Engine(self.state / "stack")
        self.document, self.facts = small.document(), GOOD
        self.journal = Journal(self.state)

    def run(self, *words: str, code: int = 0, told: str | None = None) -> Result:
        """Run a command on the house; it must end with this exit code, and never with a traceback."""
        done = RUN.invoke(app, [*words, "--house", str(self.directory)], input=told)
        assert done.exit_code == code, done.output
        assert "Traceback" not in done.output
        return done

    def seen(self) -> list[tuple[str, str]]:
        """The containers that run, with their images."""
        return [(one.name, one.image) for one in self.engine.seen]


@pytest.fixture
def yard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Yard:
    """A house that was never deployed."""
    for name in os.environ:
        if name.startswith("MAITRE_"):
            monkeypatch.delenv(name)
    made = Yard(tmp_path / "house")
    make_house(made.directory)
    with (made.directory / "maitre.yaml").open("a", encoding="utf-8") as file:
        file.write("\nstack: { tls: { kind: none } }\n")
    told = Rendering(
        project=small.PROJECT,
        certificates="none",
        behind_proxy=False,
        hosts={"gateway": "api.house.lan"},
        copies=small.contents(small.files()).copies,
        drain=5,
    )
    monkeypatch.setattr(rendering, "rendering", lambda house: told)
    monkeypatch.setattr(rendering, "files", lambda house, running: small.files(made.document))
    monkeypatch.setattr(rendering, "copy_secrets", lambda house, wanted: None)
    monkeypatch.setattr(rendering, "amiss_copies", lambda house, wanted: ())
    monkeypatch.setattr(rendering, "value_of", lambda house, name: name)
    monkeypatch.setattr(Workshop, "engine", property(lambda self: made.engine))
    monkeypatch.setattr(Workshop, "compose", property(lambda self: small.COMPOSE))
    monkeypatch.setattr(Workshop, "rollout", lambda self, stop, said: Rollout(made.engine))
    monkeypatch.setattr(Workshop, "facts", lambda self: made.facts)
    return made


def test_the_first_deploy_and_the_second(yard: Yard) -> None:
    """A line for each step and the release; then nothing to do."""
    first = yard.run("deploy", "--yes").output
    assert "create   postgres         is new" in first
    assert "✓ start postgres" in first
    assert f"Release {yard.journal.current()} runs." in first
    before = yard.seen()
    assert "Nothing to do: the house runs as its files say." in yard.run("deploy", "--yes").output
    assert yard.seen() == before
    assert len(yard.journal.all()) == 1


def test_a_dry_run_prints_what_would_run_and_runs_nothing(yard: Yard) -> None:
    """The steps of the dry run are the ones that run afterwards, value for value."""
    told = json.loads(yard.run("deploy", "--dry-run", "--json").stdout)
    assert yard.engine.steps == []
    assert yard.journal.all() == ()
    assert set(told) == {"dry_run", "findings", "unfinished", "changes", "steps", "release"}
    shown = yard.run("deploy", "--dry-run").output
    assert "docker-compose -p house -f /stack/compose.yaml up -d --no-deps" in shown.replace("\n", " ")
    yard.run("deploy", "--yes")
    id = re.compile(r"\d{4}-\d\d-\d\dT[-0-9a-f]+")  # of the release, another one each time
    shown_argv = [id.sub("ID", " ".join(step["argv"])) for step in told["steps"] if step["argv"]]
    assert [id.sub("ID", " ".join(step.argv)) for step in yard.engine.steps] == shown_argv


def written(yard: Yard) -> dict[str, bytes | None]:
    """Every file of the house with its bytes, and every folder."""
    return {
        str(one.relative_to(yard.directory)): one.read_bytes() if one.is_file() else None
        for one in yard.directory.rglob("*")
    }


def test_a_dry_run_writes_nothing(yard: Yard) -> None:
    """Neither on a house that was never deployed nor on one that was: no file, no folder, not a byte."""
    before = written(yard)
    yard.run("deploy", "--dry-run")
    yard.run("rollback", "--dry-run", code=1)
    yard.run("destroy", "--dry-run")
    assert written(yard) == before
    for image in ("maitre/engine:1", "maitre/engine:2"):
        yard.document["services"]["gateway"]["image"] = image
        yard.run("deploy", "--yes")
    yard.document["services"]["gateway"]["image"] = "maitre/engine:3"
    before = written(yard)
    yard.run("deploy", "--dry-run")
    yard.run("rollback", "--dry-run")
    assert written(yard) == before


def test_secrets_are_known_again_by_their_digests(yard: Yard) -> None:
    """The key of the digests is drawn once, by the first deploy, and only its owner may read it."""
    yard.run("deploy", "--dry-run")
    yard.run("deploy", "--yes")
    key = yard.state / "releases" / "key"
    drawn = key.read_text()
    assert key.stat().st_mode & 0o777 == 0o600
    assert "Nothing to do" in yard.run("deploy", "--yes").output
    assert key.read_text() == drawn


def test_the_end_of_a_deploy_says_where_guests_come_in(yard: Yard) -> None:
    """The addresses, and what undoes it: the first release has none before it."""
    first = yard.run("deploy", "--yes").output
    assert "`cli destroy` undoes it." in first
    assert "API        http://api.house.lan:443/v1" in first
    yard.document["services"]["gateway"]["image"] = "maitre/engine:2"
    assert "`cli rollback` undoes it." in yard.run("deploy", "--yes").output


@pytest.mark.parametrize("words", [("deploy",), ("render",), ("doctor", "--production"), ("restart", "gateway")])
def test_a_house_that_was_made_for_cli_up(tmp_path: Path, words: tuple[str, ...]) -> None:
    """One sentence that names the command which makes the other kind of house."""
    make_house(tmp_path / "house")
    done = RUN.invoke(app, [*words, "--house", str(tmp_path / "house")])
    assert done.exit_code == 1
    assert "is made for `cli up`; `cli init --stack DOMAIN --house DIR` makes one" in done.output.replace("\n", " ")


def test_a_rollout_is_heard_on_the_screen(capsys: pytest.CaptureFixture[str]) -> None:
    """In a pipe its sentences, the ends of steps and the beginnings of long ones; with --json nothing."""
    for quiet in (True, False):
        with Progress(quiet) as progress:
            progress(steps.pull(small.COMPOSE, ("postgres",), "new"), "begins", "")
            progress(steps.pull(small.COMPOSE, ("postgres",), "new"), "says", "postgres Pulling")
            progress.said("New requests go to house-gateway-2.")
            progress(steps.pull(small.COMPOSE, ("postgres",), "new"), "done", "")
        lines = capsys.readouterr().out.splitlines()
        assert lines[:-1] == (
            [] if quiet else ["… pull images; it may take minutes", "  New requests go to house-gateway-2."]
        )
        assert quiet or lines[-1].startswith("✓ pull images ")


def test_a_deploy_goes_on_when_nobody_reads_any_more() -> None:
    """The program after the pipe has ended, in the middle of a rollout."""
    told = "with Progress(False) as progress: [progress.said('New requests go on.' * 99) for _ in range(99)]"
    code = f"import sys; from commands.deploying import Progress\n{told}\nprint('It is done.', file=sys.stderr)"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as deploy:
        assert deploy.stdout
        assert deploy.stderr
        deploy.stdout.close()
        assert deploy.stderr.read() == "It is done.\n"
    assert deploy.returncode == 0


def test_nobody_to_ask(yard: Yard) -> None:
    """Without a terminal and without --yes nothing happens."""
    assert "say --yes if you mean it" in yard.run("deploy", code=1).output
    assert yard.seen() == []


def wrong(**facts: Any) -> Callable[[Yard], None]:
    """A machine that differs from the good one."""

    def harm(yard: Yard) -> None:
        from dataclasses import replace

        yard.facts = replace(GOOD, **facts)

    return harm


@pytest.mark.parametrize(
    ("harm", "words", "told"),
    [
        (wrong(engine=None, engine_fault="there is no socket"), (), "Docker does not answer: there is no socket."),
        (wrong(busy={("127.0.0.1", 80): "nginx (pid 7)"}), (), "127.0.0.1:80 is held by nginx (pid 7)."),
        (wrong(busy={("127.0.0.1", 443): "the container web"}), (), "127.0.0.1:443 is held by the container web."),
        (wrong(disk_free=GB), (), "1.0 GB free. → free 10.0 GB where Docker keeps its data"),
        (wrong(secret_modes={"/h/stamp": 0o644}), (), "others may read /h/stamp (mode 644). → chmod 600 /h/stamp"),
        (lambda yard: None, ("--only", "mysql"), "There is no service “mysql” (there is: gateway, migrate, postgres"),
    ],
)
def test_bad_input_is_one_sentence_and_nothing_is_done(
    yard: Yard, harm: Callable[[Yard], None], words: tuple[str, ...], told: str
) -> None:
    """Exit code 1, the sentence, no step, no release, no file."""
    harm(yard)
    assert told in yard.run("deploy", "--yes", *words, code=1).output.replace("\n", " ")
    assert yard.engine.steps == []
    assert yard.journal.all() == ()
    assert not (yard.state / "stack").exists()


def test_mistakes_in_the_files_are_listed(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing domain and an unknown service: exit code 2, each with its file and path, nothing done."""
    file = yard.directory / "maitre.yaml"
    file.write_text(file.read_text().replace("domain:", "# domain:"))
    assert "maitre.yaml: domain: " in yard.run("deploy", "--yes", code=2).output
    file.write_text(file.read_text().replace("# domain:", "domain:"))

    def refuse(house: object) -> None:
        raise ConfigError(["maitre.yaml: stack.services.mysql: there is no such service"])

    monkeypatch.setattr(rendering, "rendering", refuse)
    assert "stack.services.mysql" in yard.run("deploy", "--yes", code=2).output
    assert yard.journal.all() == ()


def test_two_deploys_at_once(yard: Yard) -> None:
    """The second says who is at it, and does nothing."""
    with holder(yard.state) as other:
        told = yard.run("deploy", "--yes", code=1).output
    assert f"lea (pid {other.pid}) has been at it since 20:40:05 UTC: cli deploy" in told.replace("\n", " ")
    assert yard.engine.steps == []


def test_ctrl_c_in_the_middle(yard: Yard) -> None:
    """The step is finished, the sentence says how the house is left; the next deploy says so, and finishes it."""

    def press(step: Any) -> None:
        if step.name == "start postgres":
            os.kill(os.getpid(), signal.SIGINT)

    yard.engine.at = press
    told = yard.run("deploy", "--yes", code=130).output
    assert "Stopped after “start postgres”" in told
    assert [name for name, _ in yard.seen()] == ["house-postgres-1"]
    yard.engine.at = lambda step: None
    again = yard.run("deploy", "--yes").output
    assert "was stopped after “start postgres”. This deploy finishes it." in again.replace("\n", " ")
    assert len(yard.seen()) == 3


def cut_off(yard: Yard, step: str) -> None:
    """A deploy that is killed while it goes this step."""

    class Killed(BaseException):
        """The process ended there."""

    def kill(at: Any) -> None:
        if at.name == step:
            raise Killed

    yard.engine.at = kill
    with pytest.raises(Killed):
        RUN.invoke(app, ["deploy", "--yes", "--house", str(yard.directory)])
    yard.engine.at = lambda at: None


def test_a_first_deploy_that_was_cut_off_is_a_stack(
    yard: Yard, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Status shows what runs of it and says what to do, logs shows its logs; destroyed, it is none."""
    cut_off(yard, "start gateway")
    told = json.loads(yard.run("status", "--json").stdout)
    finish = "was cut off after “run migrate”. `cli deploy` finishes it, `cli destroy` undoes it."
    assert told["mode"] == "docker"
    assert {name: one["healthy"] for name, one in told["endpoints"].items()} == {
        "traefik": True, "postgres": True, "gateway": False
    }  # fmt: skip
    assert finish in told["unfinished"]
    shown = yard.run("status").output.replace("\n", " ")
    assert finish in shown
    assert "house-postgres-1" in shown
    assert "is down" not in shown
    assert "Deployed: " not in shown
    monkeypatch.setattr(Workshop, "compose", property(lambda self: Compose(("echo",), "house", "f")))
    yard.run("logs", "postgres")
    assert "logs --tail 100 postgres" in capfd.readouterr().out
    monkeypatch.setattr(Workshop, "compose", property(lambda self: small.COMPOSE))
    yard.run("destroy", "--yes")
    told = json.loads(yard.run("status", "--json").stdout)
    assert (told["endpoints"], told["unfinished"]) == ({}, None)


def test_status_tells_of_a_deploy_that_was_cut_off(yard: Yard) -> None:
    """Beside the release that runs; nothing when it was finished."""
    yard.run("deploy", "--yes")
    first = yard.journal.current()
    assert json.loads(yard.run("status", "--json").stdout)["unfinished"] is None
    yard.document["services"]["postgres"]["image"] = "another:2"
    cut_off(yard, "start postgres")
    shown = yard.run("status").output.replace("\n", " ")
    assert f"Deployed: release {first}." in shown
    assert "was cut off after “write files”. `cli deploy` finishes it, `cli rollback` undoes it." in shown
    with holder(yard.state):
        assert "lea (pid " in json.loads(yard.run("status", "--json").stdout)["unfinished"]
    yard.run("deploy", "--yes")
    assert "cut off" not in yard.run("status").output


def test_a_deploy_that_was_cut_off_before_it_wrote_anything(yard: Yard) -> None:
    """There is no stack to look at, and the sentence is said all the same."""
    cut_off(yard, "build images")
    told = json.loads(yard.run("status", "--json").stdout)
    assert told["endpoints"] == {}
    assert told["unfinished"].endswith("was cut off before its first step had ended. `cli deploy` finishes it.")
    assert "`cli deploy` finishes it." in yard.run("status").output.replace("\n", " ")


def test_a_failed_gate_is_rolled_back(yard: Yard) -> None:
    """Exit code 1, the reason and what was done about it."""
    yard.run("deploy", "--yes")
    before = yard.seen()
    yard.document["services"]["gateway"]["image"] = "maitre/engine:2"
    yard.engine.ill = {("gateway", "maitre/engine:2")}
    told = yard.run("deploy", "--yes", code=1).output
    assert "did not become healthy" in told
    assert "Rolled back: the house runs release" in told
    assert yard.seen() == before


def test_new_migrations_are_dumped_before(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a release in between had the files already and did not run them."""
    from compose import workshop

    monkeypatch.setattr(workshop, "migrations", lambda: {"migrate": ("1.sql",), "migrate_rag": ("rag.sql",)})
    yard.run("deploy", "--yes")
    monkeypatch.setattr(workshop, "migrations", lambda: {"migrate": ("1.sql", "2.sql"), "migrate_rag": ("rag.sql",)})
    yard.document["services"]["traefik"]["image"] = "traefik:v4"
    yard.run("deploy", "--yes")
    yard.document["services"]["migrate"]["image"] = "maitre/engine:2"
    assert "dump databases" in yard.run("deploy", "--yes").output
    yard.document["services"]["migrate"]["image"] = "maitre/engine:3"
    assert "dump databases" not in yard.run("deploy", "--yes").output


def test_rollback(yard: Yard) -> None:
    """The release before, a named one, the list; none of them where there is none."""
    assert "There is no earlier release" in yard.run("rollback", "--yes", code=1).output
    assert "has not been deployed yet" in yard.run("rollback", "--list").output
    yard.run("deploy", "--yes")
    first = yard.journal.current()
    yard.document["services"]["gateway"]["image"] = "maitre/engine:2"
    yard.run("deploy", "--yes")
    yard.run("rollback", "--yes")
    assert ("house-gateway-3", "maitre/engine:1") in yard.seen()
    assert "There is no release “x”" in yard.run("rollback", "x", "--yes", code=1).output
    assert f"the house runs as in release {first}" in yard.run("rollback", str(first), "--yes").output.replace(
        "\n", " "
    )
    yard.engine.here.clear()
    told = yard.run("rollback", "--yes", code=1).output
    assert "maitre/engine:2 is no longer here, and today's sources make another image." in told.replace("\n", " ")
    listed = json.loads(yard.run("rollback", "--list", "--json").stdout)
    assert [one["outcome"] for one in listed] == ["done"] * 3
    assert [one["current"] for one in listed] == [False, False, True]


def test_a_rollback_says_where_to_and_takes_seed_back(yard: Yard) -> None:
    """The release with when and by whom, before the question; `seed` of then as the last step, also for machines; and
    the next deploy of the newer files runs theirs again."""
    yard.run("deploy", "--yes")
    (first,) = yard.journal.all()
    for name in ("gateway", "migrate", "seed"):
        yard.document["services"][name]["image"] = "maitre/engine:2"
    yard.run("deploy", "--yes")
    told = json.loads(yard.run("rollback", "--dry-run", "--json").stdout)
    assert (told["to"], told["at"], told["who"]) == (first.id, first.at, first.who)
    assert [one["service"] for one in told["changes"] if one["kind"] == "run"] == ["seed"]
    assert told["steps"][-1]["name"] == "run seed"
    when = first.at.replace("T", " ")[:16]
    asked = yard.run("rollback", code=1).output.replace("\n", " ")
    named = f"Back to release {first.id} of {first.who}, {when} UTC (deploy)."
    assert asked.index(named) < asked.index("run      seed") < asked.index("say --yes")
    assert "✓ run seed" in yard.run("rollback", "--yes").output
    assert "run      seed             what it was made of has changed" in yard.run("deploy", "--dry-run").output


def test_ctrl_c_in_a_rollback(yard: Yard) -> None:
    """What finishes it is the same rollback; a deploy says that it goes elsewhere."""
    yard.run("deploy", "--yes")
    first = yard.journal.current()
    for name in ("postgres", "traefik"):
        yard.document["services"][name]["image"] = "another:2"
    yard.run("deploy", "--yes")
    yard.engine.at = lambda step: os.kill(os.getpid(), signal.SIGINT) if step.name == "start postgres" else None
    finishing = f"`cli rollback {first}` finishes it"
    told = yard.run("rollback", "--yes", code=130).output.replace("\n", " ")
    assert f"{finishing}, `cli rollback` undoes it." in told
    yard.engine.at = lambda step: None
    told = yard.run("deploy", "--dry-run").output.replace("\n", " ")
    assert f"This deploy goes to the house's files instead; {finishing}." in told
    yard.run("rollback", str(first), "--yes")
    assert "another:2" not in dict(yard.seen()).values()


def test_a_deploy_that_was_killed_after_its_files_is_undone(yard: Yard) -> None:
    """Every container is still the old one, but the files on the disk are not: the way back is not “nothing to do”."""
    yard.run("deploy", "--yes")
    compose = yard.state / "stack" / "compose.yaml"
    before, containers = compose.read_text(), yard.seen()

    def killed(step: Step) -> None:
        if step.name == "start traefik":
            raise SystemExit(137)

    yard.document["services"]["traefik"]["image"] = "another:2"
    yard.engine.at = killed
    yard.run("deploy", "--yes", code=137)
    yard.engine.at = lambda step: None
    assert compose.read_text() != before
    told = yard.run("rollback", "--yes").output
    assert "was cut off after “write files”" in told.replace("\n", " ")
    assert "✓ write files" in told
    assert compose.read_text() == before
    assert yard.seen() == containers
    assert "The house runs" in told
    yard.run("restart", "traefik")


def test_files_that_are_amiss_are_written_again(yard: Yard) -> None:
    """The plan says which, though no service changes; then there is nothing to do."""
    yard.run("deploy", "--yes")
    (yard.state / "stack" / "traefik" / "traefik.yaml").unlink()
    told = yard.run("deploy", "--yes").output
    assert "write files: not as it was deployed: traefik/traefik.yaml" in told
    assert "Nothing to do" in yard.run("deploy", "--yes").output


def test_rollback_twice_is_back_where_it_began(yard: Yard) -> None:
    """A rollback is a release, so the one before it is the newer one."""
    for image in ("maitre/engine:1", "maitre/engine:2"):
        yard.document["services"]["gateway"]["image"] = image
        yard.run("deploy", "--yes")
    for image in ("maitre/engine:1", "maitre/engine:2", "maitre/engine:1"):
        yard.run("rollback", "--yes")
        assert image in dict(yard.seen()).values()


def test_a_rollback_of_which_only_seed_fails(yard: Yard) -> None:
    """Exit code 1; what is back, what is not, and a command that does the rest."""
    yard.run("deploy", "--yes")
    yard.document["services"]["seed"]["image"] = "maitre/engine:2"
    yard.run("deploy", "--yes")
    yard.engine.faulty = {"run seed"}
    told = yard.run("rollback", "--yes", code=1).output.replace("\n", " ")
    id = yard.journal.current()
    assert f"Containers and files are back as in release {id}, but the plans" in told
    assert f"run `cli rollback {id}`" in told
    yard.engine.faulty = set()
    assert "✓ run seed" in yard.run("rollback", str(id), "--yes").output


def test_status_has_the_form_of_the_embedded_house(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without endpoints before it is deployed; jobs are none. What the doors count is asked inside."""
    before = json.loads(yard.run("status", "--json").stdout)
    assert (before["mode"], before["endpoints"]) == ("docker", {})
    assert "is not deployed yet" in yard.run("status").output
    yard.run("deploy", "--yes")
    counts = {"counters": {"traces_sent": 9}, "suspended": ["a@b.c"]}
    monkeypatch.setattr(subprocess, "run", lambda argv, **how: subprocess.CompletedProcess(argv, 0, json.dumps(counts)))
    told = json.loads(yard.run("status", "--json").stdout)
    assert list(told) == ["mode", "endpoints", "logins", "counters", "suspended", "unfinished"]
    assert told["mode"] == "docker"
    assert {name: told[name] for name in counts} == counts
    assert set(told["endpoints"]) == {"traefik", "postgres", "gateway"}
    assert told["endpoints"]["gateway"]["url"] == "http://api.house.lan:443"
    assert told["endpoints"]["postgres"]["url"] is None
    assert all(one["healthy"] and one["pid"] for one in told["endpoints"].values())
    yard.engine.seen[0] = type(yard.engine.seen[0])("1", "house-postgres-1", "postgres", 1, "i", "exited", exit_code=1)
    shown = yard.run("status").output
    assert "house-postgres-1 has stopped (exit code 1)" in shown
    assert f"Deployed: release {yard.journal.current()}." in shown


def test_status_of_a_deployed_house_shows_no_password(yard: Yard) -> None:
    """Who can sign in, and the file that holds the words."""
    file = yard.state / "logins.json"
    words = [one["password"] for one in json.loads(file.read_text())]
    assert words
    yard.run("deploy", "--yes")
    shown, told = yard.run("status").output, yard.run("status", "--json").stdout
    assert not [word for word in words if word in shown + told]
    assert f"Their passwords: sudo cat {file}" in shown
    row = json.loads(told)["logins"][0]
    assert row == {"email": row["email"], "password": None, "plan": row["plan"], "password_file": str(file)}
    assert row["email"] in shown


def test_another_name_of_the_project(yard: Yard) -> None:
    """Its data is named after it, so nothing is done, and the sentence says what may be."""
    yard.run("deploy", "--yes")
    yard.document["name"] = "other"
    current = yard.journal.path(str(yard.journal.current())) / "compose.yaml"
    current.write_text(current.read_text().replace("name: house", "name: older"))
    assert "The house runs as the project older" in yard.run("deploy", "--yes", code=1).output


def test_another_name_after_a_first_deploy_that_was_cut_off(yard: Yard) -> None:
    """What runs of it is found under the name that it was started by."""
    cut_off(yard, "start gateway")
    file = yard.state / "stack" / "compose.yaml"
    file.write_text(file.read_text().replace("name: house", "name: older"))
    assert "The house runs as the project older" in yard.run("deploy", "--yes", code=1).output
    assert "older is gone; its data stays." in yard.run("destroy", "--yes").output


def test_restart(yard: Yard) -> None:
    """Ours beside the old ones, others anew; an unknown one, or a house that is not deployed, is one sentence."""
    assert "is not deployed yet" in yard.run("restart", "gateway", code=1).output.replace("\n", " ")
    yard.run("deploy", "--yes")
    assert "✓ roll gateway" in yard.run("restart", "gateway").output
    assert "✓ start postgres" in yard.run("restart", "postgres").output
    assert "There is no service “x” (there is: gateway, postgres, traefik)." in yard.run("restart", "x", code=1).output
    assert "Nothing to do" in yard.run("deploy", "--yes").output


def test_no_restart_in_the_middle_of_a_deploy(yard: Yard) -> None:
    """The files on the disk are a newer release's: a restart would start that."""
    yard.run("deploy", "--yes")
    for name in ("postgres", "traefik"):
        yard.document["services"][name]["image"] = "another:2"
    yard.engine.at = lambda step: os.kill(os.getpid(), signal.SIGINT) if step.name == "start postgres" else None
    yard.run("deploy", "--yes", code=130)
    yard.engine.at = lambda step: None
    before = yard.seen()
    told = yard.run("restart", "traefik", code=1).output.replace("\n", " ")
    assert (
        "was stopped after “start postgres”. `cli deploy` finishes it, `cli rollback` undoes it; then restart." in told
    )
    assert yard.seen() == before


def test_destroy(yard: Yard) -> None:
    """It asks for the project's name; afterwards the house is not deployed, and its journal is still there."""
    assert "Nothing to do" in yard.run("destroy", "--yes").output
    yard.run("deploy", "--yes")
    assert "say --yes" in yard.run("destroy", code=1).output
    assert "down --remove-orphans --volumes" in yard.run("destroy", "--volumes", "--dry-run").output
    assert len(yard.seen()) == 3
    assert "house is gone; its data stays." in yard.run("destroy", "--yes").output
    assert yard.seen() == []
    assert len(yard.journal.all()) == 1
    assert json.loads(yard.run("status", "--json").stdout)["endpoints"] == {}


def test_destroy_with_the_data_leaves_none(yard: Yard) -> None:
    """Also of profiles that were switched off, which Compose no longer knows, and after the stack itself has gone; each
    command is shown before, and what is gone is named."""
    yard.run("deploy", "--yes")
    yard.engine.kept, yard.engine.todays = {"house_minio", "house_postgres"}, {"house_postgres"}
    shown = yard.run("destroy", "--volumes", "--dry-run").output
    assert "docker volume rm --force house_minio house_postgres" in shown
    assert yard.engine.kept == {"house_minio", "house_postgres"}
    yard.run("destroy", "--yes")
    assert yard.engine.kept == {"house_minio", "house_postgres"}
    assert "Removed for good: house_minio, house_postgres." in yard.run("destroy", "--volumes", "--yes").output
    assert yard.engine.kept == set()
    assert "Nothing to do" in yard.run("destroy", "--volumes", "--yes").output
    yard.run("deploy", "--yes")
    yard.engine.kept = {"house_minio", "house_postgres"}
    assert "house is gone, its data too." in yard.run("destroy", "--volumes", "--yes").output
    assert yard.engine.kept == set()


def test_models_and_logs_say_what_is_missing(yard: Yard) -> None:
    """A stack without Ollama, a house without logs, a service that is not there: one sentence each."""
    assert "has no logs yet" in yard.run("logs", code=1).output
    yard.run("deploy", "--yes")
    assert "No Ollama runs in this stack" in yard.run("models", "list", code=1).output
    assert "There is no service “x”" in yard.run("logs", "x", code=1).output


def test_logs_of_the_embedded_house(yard: Yard, capfd: pytest.CaptureFixture[str]) -> None:
    """The end of a part's file; a part without one is named with those that have one."""
    folder = yard.state / "logs"
    folder.mkdir()
    (folder / "gateway.log").write_text("one\ntwo\nthree\n")
    yard.run("logs", "gateway", "--tail", "2")
    assert capfd.readouterr().out == "two\nthree\n"
    assert "There is no log of “x” (there is: gateway)." in yard.run("logs", "x", code=1).output
