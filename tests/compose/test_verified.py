"""docs/verified.md says of every service whether it was run."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "verified.md").read_text("utf-8")
#: Those that no test here can run: they must never be claimed to work.
NEVER_RUN = {"ollama", "langfuse_web", "langfuse_worker", "clickhouse", "minio", "litellm", "vllm"}


def _rows() -> dict[str, tuple[str, str]]:
    found = re.findall(r"^\| `(\w+)` \| (\w+) \| (.+) \|$", PAGE, re.MULTILINE)
    assert len({name for name, _, _ in found}) == len(found)
    return {name: (how, what) for name, how, what in found}


def test_every_service_has_a_row() -> None:
    """A new service is told to be run or rendered, and one that is gone leaves the page."""
    assert set(_rows()) == {file.stem for file in (ROOT / "compose" / "services").glob("*.yaml")}


def test_what_cannot_be_run_here_is_not_claimed() -> None:
    """A row is `run` or `rendered` and says with what; what no package brings is never `run`."""
    for name, (how, what) in _rows().items():
        assert how in ("run", "rendered"), name
        assert what
        assert how == "rendered" or name not in NEVER_RUN, name
