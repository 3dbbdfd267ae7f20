"""The order of the line: fair by weight for any arrivals, first come first served within a user, no seat empty."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maitre.queue import fair
from maitre.queue.fair import State
from tests.maitre.queue.people import AT_NOON, Desk, capacity, ticket

WEIGHTS = st.sampled_from([1, 1, 1, 2, 3, 4, 8, 20])


def test_a_user_alone_is_served_in_order_of_arrival() -> None:
    """First in, first out."""
    desk = Desk()
    ids = [f"t{number}" for number in range(9)]
    for id in ids:
        desk.come(ticket(id=id))
    desk.serve(9)
    assert [one.id for one in desk.served] == ids


def test_ten_requests_of_one_user_do_not_delay_another() -> None:
    """Whoever asks once is next but one, however long the other's line is."""
    desk = Desk()
    for _ in range(10):
        desk.come(ticket("ann"))
    desk.come(ticket("bob", "bob's"))
    assert "bob" in desk.serve(2)


@pytest.mark.parametrize(("heavy", "slots"), [(4, 1), (4, 5), (3, 1), (10, 2)])
def test_shares_converge_to_the_weights(heavy: int, slots: int) -> None:
    """With weights 4:1 and both always waiting, the served shares are 4:1 within 10 %."""
    desk = Desk(slots)
    for _ in range(60 * heavy):
        desk.come(ticket("pro", weight=heavy))
        desk.come(ticket("free"))
    counts = Counter(desk.serve(50 * (heavy + 1)))
    assert counts["pro"] / counts["free"] == pytest.approx(heavy, rel=0.1)
    # And on the way too: no round is without a turn of either, or with more than one too many.
    for start in range(10, 10 + 40 * heavy):
        assert 1 <= [one.user_id for one in desk.served[start : start + heavy + 2]].count("free") <= 2


@given(
    slots=st.integers(1, 4),
    weights=st.lists(WEIGHTS, min_size=1, max_size=8),
    events=st.lists(st.tuples(st.sampled_from(["come", "come", "end", "end", "give up"]), st.integers(0, 40))),
)
@settings(max_examples=400, deadline=None)
def test_nobody_waits_longer_than_the_share_says(slots: int, weights: list[int], events: list[tuple[str, int]]) -> None:
    """Whatever comes and goes: once a user's turn has started, at most Σ(weights) / own weight turns of the others
    come before it; counted from the end of the user's own turn before, at most twice as many (that turn may have
    come early). No seat is empty while somebody waits."""
    desk = Desk(slots)
    total = sum(weights)
    begun: dict[str, int] = {}
    head: dict[str, int] = {}
    turns = 0
    for what, number in [*events, *[("end", 0)] * 400]:
        before = len(desk.served)
        waiting = {id: place.ticket for id, place in desk.state.waiting.items()}
        if what == "come":
            user = number % len(weights)
            desk.come(ticket(f"u{user}", weight=weights[user]))
        elif what == "end" and desk.state.seated:
            desk.go(list(desk.state.seated)[number % len(desk.state.seated)])
        elif what == "give up" and waiting:
            desk.go(list(waiting)[number % len(waiting)])
        for one in desk.served[before:]:
            share = total / one.weight
            assert turns - begun.pop(one.user_id, turns) <= share
            assert turns - head.pop(one.user_id, turns) <= 2 * share
            turns += 1
        for user_id, guest in desk.state.guests.items():
            if guest.start is None:
                begun.pop(user_id, None)
                head.pop(user_id, None)
                continue
            head.setdefault(user_id, turns)
            if guest.start <= desk.state.virtual + fair.ROUNDING:
                begun.setdefault(user_id, turns)
        assert len(desk.state.seated) == slots or not desk.state.waiting
        assert len(desk.state.seated) <= slots
    assert not desk.state.waiting
    own: dict[str, list[int]] = {}
    for one in desk.served:
        own.setdefault(one.user_id, []).append(int(one.id.split("-")[1]))
    assert all(numbers == sorted(numbers) for numbers in own.values())


