"""The soak itself, in little: what `make soak` does for half an hour."""

from __future__ import annotations

import pytest

from tests.soak.house import running
from tests.soak.report import table
from tests.soak.run import soak

MINUTES = 2.0


def test_nothing_grows_and_the_books_agree(capfd: pytest.CaptureFixture[str]) -> None:
    """After two minutes of mixed traffic with people who leave at every moment: memory, tasks, connections and holds
    are what they were, and the ledger says what the upstreams do."""

    def say(text: str) -> None:
        with capfd.disabled():
            print(f"[soak] {text}", flush=True)

    with running() as soaked:
        report = soak(soaked, MINUTES, seed=1, say=say, restarts=False)
    assert not report.broken, table(report)
