"""When a breaker opens, lets a probe through, and closes again."""

from __future__ import annotations

from maitre.providers.breaker import AT_LEAST, FIRST, IN_A_ROW, LONGEST, LONGEST_REST, PROBE, RECENT, SHY, Breaker


def opened(now: float = 0.0) -> Breaker:
    """A breaker that has just opened."""
    breaker = Breaker()
    for _ in range(IN_A_ROW):
        assert breaker.state(now) == "closed"
        breaker.failed(now)
    assert breaker.state(now) == "open"
    return breaker


def test_a_success_in_between_keeps_it_closed() -> None:
    """Only failures in a row count, as long as fewer than half fail."""
    breaker = Breaker()
    for _ in range(20):
        breaker.failed(0)
        breaker.succeeded(0)
        breaker.succeeded(0)
    assert breaker.state(0) == "closed"


def test_half_of_many_calls_open_it() -> None:
    """Failures that never come in a row are seen by their rate, among the last minute's only."""
    breaker = Breaker()
    for number in range(AT_LEAST - 1):
        breaker.succeeded(0) if number % 2 else breaker.failed(0)
    assert breaker.state(0) == "closed"
    breaker.failed(RECENT + 1)
    assert breaker.state(RECENT + 1) == "closed"
    breaker = Breaker()
    for number in range(AT_LEAST):
        breaker.succeeded(0) if number % 2 == 0 else breaker.failed(0)
    assert breaker.state(0) == "open"


def test_one_probe_at_a_time_and_its_answer_closes() -> None:
    """The second who asks hears no, until the first one's time is over."""
    breaker = opened()
    assert not breaker.probe(FIRST - 0.1)
    assert breaker.state(FIRST) == "half-open"
    assert [breaker.probe(FIRST) for _ in range(3)] == [True, False, False]
    assert breaker.probe(FIRST + PROBE)
    breaker.answered(FIRST + PROBE)
    assert breaker.state(FIRST + PROBE) == "closed"
    for _ in range(IN_A_ROW - 1):
        breaker.failed(FIRST + PROBE)
    assert breaker.state(FIRST + PROBE) == "closed", "what was before is forgotten"


def test_a_probe_that_fails_opens_it_for_twice_as_long() -> None:
    """Up to a minute; an answer makes the next time short again."""
    breaker, now, period = opened(), 0.0, FIRST
    for _ in range(6):
        now += period
        assert breaker.probe(now)
        breaker.failed(now)
        period = min(LONGEST, period * 2)
        assert breaker.state(now + period - 0.1) == "open"
    assert breaker.state(now + period) == "half-open"
    breaker.answered(now + period)
    for _ in range(IN_A_ROW):
        breaker.failed(now + period)
    assert breaker.state(now + period + FIRST) == "half-open"


def test_what_ends_while_it_is_open_changes_nothing() -> None:
    """Calls that began before are no news."""
    breaker = opened()
    breaker.succeeded(1)
    breaker.failed(1)
    assert (breaker.state(FIRST - 0.1), breaker.state(FIRST)) == ("open", "half-open")


def test_it_rests_as_long_as_it_was_told_to() -> None:
    """Then it is asked again without a probe; a Retry-After of days is one of ten minutes."""
    breaker = Breaker()
    breaker.rest(0, 30)
    breaker.rest(1, 5)
    assert (breaker.state(29), breaker.state(30)) == ("open", "closed")
    breaker.rest(30, 10**9)
    assert breaker.state(30 + LONGEST_REST) == "closed"


def test_a_failure_is_remembered_for_a_moment() -> None:
    """So long another address is chosen rather."""
    breaker = Breaker()
    assert not breaker.shy(0)
    breaker.failed(0)
    assert breaker.shy(SHY - 0.1)
    assert not breaker.shy(SHY)


def test_it_knows_how_many_failures_opened_it() -> None:
    """In a row, or among the calls of the last minute; each try that fails is one more."""
    breaker = opened()
    assert breaker.failures == IN_A_ROW
    breaker.failed(1)
    assert breaker.failures == IN_A_ROW, "a call from before is no try"
    breaker.failed(FIRST)
    assert breaker.failures == IN_A_ROW + 1
    breaker = Breaker()
    for number in range(AT_LEAST):
        breaker.succeeded(0) if number % 2 == 0 else breaker.failed(0)
    assert breaker.failures == AT_LEAST // 2
