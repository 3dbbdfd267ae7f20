"""The import rules of docs/architecture.md, enforced on the source itself."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OPERATOR = ("commands", "provisioning", "devstack", "cli", "compose", "traefik")
OURS = ("maitre", "pipelines", "gateway", "rag_service", "tests", "benchmarks", *OPERATOR)
TECHNOLOGY = ("redis_", "postgres", "http", "langfuse", "jsonschema", "jsonl", "aesgcm", "telegram")

#: Files of `maitre` that are neither pure nor adapters: the edge, the roots, and the async stories over Protocols.
EDGE = {
    f"maitre/{name}.py"
    for name in (
        "settings",
        "house/assistant_forms",
        "house/files",
        "house/forms",
        "house/nouns",
        "house/references",
        "house/secrets",
        "house/stack_forms",
        "app",
        "books",
        "portal",
        "channel",
        "room",
        "seats",
        "door",
    )
}
#: The composition roots: the engine's and the operator's.
ROOTS = {"maitre/app.py", "maitre/books.py"}
#: Those of the edge that the operator's side may see.
SHOWN = {"maitre/settings.py", "maitre/house/secrets.py", "maitre/house/stack_forms.py", "maitre/books.py"}
STORIES = {
    "maitre/chat/filters.py",
    "maitre/chat/menu.py",
    "maitre/rounds.py",
    "maitre/chat/turn.py",
    "maitre/chat/pulse.py",
    "maitre/chat/wait.py",
    "maitre/chat/calls.py",
    "maitre/chat/embedding.py",
    "maitre/chat/fallback.py",
    "maitre/chat/enquiries.py",
    "maitre/chat/resemblance.py",
    "maitre/routing/likenesses.py",
    "maitre/routing/likenesses_memory.py",
    "maitre/chat/keeping.py",
    "maitre/chat/listener.py",
    "maitre/chat/recall.py",
    "maitre/chat/ground.py",
    "maitre/chat/outlook.py",
    "maitre/chat/giving.py",
    "maitre/chat/rewriting.py",
    "maitre/chat/cited.py",
    "maitre/knowledge/knowledge_memory.py",
    "maitre/knowledge/passage.py",
    "maitre/tools/searching.py",
    "maitre/chat/relevance.py",
    "maitre/chat/summing.py",
    "maitre/memory/sessions.py",
    "maitre/memory/sessions_memory.py",
    "maitre/memory/summaries.py",
    "maitre/memory/summaries_memory.py",
    "maitre/memory/indexing.py",
    "maitre/memory/indexing_memory.py",
    "maitre/memory/index_round.py",
    "maitre/memory/turn_index.py",
    "maitre/memory/turn_index_memory.py",
    "maitre/chat/introduced.py",
    "maitre/chat/tool_loop.py",
    "maitre/chat/tool_sink.py",
    "maitre/tools/toolbox.py",
    "maitre/keys/keys.py",
    "maitre/keys/keys_memory.py",
    "maitre/actions/action.py",
    "maitre/actions/diary.py",
    "maitre/actions/actions_memory.py",
    "maitre/keys/guesses.py",
    "maitre/keys/guesses_memory.py",
    "maitre/queue/room.py",
    "maitre/chat/foreign.py",
    "maitre/chat/holds.py",
    "maitre/chat/reception.py",
    "maitre/chat/settlements.py",
    "maitre/quota/admission.py",
    "maitre/quota/store.py",
    "maitre/quota/memory_store.py",
    "maitre/billing/batch.py",
    "maitre/billing/deposits.py",
    "maitre/billing/deposits_memory.py",
    "maitre/billing/ledger.py",
    "maitre/billing/journals.py",
    "maitre/billing/journals_memory.py",
    "maitre/billing/ledger_journaled.py",
    "maitre/billing/ledger_memory.py",
    "maitre/billing/replay.py",
    "maitre/chat/shown.py",
    "maitre/providers/pool.py",
    "maitre/providers/upstream.py",
    "maitre/providers/provider_keys.py",
    "maitre/providers/provider_keys_memory.py",
    "maitre/queue/line.py",
    "maitre/queue/memory_line.py",
}
MAITRE = sorted(str(file.relative_to(ROOT)) for file in (ROOT / "maitre").rglob("*.py"))


def adapter(path: str) -> bool:
    """Whether the file's name says a technology."""
    return any(word in Path(path).stem for word in TECHNOLOGY)


