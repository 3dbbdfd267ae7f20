"""The service stands by itself."""

from __future__ import annotations

import subprocess
import sys

from tests.test_imports import ROOT, imports

#: Of maitre it may see these; everybody else reaches it over HTTP.
ALLOWED = {"maitre.settings", "maitre.errors", "maitre.sql.statements"}
#: Files that decide without a clock, a loop or a client.
PURE = (
    "access", "answers", "backoff", "callers", "chunk", "chunking", "errors", "filters", "languages", "names", "plain",
    "parsing/parsed", "store/faults", "store/filters", "store/fusion", "store/mmr", "store/nodes", "store/plan",
    "store/tables", "store/words",
)  # fmt: skip


def test_the_service_imports_of_maitre_these_only() -> None:
    """Else it could not run where the engine does not."""
    for file in (ROOT / "rag_service").rglob("*.py"):
        for name in imports(str(file.relative_to(ROOT))):
            if name.split(".")[0] == "maitre":
                assert any(f"{name}.".startswith(f"{one}.") for one in ALLOWED), f"{file.name} imports {name}"


def test_nothing_else_imports_the_service() -> None:
    """The engine, its doors and the operator's commands reach it over HTTP."""
    for folder in ("maitre", "gateway", "pipelines", "provisioning", "commands"):
        for file in (ROOT / folder).rglob("*.py"):
            found = {name.split(".")[0] for name in imports(str(file.relative_to(ROOT)))}
            assert "rag_service" not in found, f"{file} imports rag_service"


def test_its_decisions_are_pure() -> None:
    """Time, ids and rows are arguments."""
    for name in PURE:
        tops = {one.split(".")[0] for one in imports(f"rag_service/{name}.py")}
        assert not tops & {"asyncio", "time", "os", "psycopg", "fastapi", "aiohttp", "uuid"}, name


def test_the_service_starts_without_llamaindex() -> None:
    """Its import takes seconds, in which nobody is answered."""
    code = "import sys, rag_service.app; sys.exit('llama_index' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
