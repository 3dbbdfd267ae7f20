"""`cli index`, `cli query` and `cli collections`, on a RAG service in memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import cli
import commands
from commands.query import beneath
from provisioning import indexing
from provisioning.rag_http import Behalf
from tests.provisioning.house import HOUSE, make_house
from tests.provisioning.rag_service import FakeRagService, refused
from tests.provisioning.test_seed import KNOWING

ROOT = Path(__file__).parent.parent.parent
MODULES = ("index", "query", "collections", "collection_jobs", "collection_readers")


class Scene:
    """A house with knowledge, a folder of documents, and a service."""

    def __init__(self, folder: Path) -> None:
        self.house, self.documents = folder / "house", folder / "rules"
        self.house.mkdir()
        self.documents.mkdir()
        make_house(self.house, KNOWING)
        (self.documents / "dogs.md").write_text("One dog.")
        (self.documents / "cats.md").write_text("Two cats.")
        self.service = FakeRagService()
        self.service.add("handbook")
        self.noted: list[tuple[str, str]] = []

    def run(self, *words: str, input: str | None = None) -> Result:
        return CliRunner().invoke(cli.app, [*words, "--house", str(self.house)], input=input)

    def index(self, *words: str) -> Result:
        return self.run("index", str(self.documents), "--collection", "handbook", *words)


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    scene = Scene(tmp_path)
    monkeypatch.setattr(indexing, "PAUSE", 0)
    for name in MODULES:
        module = sys.modules[f"{commands.__name__}.{name}"]
        monkeypatch.setattr(module, "operators", lambda house: scene.service.client())
        if hasattr(module, "noted"):
            monkeypatch.setattr(
                module, "noted", lambda house, what, target, **detail: scene.noted.append((what, target))
            )
    return scene


def test_a_folder_is_indexed_and_then_unchanged(scene: Scene) -> None:
    """Each document has a line, the end is a sentence, and the action log knows of it; again is no work."""
    first, second = scene.index(), scene.index()

    assert first.exit_code == 0
    assert "cats.md: ready, 2 chunks" in first.output
    assert "Documents of handbook: 2 indexed." in first.output
    assert "Documents of handbook: 2 unchanged." in second.output
    assert scene.noted == [("collection.index", "handbook")] * 2


def test_failed_files_are_listed_with_their_sentences(scene: Scene) -> None:
    """The exit code is 1, and what could be indexed is."""
    scene.service.verdicts["dogs.md"] = "The file is a scan."

    result = scene.index()

    assert result.exit_code == 1
    assert "dogs.md: The file is a scan." in result.output
    assert "Documents of handbook: 1 indexed, 1 failed." in result.output


def test_json_is_one_document(scene: Scene) -> None:
    """A machine reads what became of each file, and what was passed by."""
    (scene.documents / ".hidden").write_text("x")

    told = json.loads(scene.index("--json").stdout)

    assert [(one["key"], one["status"], one["done"]) for one in told["documents"]] == [
        ("cats.md", "ready", 2),
        ("dogs.md", "ready", 2),
    ]
    assert (told["collection"], told["pruned"], told["hidden"], told["foreign"]) == ("handbook", [], 1, 0)


def test_without_waiting_the_documents_are_in_line(scene: Scene) -> None:
    """--no-wait asks for no job."""
    result = scene.index("--no-wait")

    assert "Documents of handbook: 2 in line." in result.output
    assert not [path for _, path, _ in scene.service.asked if path.startswith("/jobs")]


def test_prune_removes_what_is_gone(scene: Scene) -> None:
    """A document whose file is gone is removed, one whose file is only passed by is not."""
    scene.index()
    (scene.documents / "dogs.md").unlink()
    (scene.documents / "cats.md").write_bytes(b"\x00")
    (scene.documents / "birds.md").write_text("Three birds.")

    result = scene.index("--prune")

    assert result.exit_code == 0, result.output
    assert scene.service.keys("handbook") == ["birds.md", "cats.md"]
    assert "1 indexed, 1 removed" in result.output


@pytest.mark.parametrize(
    ("emptied", "words", "says"),
    [
        (True, [], "would empty the collection"),
        (False, ["{}/dogs.md"], "compares the collection with a folder"),
    ],
)
def test_prune_never_empties_by_mistake(scene: Scene, emptied: bool, words: list[str], says: str) -> None:
    """A folder that is not mounted and a single file are no reason to remove anything."""
    scene.index()
    paths = [word.format(scene.documents) for word in words] or [str(scene.documents)]
    for file in scene.documents.iterdir() if emptied else ():
        file.unlink()

    result = scene.run("index", *paths, "--collection", "handbook", "--prune")

    assert result.exit_code == 1
    assert says in " ".join(result.output.split())
    assert scene.service.keys("handbook") == ["cats.md", "dogs.md"]


def test_ctrl_c_says_how_to_go_on(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was uploaded is counted, and the same command is the remedy; the exit code is that of Ctrl-C."""

    def stop(*_: Any) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(indexing, "wait", stop)

    result = scene.index()

    assert result.exit_code == 130
    assert "2 of 2 documents are uploaded" in result.output
    assert "The same command goes on" in " ".join(result.output.split())