def imports(path: str) -> set[str]:
    """The modules that a file imports, ours in full, others by their top name; those inside functions too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            if node.module.split(".")[0] in OURS:
                found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name if name.split(".")[0] in OURS else name.split(".")[0] for name in found}


def files_of(names: set[str]) -> set[str]:
    """Those of the modules that are files of `maitre`."""
    paths = {name.replace(".", "/") + ".py" for name in names}
    return {path for path in paths if (ROOT / path).is_file() and path.startswith("maitre/")}


@pytest.mark.parametrize("path", [path for path in MAITRE if path not in EDGE | STORIES and not adapter(path)])
def test_a_pure_file_imports_the_standard_library_errors_and_pure_files(path: str) -> None:
    """No client, no clock, no loop gets into a decision."""
    for name in imports(path):
        top = name.split(".")[0]
        assert top in sys.stdlib_module_names or top == "maitre", f"{path} imports {name}"
        assert top not in ("asyncio", "threading", "subprocess", "socket", "os"), f"{path} imports {name}"
    for other in files_of(imports(path)):
        assert other not in EDGE, f"{path} imports {other}"
        assert not adapter(other), f"{path} imports {other}"
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    if "Protocol" not in imports(path) and not path.endswith("upstream.py"):
        assert not [node for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef)], f"{path} is async"


@pytest.mark.parametrize("path", sorted(STORIES))
def test_a_story_over_protocols_imports_no_adapter(path: str) -> None:
    """The turn and its like see Protocols only."""
    for other in files_of(imports(path)):
        assert not adapter(other), f"{path} imports {other}"
        assert other not in EDGE, f"{path} imports {other}"


def test_only_the_composition_roots_import_adapters() -> None:
    """Whoever wants another store changes one file."""
    sources = [str(file.relative_to(ROOT)) for name in OURS for file in (ROOT / name).rglob("*.py")]
    for path in sources:
        if path in ROOTS or path.startswith("tests/") or adapter(path):
            continue
        # The edge asks the adapter for JSON Schema whether a schema is one.
        asks = path in ("maitre/house/files.py", "maitre/house/references.py")
        allowed = {"maitre/assistants/answer_jsonschema.py"} if asks else set()
        found = {other for other in files_of(imports(path)) if adapter(other)} - allowed
        assert not found, f"{path} imports {found}"


#: Of `compose`: files that decide without a clock, a process, a socket or a disk, and the stories over Protocols.
COMPOSE_PURE = {
    f"compose/{name}.py"
    for name in (
        "layout",
        "running",
        "deploy/course",
        "deploy/ends",
        "deploy/ollama",
        "deploy/plan",
        "deploy/releases",
        "deploy/servers",
        "deploy/steps",
        "deploy/wanted",
        "host/facts",
        "host/finding",
        "host/preflight",
        "render/postgres_init",
        "render/secret_copy",
        "stack/consumers",
        "stack/memory",
    )
}
COMPOSE_STORIES = {"compose/deploy/deploy.py", "compose/deploy/engine.py"}


@pytest.mark.parametrize("path", sorted(COMPOSE_PURE | COMPOSE_STORIES))
def test_what_a_deploy_decides_is_pure(path: str) -> None:
    """A plan and its steps are values, and the story of a deploy sees Protocols only."""
    for name in imports(path):
        top = name.split(".")[0]
        assert top in {*sys.stdlib_module_names, "compose", "maitre"}, f"{path} imports {name}"
        assert top not in ("asyncio", "threading", "subprocess", "socket", "os", "time", "pathlib"), f"{path}: {name}"
        if top == "maitre":
            assert name.startswith("maitre.errors"), f"{path} imports {name}"
        file = name.replace(".", "/") + ".py"
        if (ROOT / file).is_file():
            assert file in COMPOSE_PURE | COMPOSE_STORIES | {"maitre/errors.py"}, f"{path} imports {name}"


def test_nothing_imports_the_operators_side_back() -> None:
    """Doors and the domain run without the command line, the provisioning and the embedded house."""
    for name in ("maitre", "pipelines", "gateway"):
        for file in (ROOT / name).rglob("*.py"):
            tops = {module.split(".")[0] for module in imports(str(file.relative_to(ROOT)))}
            assert not tops & {*OPERATOR, "tests", "benchmarks"}, f"{file.name} imports {tops}"


def test_the_operators_side_sees_settings_errors_books_and_pure_files_only() -> None:
    """An operator's command never reaches around the composition root."""
    for name in OPERATOR:
        for file in [*(ROOT / name).rglob("*.py"), *ROOT.glob(f"{name}.py")]:
            for other in files_of(imports(str(file.relative_to(ROOT)))):
                assert not adapter(other), f"{file} imports {other}"
                assert other not in EDGE - SHOWN, f"{file} imports {other}"


