"""How long a job waits for its next attempt."""

from __future__ import annotations

import pytest

from rag_service.backoff import LONGEST, PATIENCE, pause

#: attempt, last, what the upstream wants → seconds, or None for no further attempt.
CASES = [
    (1, 12, None, 2),
    (2, 12, None, 4),
    (11, 12, None, LONGEST),
    (5000, 6000, None, LONGEST),
    (12, 12, None, None),
    (13, 12, None, None),
    (12, 12, 1.0, None),
    (1, 12, 0.0, 1),
    (1, 12, 0.2, 1),
    (1, 12, 7.0, 7),
    (1, 12, 7.2, 8),
    (1, 12, float(PATIENCE), PATIENCE),
    (1, 12, PATIENCE + 1.0, None),
]


@pytest.mark.parametrize(("attempt", "last", "wanted", "seconds"), CASES)
def test_pauses_grow_to_a_bound_and_obey_the_upstream(
    attempt: int, last: int, wanted: float | None, seconds: int | None
) -> None:
    """Never sooner than the upstream said, never after the last attempt, never for hours."""
    assert pause(attempt, last, wanted) == seconds
