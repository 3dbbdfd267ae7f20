"""Wrong keys are counted by their origin, for all processes together."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest

from maitre.keys.guesses import Failures, Guesses
from maitre.keys.guesses_memory import MemoryFailures
from maitre.keys.redis_guesses import RedisFailures
from maitre.valkey.redis_wire import Valkey

pytestmark = pytest.mark.contract


@pytest.fixture(params=["memory", "valkey"])
async def failures(request: pytest.FixtureRequest) -> AsyncIterator[Failures]:
    """Nothing is counted yet."""
    if request.param == "memory":
        yield MemoryFailures(lambda: 0.0)
        return
    valkey = Valkey(request.getfixturevalue("valkey_url"))
    yield RedisFailures(valkey, prefix=f"t-{uuid.uuid4().hex[:12]}")
    await valkey.close()


async def test_failures_are_counted_by_origin_and_forgotten_after_a_minute(failures: Failures) -> None:
    """Each origin has its own count, and a minute from its first failure."""
    counts = [await failures.count(origin) for origin in ("a", "a", "b", "a", "")]
    assert [count for count, _ in counts] == [1, 2, 1, 3, 1]
    assert all(0 < left <= 60 for _, left in counts)


async def test_whoever_guesses_too_often_waits(failures: Failures) -> None:
    """The last one that is borne is an ordinary failure; from the next on the address waits, and no other does."""
    guesses = Guesses(failures, 3, lambda: 0.0)
    assert [await guesses.failed("192.0.2.1") for _ in range(3)] == [0, 0, 0]
    assert guesses.wait("192.0.2.1") == 0
    assert 0 < await guesses.failed("192.0.2.1") <= 60
    assert 0 < guesses.wait("192.0.2.1") <= 60
    assert guesses.wait("192.0.2.2") == 0


async def test_processes_count_together(failures: Failures) -> None:
    """The second process bears no failures of its own."""
    first, second = (Guesses(failures, 3, lambda: 0.0) for _ in range(2))
    for _ in range(3):
        assert await first.failed("2001:db8::1") == 0
    assert await second.failed("2001:db8::2") > 0
    assert second.wait("2001:db8::3") > 0
    assert first.wait("2001:db8::1") == 0


async def test_an_address_is_let_go_when_its_minute_is_over() -> None:
    """By the clock of the process, and counted anew by that of the store."""
    now = [0.0]
    guesses = Guesses(MemoryFailures(lambda: now[0]), 1, lambda: now[0])
    assert [await guesses.failed("a") for _ in range(2)] == [0, 60]
    now[0] = 59.5
    assert guesses.wait("a") == 1
    now[0] = 60.0
    assert guesses.wait("a") == 0
    assert await guesses.failed("a") == 0