def test_doors_import_the_app_the_portal_and_pure_files() -> None:
    """A plugin file holds no logic and no client of its own."""
    for file in (ROOT / "pipelines").glob("*.py"):
        for name in imports(str(file.relative_to(ROOT))):
            assert name.split(".")[0] in {"maitre", "pydantic", *sys.stdlib_module_names}, f"{file.name}: {name}"
        assert len(file.read_text("utf-8").splitlines()) < 100, f"{file.name} is not short"


#: Files of the edge that a door over HTTP may see.
DOORS = {f"maitre/{name}.py" for name in ("app", "portal", "room", "settings")}

#: Libraries that a door may see: none of them knows a store or an upstream.
TOOLS = {"jwt", "prometheus_client", "yaml"}

#: Files of `gateway` that decide without a clock, a loop or a socket; a signature is checked by PyJWT.
DECISIONS = {f"gateway/{name}.py" for name in ("key_tokens", "keys", "paths", "replays", "user_jwt")}


def test_a_door_over_http_imports_the_app_the_portal_and_pure_files() -> None:
    """It knows no store and no other door; its decisions are pure."""
    for file in (ROOT / "gateway").rglob("*.py"):
        path = str(file.relative_to(ROOT))
        found = imports(path)
        for name in found:
            top = name.split(".")[0]
            assert top in {"maitre", "gateway", *sys.stdlib_module_names} or name in TOOLS, f"{path} imports {name}"
            if path in DECISIONS:
                assert top not in ("asyncio", "threading", "os", "time", "socket"), f"{path} imports {name}"
                assert (
                    top not in ("maitre", "gateway")
                    or name.replace(".", "/") + ".py" in DECISIONS
                    or (name.rpartition(".")[0].replace(".", "/") + ".py" in DECISIONS)
                ), f"{path} imports {name}"
        for other in files_of(found):
            assert not adapter(other), f"{path} imports {other}"
            assert other not in EDGE - DOORS, f"{path} imports {other}"


def test_the_rag_service_sees_the_house_and_its_errors_only() -> None:
    """It runs on any machine, and reaches everybody else over HTTP. How an SQL file is taken apart is nobody's own."""
    for file in (ROOT / "rag_service").rglob("*.py"):
        for name in imports(str(file.relative_to(ROOT))):
            if name.split(".")[0] in OURS:
                seen = ("rag_service", "maitre.settings", "maitre.errors", "maitre.sql.statements")
                assert name.startswith(seen), f"{file} imports {name}"


def test_the_plugins_folder_holds_only_plugin_files() -> None:
    """The server loads every file there, and renames what is no plugin."""
    assert {file.name for file in (ROOT / "pipelines").iterdir() if file.is_file()} == {
        "assistants.py",
        "models.py",
        "quota_filter.py",
        "tracing_filter.py",
    }