def test_an_unknown_collection_has_a_remedy(scene: Scene) -> None:
    """The sentence says how to make it; no file is uploaded."""
    result = scene.run("index", str(scene.documents), "--collection", "faq")

    assert result.exit_code == 1
    assert "cli collections create faq" in result.output
    assert scene.service.uploaded == []


def test_a_query_is_a_readable_list(scene: Scene) -> None:
    """Title, page, heading, collection, score and an excerpt of one line; brackets are no markup."""
    result = scene.run("query", "May I bring a dog?", "--collection", "handbook", "--mode", "text", "--limit", "3")

    assert "1 [Dogs] · page 3 · Rules › Pets · handbook  0.5000" in result.output
    assert "One dog x x" in result.output
    assert "…" in result.output
    _, _, body = scene.service.asked[-1]
    assert body == {
        "question": "May I bring a dog?", "collections": ["handbook"], "mode": "text", "limit": 3, "answer": False
    }  # fmt: skip


@pytest.mark.parametrize(
    ("title", "heading", "shown"),
    [
        ("Dogs", "Dogs", ""),
        ("Dogs", "Dogs › Leashes", "Leashes"),
        ("Dogs", "Rules › Dogs", "Rules › Dogs"),
        ("", "", ""),
    ],
)
def test_a_title_is_not_told_twice(title: str, heading: str, shown: str) -> None:
    """A document's own heading is its title, so only those beneath it are shown after it."""
    assert beneath(title, heading) == shown


def test_an_answer_stands_above_its_passages(scene: Scene) -> None:
    """The model and the numbers of its passages are named."""
    result = scene.run("query", "Dogs?", "--answer", "--model", "models.small")

    assert result.output.startswith("One dog [1].\nsmall, from [1]\n")
    assert scene.service.asked[-1][2]["model"] == "models.small"


