"""What a waiting guest is shown: a position that does not grow without a reason, and a time in steps."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from maitre.queue.line import Waiting
from maitre.queue.shown import Shown, in_steps, shown
from maitre.queue.standing import line_of
from tests.maitre.queue.people import AT_NOON, Desk, ticket


@given(
    slots=st.integers(1, 3),
    events=st.lists(
        st.tuples(st.sampled_from(["come", "come", "end", "give up"]), st.integers(0, 9), st.sampled_from([1, 2, 5])),
        max_size=60,
    ),
)
@settings(max_examples=300, deadline=None)
def test_a_shown_position_grows_only_when_somebody_heavier_came(slots: int, events: list[tuple[str, int, int]]) -> None:
    """Whatever comes and goes, a guest moves back only after the arrival of a ticket that weighs more, and never
    further than the true position."""
    desk = Desk(slots)
    last: dict[str, Shown] = {}
    for what, number, weight in events:
        came = 0
        if what == "come":
            desk.come(ticket(f"u{number % 5}", weight=weight))
            came = weight
        elif what == "end" and desk.state.seated:
            desk.go(list(desk.state.seated)[number % len(desk.state.seated)])
        elif what == "give up" and desk.state.waiting:
            desk.go(list(desk.state.waiting)[number % len(desk.state.waiting)])
        for id, waiting in line_of(desk.state, {}, AT_NOON).items():
            own = desk.state.guests[desk.state.waiting[id].ticket.user_id].weight
            before, last[id] = last.get(id), shown(last.get(id), waiting)
            assert last[id].position <= waiting.position
            if before is not None and last[id].position > before.position:
                assert came > own


def test_a_heavier_one_that_came_before_is_no_reason_twice() -> None:
    """Who has been moved back once by an arrival is not moved back again for it."""
    first = shown(None, Waiting(2, None, 1, 0, 6))
    second = shown(first, Waiting(3, None, 1, 7, 8))
    assert second.position == 3
    assert shown(shown(second, Waiting(2, None, 1, 0, 9)), Waiting(3, None, 1, 7, 9)).position == 2


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_steps_keep_the_order_and_are_near(one: float, other: float) -> None:
    """A longer time is never said to be shorter, and what is said is within a third of what is meant."""
    assert in_steps(min(one, other)) <= in_steps(max(one, other))
    for seconds in (one, other):
        assert in_steps(seconds) == 0 if seconds < 10 else abs(in_steps(seconds) - seconds) <= seconds / 3