@given(
    weights=st.lists(WEIGHTS, min_size=2, max_size=6),
    tickets=st.lists(st.integers(0, 5), min_size=1, max_size=25),
    served=st.integers(0, 5),
)
@settings(max_examples=200, deadline=None)
def test_the_shown_order_is_the_order_of_service(weights: list[int], tickets: list[int], served: int) -> None:
    """If nobody else comes, everybody is seated exactly in the order that was told."""
    desk = Desk()
    for number in tickets:
        user = number % len(weights)
        desk.come(ticket(f"u{user}", weight=weights[user]))
    desk.serve(min(served, len(tickets) - 1))
    told = fair.order(desk.state)
    before = len(desk.served)
    desk.serve(len(told))
    assert [one.id for one in desk.served[before:]] == told


def test_a_simulated_day_starves_nobody() -> None:
    """100 accounts of several weights, five at once, more than the house can take all day: everybody is served, no
    turn comes later than the bound, and accounts of one weight get the same within two turns."""
    random = Random(7)
    weights = {f"u{number}": 4 if number < 10 else 2 if number < 30 else 1 for number in range(100)}
    desk, now, turns = Desk(5), AT_NOON, 0
    ends: dict[str, int] = {}
    asked: dict[str, int] = {}
    longest: dict[str, int] = {}
    served: Counter[str] = Counter()
    for user, weight in weights.items():
        desk.come(ticket(user, weight=weight), now)
    while now < AT_NOON + 24 * 3600 * 1000:
        for one in desk.served[turns:]:
            served[one.user_id] += 1
            longest[one.user_id] = max(longest.get(one.user_id, 0), turns - asked.get(one.user_id, 0))
            ends[one.id] = now + int(random.lognormvariate(9.5, 0.9))
            turns += 1
        id = min(ends, key=lambda one: ends[one])
        now = ends.pop(id)
        user = desk.state.seated[id].ticket.user_id
        desk.go(id, now)
        asked[user] = turns
        desk.come(ticket(user, weight=weights[user]), now)
    total = sum(weights.values())
    assert turns > 10_000
    assert set(served) == set(weights)
    for user, weight in weights.items():
        assert longest[user] <= 2 * total / weight
    for weight in (1, 2, 4):
        counts = [served[user] for user in weights if weights[user] == weight]
        assert max(counts) - min(counts) <= 0.05 * max(counts)


def test_a_large_request_is_not_passed_by_small_ones() -> None:
    """The next in line waits for room of tokens, and gets it; where nobody sits, even the largest one may."""
    desk = Desk(3, max_tokens_in_flight=100)
    desk.come(ticket("ann", "a", tokens=60))
    desk.come(ticket("bob", "b", tokens=500))
    assert desk.come(ticket("cid", "c", tokens=10)) == []
    assert desk.go("a") == ["b"]
    assert desk.go("b") == ["c"]


def test_as_many_tokens_as_there_is_room_for() -> None:
    """The sum of the seated tickets' tokens stays within the limit."""
    desk = Desk(9, max_tokens_in_flight=100)
    for user in ("ann", "bob", "cid"):
        desk.come(ticket(user, user, tokens=50))
    assert list(desk.state.seated) == ["ann", "bob"]


def test_a_users_weight_is_that_of_the_newest_ticket() -> None:
    """Whoever gets a better plan while waiting is served by it."""
    desk = Desk()
    desk.come(ticket("first"))
    for user in ("ann", "bob"):
        for _ in range(4):
            desk.come(ticket(user))
    desk.come(ticket("bob", weight=8))
    assert desk.serve(5).count("bob") == 4


def test_more_than_a_user_may_wait_with_is_full() -> None:
    """Two may wait; the third did not enter, and enters when one has left."""
    places = capacity(1, max_waiting_per_user=2)
    state = State(born=AT_NOON)
    for id, taken in (("a", True), ("b", True), ("c", True), ("d", False)):
        assert fair.enter(state, places, ticket(id=id), AT_NOON) is taken
        fair.seat(state, places, AT_NOON)
    assert fair.enter(state, places, ticket("bob"), AT_NOON)
    fair.leave(state, "b", AT_NOON)
    assert fair.enter(state, places, ticket(id="d"), AT_NOON)


def test_nobody_may_wait_but_a_free_seat_is_taken() -> None:
    """A user who may not wait at all is still seated where there is a seat."""
    places = capacity(1, max_waiting_per_user=0)
    state = State(born=AT_NOON)
    assert fair.enter(state, places, ticket(id="a"), AT_NOON)
    assert fair.seat(state, places, AT_NOON) == ["a"]
    assert not fair.enter(state, places, ticket(id="b"), AT_NOON)
