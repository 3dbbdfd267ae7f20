"""`cli` on a house with mistakes, on none, and on one that is down: one sentence each, an exit code, no traceback."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from devstack import scaffold
from devstack.places import ROOT
from maitre.settings import load_house
from tests.commands.mistakes import ADA, FREE, LOCAL, MISTAKES, Broken, edit, write

FAILED, WRONG = 1, 2

COMMANDS: dict[str, tuple[str, ...]] = {
    "init": ("init",),
    "up": ("up",),
    "up-once": ("up", "--once"),
    "status": ("status",),
    "status-json": ("status", "--json"),
    "seed": ("seed",),
    "seed-dry-run": ("seed", "--dry-run"),
    "usage": ("usage",),
    "explain": ("quota", "explain", "free@maitre.example"),
    "traces": ("traces",),
}


@pytest.fixture(scope="module")
def good_house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A house as `cli init` makes it; it is never started."""
    folder = tmp_path_factory.mktemp("good")
    scaffold.copy_example(folder)
    scaffold.make_secrets(folder)
    scaffold.make_logins(load_house(folder))
    return folder


@pytest.fixture
def house(good_house: Path, tmp_path: Path) -> Path:
    """A copy of it, to be spoilt."""
    return Path(shutil.copytree(good_house, tmp_path / "house"))


