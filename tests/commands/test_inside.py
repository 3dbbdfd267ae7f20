"""Which commands run inside a deployed house, and how they are handed over."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from cli import app, main
from commands.inside import HOST, INSIDE, argv, errand
from compose import workshop
from compose.host import docker_facts
from compose.running import Container, running
from compose.stack.catalogue import read_services
from tests.compose import small

HERE = "/home/me"
THERE = {"/home/me/docs", "/home/me/docs/a.md", "/srv/rules", "/srv/a:b/rules", "/srv", "/home/me/x[1].md"}
#: Those that need the host: the engine, the house's own files, or nothing at all.
OUTSIDE = {
    *("init", "up", "down", "status", "doctor", "render", "deploy", "rollback", "restart", "logs", "destroy"),
    *("secrets", "models", "import"),
}


def given(*words: str) -> Any:
    """What becomes of a command line."""
    return errand(words, HERE, THERE.__contains__)


def test_every_command_has_its_place() -> None:
    """A new command is decided upon, and each is named by as many words as the table says."""
    every: Any = typer.main.get_command(app)
    assert set(every.commands) == set(INSIDE) | OUTSIDE
    for name, words in INSIDE.items():
        command, depth = every.commands[name], 1
        while hasattr(command, "commands"):
            command, depth = next(iter(command.commands.values())), depth + 1
        assert depth == words, name


@pytest.mark.parametrize(
    "words",
    [(), ("status",), ("deploy", "--yes"), ("import", "litellm", "usage"), ("usage", "--help"), ("--help",), ("key",)]
    + [("provider", "key"), ("quota", "--house", "/h"), ("models", "list"), ("secrets", "rotate", "stamp"), ("used",)],
)
def test_what_runs_on_the_host(words: tuple[str, ...]) -> None:
    """The engine's and the files' commands, every help, and half a command."""
    assert given(*words) is None


@pytest.mark.parametrize(
    ("words", "inside", "house", "reads"),
    [
        (("usage",), ("usage",), None, False),
        (("usage", "a@b.c", "--since", "2h", "--json"), ("usage", "a@b.c", "--since", "2h", "--json"), None, False),
        (("queue", "--house", "/h", "--watch"), ("queue", "--watch"), "/h", False),
        (("audit", "--house=/h"), ("audit",), "/h", False),
        (("credit", "a@b.c", "--", "-2.50"), ("credit", "a@b.c", "--", "-2.50"), None, False),
        (("query", "--", "--house"), ("query", "--", "--house"), None, False),
        (("close", "--", "--help"), ("close", "--", "--help"), None, False),
        (("provider", "key", "set", "x", "--house", "h"), ("provider", "key", "set", "x"), "h", True),
        (("provider", "key", "list"), ("provider", "key", "list"), None, False),
        (("collections", "import", "t"), ("collections", "import", "t"), None, True),
        (("collections", "delete", "t"), ("collections", "delete", "t"), None, True),
    ],
)
def test_what_runs_inside(words: tuple[str, ...], inside: tuple[str, ...], house: str | None, reads: bool) -> None:
    """The same words without the house's folder; a command that asks nothing is given no input."""
    made = given(*words)
    assert (made.words, made.house, made.reads, made.mounts) == (inside, house, reads, ())


@pytest.mark.parametrize(
    ("paths", "inside", "mounts"),
    [
        (("docs",), ("docs",), ("/home/me/docs",)),
        (("docs", "docs/a.md"), ("docs", "docs/a.md"), ("/home/me/docs",)),
        (("docs/**/*.md",), ("docs/**/*.md",), ("/home/me/docs",)),
        (("x[1].md",), ("x[1].md",), ("/home/me/x[1].md",)),
        (("../../srv/rules/",), ("../../srv/rules/",), ("/srv/rules",)),
        (("/srv/rules",), (f"{HOST}/srv/rules",), ("/srv/rules",)),
        (("/srv/a:b/rules",), (f"{HOST}/srv/a:b/rules",), ("/srv",)),
        (("nowhere",), ("nowhere",), ()),
        (("--prune", "--", "docs"), ("--prune", "--", "docs"), ("/home/me/docs",)),
    ],
)
def test_files_of_the_host_are_seen_inside(
    paths: tuple[str, ...], inside: tuple[str, ...], mounts: tuple[str, ...]
) -> None:
    """What `cli index` names, and no more of the host; a name that only the image has is not found."""
    made = given("index", "--collection", "docs", *paths)
    assert made.words == ("index", "--collection", "docs", *inside)
    assert made.mounts == mounts
    words = " ".join(argv(made, HERE, {}, "ada", False))
    assert f"--workdir {HOST}{HERE}" in words
    assert all(f"--volume {path}:{HOST}{path}:ro" in words for path in mounts)