def test_a_guest_sees_what_they_may(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """--as asks on behalf of that guest, with their groups, and not as the operator."""
    fran = Behalf("u2", "fran@x.io", ("coaches",))
    monkeypatch.setattr(sys.modules["commands.query"], "guests", lambda house, who: scene.service.client(fran))

    assert scene.run("query", "Dogs?", "--as", "fran@x.io", "--json").exit_code == 0

    claims = scene.service.claims[-1]
    assert (claims["sub"], claims["groups"], claims["operator"]) == ("u2", ["coaches"], False)


def test_a_collection_from_its_making_to_its_end(scene: Scene) -> None:
    """Made, listed, shown, indexed anew, and deleted once somebody says yes."""
    made = scene.run(
        "collections", "create", "faq", "--title", "Questions", "--language", "english", "--group", "coaches"
    )
    assert made.exit_code == 0, made.output
    assert "Questions" in scene.run("collections", "list").output
    scene.run("index", str(scene.documents), "--collection", "faq")
    shown = scene.run("collections", "show", "faq").output
    assert "Readers: group coaches." in shown
    assert "cats.md" in shown
    assert "1 document in line" in scene.run("collections", "re-index", "faq", "--document", "cats.md").output

    kept = scene.run("collections", "delete", "faq", input="n\n")
    assert (kept.exit_code, "faq" in scene.service.shown) == (1, True)
    gone = scene.run("collections", "delete", "faq", "--yes")
    assert "The collection faq is gone, with 2 documents." in gone.output
    assert "faq" not in scene.service.shown


def test_jobs_are_shown_and_cancelled(scene: Scene) -> None:
    """What is in line or has failed has a line with its job, by which it can be cancelled."""
    scene.service.stuck = True
    scene.index("--no-wait")
    jobs = json.loads(scene.run("collections", "jobs", "handbook", "--json").stdout)
    assert [(one["key"], one["status"]) for one in jobs] == [("cats.md", "waiting"), ("dogs.md", "waiting")]

    assert "2 jobs cancelled." in scene.run("collections", "cancel", *(one["job"] for one in jobs)).output

    assert "Nothing is being done" in scene.run("collections", "jobs", "handbook").output


def test_readers_are_added_and_taken_away(scene: Scene) -> None:
    """Only those that were named change; naming nobody is a mistake."""
    scene.run("collections", "grant", "handbook", "--user", "Nina@x.io", "--group", "coaches", "--everyone")
    scene.run("collections", "revoke", "handbook", "--everyone", "--group", "others")
    nobody = scene.run("collections", "grant", "handbook")

    assert scene.service.shown["handbook"]["readers"] == {
        "everyone": False, "users": ["nina@x.io"], "groups": ["coaches"], "assistants": []
    }  # fmt: skip
    assert nobody.exit_code == 1


@pytest.mark.parametrize("piped", [False, True])
def test_a_table_is_imported(scene: Scene, piped: bool) -> None:
    """The service is told where it is, by an option or a pipe, and its job is waited for; a password is in no
    sentence."""
    url = "postgresql://a:pa55@db/x"
    words = ["collections", "import", "chunks", "--collection", "handbook"]
    result = scene.run(*words, input=f"{url}\n") if piped else scene.run(*words, "--dsn", url)

    assert "2 chunks imported into handbook." in result.output
    assert "pa55" not in result.output
    assert ("POST", "/collections/handbook/import") in scene.service.written


def test_an_import_without_a_database_is_refused(scene: Scene) -> None:
    """One sentence says what is missing, and the service is not asked."""
    result = scene.run("collections", "import", "chunks", "--collection", "handbook", input="")

    assert (result.exit_code, scene.service.written) == (1, [])
    assert "--dsn URL" in result.output


def test_a_refusal_of_the_service_is_one_sentence(scene: Scene) -> None:
    """No traceback, and exit code 1."""
    scene.service.before = lambda method, path: refused(503, "unavailable", "The database does not answer.")

    result = scene.run("collections", "list")

    assert (result.exit_code, result.output) == (1, "The database does not answer.\n")


@pytest.mark.parametrize(
    "words",
    [
        ["index", "x", "--collection", "a"],
        ["query", "x"],
        *(["collections", *words.split()] for words in (
            "list", "show a", "create a", "delete a", "re-index a", "jobs a", "cancel 1", "grant a --everyone",
            "revoke a --everyone", "import t --collection a --dsn postgresql://x",
        )),
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_house_without_knowledge_says_what_to_do(tmp_path: Path, words: list[str]) -> None:
    """Each command ends with one sentence and exit code 1."""
    make_house(tmp_path, HOUSE)

    result = CliRunner().invoke(cli.app, [*words, "--house", str(tmp_path)])

    assert result.exit_code == 1
    assert "This house has no knowledge: maitre.yaml needs a section `rag:`" in " ".join(result.output.split())


def test_the_command_line_loads_nothing_of_the_service() -> None:
    """`cli --help` is quick, and works where the service's packages are not installed."""
    script = "import sys, cli; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True).stdout

    assert not {"llama_index", "rag_service", "psycopg", "procrastinate"} & set(loaded.split())