def cli(
    *words: str, house: Path | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own."""
    where = () if house is None else ("--house", str(house))
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MAITRE_")}
    told = [sys.executable, str(ROOT / "cli.py"), *words, *where]
    return subprocess.run(
        told, cwd=ROOT, env={**clean, **(env or {})}, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize(("spoil", "where", "what"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line_with_its_place(house: Path, spoil: Broken, where: str, what: str) -> None:
    """The file, the path in it, and what is wrong there; exit code 2."""
    spoil(house)
    done = cli("seed", "--dry-run", house=house)
    lines = [line for line in done.stderr.splitlines() if f"{where}" in line]
    assert (done.returncode, len(lines), done.stdout) == (WRONG, 1, ""), done.stderr
    assert what in lines[0]
    assert "Traceback" not in done.stderr


def test_all_mistakes_are_said_at_once(house: Path) -> None:
    """A house with a dozen mistakes in three files needs one look, not twelve."""
    edit(
        default_plan="gold",
        plans={"free": {**FREE, "tokens_per_day": 5}},
        users=[{**ADA, "plan": "gold"}, {**ADA, "groups": ["x", "y"]}],
        providers={"cloud": {**LOCAL, "api_key": "secret:cloud"}},
    )(house)
    for name in ("duplicate-slug", "no-model"):
        MISTAKES[name][0](house)
    write("assistants/y.md", "no front matter")(house)
    done = cli("status", house=house)
    places = (
        *("default_plan", "users.0.plan", "users.1.email", "users.1.groups", "providers.cloud.api_key"),
        *("assistants/x.md: model", "assistants/y.md", "assistants/general.md: slug"),
    )
    assert [place for place in places if place not in done.stderr] == []
    assert "9 mistakes in the house" in done.stderr
    assert done.returncode == WRONG


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_every_command_says_it_the_same_way(house: Path, words: tuple[str, ...]) -> None:
    """No command works on half a house, and none leaves anything running or written."""
    edit(default_plan="gold")(house)
    before = sorted(path.name for path in (house / ".maitre").rglob("*"))
    done = cli(*words, house=house)
    assert (done.returncode, "maitre.yaml: default_plan: " in done.stderr) == (WRONG, True), done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in (house / ".maitre").rglob("*")) == before


def test_doctor_counts_mistakes_as_findings(house: Path) -> None:
    """`cli doctor` lists them among all else that it looks at."""
    edit(default_plan="gold")(house)
    done = cli("doctor", house=house)
    assert (done.returncode, "default_plan" in done.stdout) == (FAILED, True), done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "words", [words for name, words in COMMANDS.items() if name not in ("init", "up", "up-once")], ids=" ".join
)
def test_a_house_that_does_not_exist(tmp_path: Path, words: tuple[str, ...]) -> None:
    """The sentence says where it looked and how to make one; nothing is made."""
    done = cli(*words, house=tmp_path / "nowhere")
    assert (done.returncode, done.stdout) == (FAILED, "")
    assert str(tmp_path / "nowhere") in done.stderr
    assert "cli init" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("name", ["seed", "seed-dry-run", "usage", "explain", "traces"])
def test_a_house_that_is_down(good_house: Path, name: str) -> None:
    """A command that needs running parts says so, and how to start them."""
    done = cli(*COMMANDS[name], house=good_house)
    assert (done.returncode, "is not running" in done.stderr, "cli up" in done.stderr) == (FAILED, True, True)
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(("words", "says"), [(("status",), "is down"), (("down",), "Nothing to do")], ids=str)
def test_what_is_well_on_a_house_that_is_down(good_house: Path, words: tuple[str, ...], says: str) -> None:
    """Looking and stopping are no errors."""
    done = cli(*words, house=good_house)
    assert (done.returncode, says in done.stdout, done.stderr) == (0, True, "")


@pytest.mark.parametrize("name", ["usage", "explain", "seed"])
def test_parts_that_do_not_answer(good_house: Path, name: str) -> None:
    """Addresses on which nobody listens: one sentence that names who does not answer."""
    nobody = {"postgres": "postgresql://m:m@127.0.0.1:9/m", "valkey": "redis://127.0.0.1:9/0"}
    urls = {f"MAITRE_{one.upper()}_URL": url for one, url in nobody.items()}
    urls |= {f"MAITRE_{one.upper()}_URL": "http://127.0.0.1:9" for one in ("open_webui", "pipelines", "traces")}
    done = cli(*COMMANDS[name], house=good_house, env=urls)
    assert (done.returncode, done.stdout, len(done.stderr.strip().splitlines())) == (FAILED, "", 1), done.stderr
    assert "does not answer" in done.stderr or "cannot be reached" in done.stderr


@pytest.mark.parametrize("missing", ["stamp", "postgres_password", "webui_secret_key"])
def test_a_secret_of_the_house_that_is_missing(house: Path, missing: str) -> None:
    """`up` names it and says who generates it; nothing is started."""
    (house / ".maitre" / "secrets" / missing).unlink()
    done = cli("up", house=house)
    assert (done.returncode, f"“{missing}” is missing" in done.stderr) == (FAILED, True), done.stderr
    assert "cli init" in done.stderr
    assert not (house / ".maitre" / "state.json").exists()


@pytest.mark.parametrize("file", ["state.json", "logins.json"])
@pytest.mark.parametrize("text", ["", "{", "[]", '{"parts": [{"name": 5}]}', "\x00"], ids=repr)
def test_state_that_is_spoilt(house: Path, file: str, text: str) -> None:
    """A state file that a full disk cut in half is named in a sentence."""
    (house / ".maitre" / file).write_text(text)
    done = cli("status", house=house)
    assert "Traceback" not in done.stderr
    assert done.returncode == 0 or (file in done.stderr and done.returncode == FAILED), done.stderr


WRONG_WORDS: dict[str, tuple[str, ...]] = {
    "unknown-command": ("serve",),
    "unknown-option": ("status", "--colour"),
    "limit-of-nothing": ("usage", "--limit", "0"),
    "limit-in-words": ("usage", "--limit", "many"),
    "too-many-words": ("status", "now"),
    "nobody": ("quota", "explain"),
    "option-without-value": ("usage", "--since"),
}


@pytest.mark.parametrize("words", WRONG_WORDS.values(), ids=WRONG_WORDS)
def test_wrong_words_are_answered_with_usage(words: tuple[str, ...]) -> None:
    """The command line itself is wrong: exit code 2, usage, no traceback."""
    done = cli(*words)
    assert (done.returncode, "Traceback" in done.stderr) == (WRONG, False)
    assert "Usage: " in done.stderr or "requires an argument" in done.stderr


@pytest.mark.parametrize("since", ["yesterday", "-1h", "2026-13-40", "99999d9", "", "９h", "99999d"])
def test_a_since_that_is_no_moment(good_house: Path, since: str) -> None:
    """The sentence gives examples that work."""
    done = cli("usage", f"--since={since}", house=good_house)
    assert "Traceback" not in done.stderr
    assert done.returncode == FAILED
    assert "point in time" in done.stderr or "is not running" in done.stderr


def test_verbose_shows_the_traceback(house: Path) -> None:
    """Only who asks for it sees where in the code it happened."""
    edit(default_plan="gold")(house)
    for done in (cli("status", "--verbose", house=house), cli("status", house=house, env={"MAITRE_VERBOSE": "1"})):
        assert (done.returncode != 0, "Traceback" in done.stderr) == (True, True)
