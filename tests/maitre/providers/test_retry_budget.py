"""How much may be asked again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from maitre.providers.retry_budget import FLOOR, PERCENT, RECENT, RetryBudget


def test_a_few_may_always_be_repeated() -> None:
    """A provider that is asked seldom has its floor, once a minute."""
    budget = RetryBudget()
    assert [budget.again(0) for _ in range(FLOOR + 1)] == [True] * FLOOR + [False]
    assert not budget.again(RECENT - 1)
    assert budget.again(RECENT)


def test_a_fifth_of_many() -> None:
    """Of a thousand calls of one minute two hundred may be repeated, and of none when they are gone."""
    budget = RetryBudget()
    for number in range(1000):
        budget.asked(number * 0.05)
    assert sum(budget.again(50) for _ in range(1000)) == 1000 * PERCENT // 100
    assert sum(budget.again(200) for _ in range(1000)) == FLOOR


@given(st.lists(st.tuples(st.floats(0, 5), st.booleans()), max_size=300))
def test_never_more_than_a_fifth_and_the_floor(events: list[tuple[float, bool]]) -> None:
    """Whatever happens when, by whole seconds."""
    budget, now, calls, retries = RetryBudget(), 0.0, [], []
    for step, asks in events:
        now += step
        if asks:
            budget.asked(now)
            calls.append(now)
        elif budget.again(now):
            retries.append(now)
            recent = [sum(int(at) > now - RECENT for at in times) for times in (calls, retries)]
            assert recent[1] <= max(FLOOR, recent[0] * PERCENT / 100 + 1)