def test_the_words_for_compose() -> None:
    """Who asked and what the screen is like are told; nothing else of the shell is."""
    shell = {"TERM": "xterm", "SSH_CLIENT": "10.0.0.9 1 2", "AWS_SECRET": "x", "MAITRE_HOUSE": "/srv/house"}
    told = ("-e", "LOGNAME=ada", "-e", "SSH_CLIENT=10.0.0.9 1 2", "-e", "TERM=xterm")
    words = argv(given("usage", "--json"), HERE, shell, "ada", False)
    assert words == ("run", "--rm", "--no-deps", "-T", *told, "seed", "python", "/app/cli.py", "usage", "--json")
    assert "-T" not in argv(given("usage"), HERE, shell, "ada", True)


def test_the_container_is_one_that_can_reach_every_part() -> None:
    """Each address that a command asks, and each secret that it needs, are the service's."""
    service = read_services("small")["seed"]
    parts = ("OPEN_WEBUI", "PIPELINES", "GATEWAY", "RAG", "POSTGRES", "VALKEY", "TRACES")
    assert {f"MAITRE_{part}_URL" for part in parts} <= set(service.env)
    needed = {"rag_key", "sealing_key", "logins", "langfuse_public_key", "langfuse_secret_key", "webui_admin_password"}
    assert needed <= set(service.secrets)


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A house of which a release runs, and whose files have got a mistake since."""
    for name in os.environ:
        if name.startswith(("MAITRE_", "DOCKER_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path / 'nobody.sock'}")
    files = {"maitre.yaml": "domain: [", ".maitre/stack/compose.yaml": "name: house\nservices: {}\n"}
    for file, text in {**files, ".maitre/releases/current": "r1\n"}.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(text)
    return tmp_path


def run(house: Path, monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[int | str | None, list[str]]:
    """The exit code of the command line, and what this process has become in the end."""
    become: list[str] = []

    def exec_(file: str, line: tuple[str, ...], shell: dict[str, str]) -> None:
        become.extend(line)
        assert shell["COMPOSE_PROGRESS"] == "quiet"
        raise SystemExit(0)

    monkeypatch.setattr(os, "execvpe", exec_)
    monkeypatch.setattr(sys, "argv", ["cli", *words, "--house", str(house)])
    with monkeypatch.context() as patch, Path(os.devnull).open() as nothing:
        patch.setattr(sys, "stdin", nothing)
        patch.setattr(os, "dup2", lambda *_: None)
        with pytest.raises(SystemExit) as ended:
            main()
    return ended.value.code, become


def stack(monkeypatch: pytest.MonkeyPatch, *states: str) -> None:
    """The stack's Postgres is in these states."""
    seen = [Container("1", "house-postgres-1", "postgres", 1, "postgres", state) for state in states]
    monkeypatch.setattr(workshop, "running_stack", lambda state: (small.COMPOSE, running(seen)))


def test_a_command_of_a_deployed_house_becomes_the_container_s(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By one process, so that input, output, signals and exit code are the container's; a mistake in the files that
    were never deployed does not matter to what runs."""
    stack(monkeypatch, "running")
    code, become = run(house, monkeypatch, "usage", "--json")
    assert code == 0
    assert become[: len(small.COMPOSE())] == list(small.COMPOSE())
    assert become[-4:] == ["python", "/app/cli.py", "usage", "--json"]


def test_a_house_that_is_down_says_so(
    house: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """One sentence and exit code 1; nothing is started."""
    stack(monkeypatch, "exited")
    assert run(house, monkeypatch, "usage") == (1, [])
    assert capfd.readouterr().err.startswith("The house is down: no postgres runs in the project house.")


def test_an_engine_that_is_away_says_so(
    house: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """One sentence and exit code 1, without a traceback."""
    monkeypatch.setattr(docker_facts, "find_compose", lambda: (("docker", "compose"), "5.6.1"))
    assert run(house, monkeypatch, "usage") == (1, [])
    assert capfd.readouterr().err.strip() == "Docker does not answer: there is no socket."


def test_a_house_of_somebody_else_says_so(
    house: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Who may not read the journal is told to use sudo, in one sentence."""

    def closed(state: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(state / "releases" / "current"))

    monkeypatch.setattr(workshop, "is_deployed", closed)
    assert run(house, monkeypatch, "usage") == (1, [])
    assert "run it with sudo." in capfd.readouterr().err


def test_a_house_that_is_not_deployed_is_asked_from_the_host(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rendered files alone are no stack."""
    (house / ".maitre/releases/current").unlink()
    code, become = run(house, monkeypatch, "usage")
    assert (code, become) == (2, [])  # the mistake in its files
