"""The turn when it does not go well: the upstream fails, the guest leaves, a store is down. The books balance."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from maitre.chat import sse
from maitre.errors import BadRequest, ProviderError, Unavailable
from maitre.quota.plan import Plan
from tests.maitre.chat.kitchen import FRANS, FREE, USAGE, Kitchen, Plate, Reply, error_of, limited, text_in

DOWN = "The house cannot check your plan right now, so nothing was asked. Try again in a minute."
BROKE = "The answer broke off before its end. Try again."


async def left(work: Any, kitchen: Kitchen, when: asyncio.Event) -> None:
    """Start the turn, wait for the moment, leave, and let everything settle."""
    task = asyncio.create_task(work)
    await asyncio.wait_for(when.wait(), 5)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    for event in (*kitchen.store.slow.values(), *kitchen.ledger.slow.values()):
        event.set()
    await kitchen.settled()


# ── the upstream ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("fault", "status", "says"),
    [
        (ProviderError("provider_down", status=503), 503, "does not answer right now"),
        (ProviderError("provider_error", status=502, upstream_status=500), 502, "code 500"),
        (BadRequest("too_long"), 400, "too long"),
    ],
)
@pytest.mark.parametrize("streamed", [True, False])
async def test_a_call_that_the_upstream_did_not_take_costs_nothing(
    kitchen: Kitchen, fault: Exception, status: int, says: str, streamed: bool
) -> None:
    """The guest reads what happened, the row says error, and no token is charged."""
    kitchen.model.replies = [Reply(pieces=(), fault=fault)]
    if streamed:
        error = error_of(await kitchen.stream())
        assert error["code"] == status
        assert says in error["message"]
    else:
        with pytest.raises(Exception, match=".") as failed:
            await kitchen.answer()
        assert getattr(failed.value, "status", None) == status
    assert kitchen.rows() == [("turn", "error", True, 0, 0, False)]


@pytest.mark.parametrize("fault", [ProviderError("provider_broke", status=502), RuntimeError("a bug")])
@pytest.mark.parametrize("streamed", [True, False])
async def test_a_call_that_broke_after_it_was_taken_is_charged_its_prompt(
    kitchen: Kitchen, fault: Exception, streamed: bool
) -> None:
    """Nobody knows what the upstream did before its connection ended: the row is an estimate, no exact nothing."""
    kitchen.model.replies = [Reply(pieces=(), fault=fault)]
    if streamed:
        assert error_of(await kitchen.stream())["code"] in (502, 503)
    else:
        with pytest.raises((ProviderError, Unavailable)):
            await kitchen.answer()
    assert kitchen.rows() == [("turn", "error", True, 10, 0, True)]
    await kitchen.check_books()


@pytest.mark.parametrize(
    ("usage", "row"), [({"prompt_tokens": 7, "completion_tokens": 3}, (7, 3, False)), (None, (10, 0, True))]
)
@pytest.mark.parametrize("more", [{"choices": []}, {"error": {"message": "no", "code": 500}}])
async def test_a_whole_answer_without_choices_is_charged_what_it_says(
    kitchen: Kitchen, usage: Any, row: tuple[int, int, bool], more: dict[str, Any]
) -> None:
    """A status of 200 means that the upstream worked: its usage is taken, else the prompt as it was held."""

    class Empty(Reply):
        def whole(self) -> dict[str, Any]:
            return more | ({"usage": usage} if usage else {})

    kitchen.model.replies = [Empty()]
    with pytest.raises(ProviderError):
        await kitchen.answer()
    assert kitchen.rows() == [("turn", "error", True, *row)]
    await kitchen.check_books()


async def test_a_fault_after_some_tokens_charges_what_was_written(kitchen: Kitchen) -> None:
    """The text stays, the error follows it, and the row is an estimate."""
    kitchen.model.replies = [Reply(usage=None, fault=ProviderError("provider_broke", status=502))]
    kitchen.model.text_size = 2
    events = await kitchen.stream()
    assert text_in(events[:-1]) == "Hello there"
    assert error_of(events)["message"] == BROKE
    assert kitchen.rows() == [("turn", "error", True, 10, 2, True)]


@pytest.mark.parametrize(
    ("pieces", "says", "charged"), [((), "code 502", (10, 0, True)), (("Hello",), "broke off", (10, 3, True))]
)
async def test_an_error_event_in_a_stream_is_said_in_our_words(
    kitchen: Kitchen, pieces: tuple[str, ...], says: str, charged: tuple[int, int, bool]
) -> None:
    """The upstream's own error text stays in the log; the guest reads a sentence."""
    raw = [*Reply(pieces=pieces).events(), b'data: {"error": {"message": "CUDA out of memory at /srv/secret"}}']
    kitchen.model.replies = [Reply(raw=raw)]
    kitchen.model.text_size = 3
    events = await kitchen.stream()
    assert says in error_of(events)["message"]
    assert b"CUDA" not in b"".join(events)
    assert kitchen.rows() == [("turn", "error", True, *charged)]
    assert "CUDA" in kitchen.tracer.reports[0].problem


@pytest.mark.parametrize("finish", [None, ""])
async def test_a_stream_without_an_ending_is_broken(kitchen: Kitchen, finish: str | None) -> None:
    """Without a finish_reason nobody knows whether the answer is whole, so the guest is told."""
    kitchen.model.replies = [Reply(finish=finish)]
    assert error_of(await kitchen.stream())["message"] == BROKE
    assert kitchen.rows() == [("turn", "error", True, 7, 2, False)]


async def test_an_odd_chunk_is_never_silent(kitchen: Kitchen) -> None:
    """A chunk that we cannot read ends in a sentence, not in an empty answer."""
    for odd in (b'data: {"choices": [null]}', b'data: {"choices": 5}', b'data: {"choices": [{"delta": "text"}]}'):
        kitchen.model.replies = [Reply(raw=[odd])]
        assert error_of(await kitchen.stream())["code"] in (502, 503)
        kitchen.clock.advance(61)


async def too_long() -> tuple[Kitchen, list[bytes]]:
    """A turn that the house's time limit ends in the middle."""
    kitchen = Kitchen(max_turn_seconds=0.5)
    kitchen.model.replies = [Reply(usage=None, stall=asyncio.Event())]
    return kitchen, await kitchen.stream()


async def test_a_turn_that_takes_too_long_is_ended() -> None:
    """The longest turn is the house's to say; what was written is charged, and the guest reads why."""
    kitchen, events = await too_long()
    assert text_in(events[:-1]) == "Hello there"
    assert error_of(events)["code"] == 504
    assert kitchen.model.closed == 1
    assert kitchen.rows()[0][3:] == (10, 6, True)
    await kitchen.check_books()


async def test_a_turn_that_took_too_long_is_a_failed_one() -> None:
    """Nobody pressed Stop: the row says error, and the trace too."""
    kitchen, _ = await too_long()
    assert kitchen.rows()[0][1] == "error"
    assert kitchen.tracer.reports[0].problem


# ── the guest leaves ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("reply", "text_size", "charged"),
    [
        (Reply(usage=None, stall=asyncio.Event()), 2, (10, 2, True)),
        (Reply(usage=None, stall=asyncio.Event()), None, (10, 6, True)),  # 11 bytes, half a token each
        (Reply(pieces=(), usage=None, stall=asyncio.Event()), 2, (10, 0, True)),
    ],
)
async def test_stop_in_the_middle_charges_what_was_written(
    kitchen: Kitchen, reply: Reply, text_size: int | None, charged: tuple[int, int, bool]
) -> None:
    """The upstream call ends with the guest's, and its row is stopped, estimated, and no more than its hold."""
    reply = replace(reply, stall=asyncio.Event())
    kitchen.model.replies, kitchen.model.text_size = [reply], text_size
    await left(kitchen.stream(), kitchen, kitchen.model.working)
    assert kitchen.rows() == [("turn", "stopped", True, *charged)]
    assert kitchen.model.closed == 1
    assert kitchen.tracer.reports[0].status == "stopped"


async def test_early_usage_is_not_the_whole_usage_after_stop(kitchen: Kitchen) -> None:
    """Some upstreams send the prompt's usage first; what came after it is charged all the same."""
    early = sse.frame({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 0}})
    kitchen.model.replies = [Reply(raw=[early, *Reply(pieces=["word "] * 50).events()], stall=asyncio.Event())]
    await left(kitchen.stream(), kitchen, kitchen.model.working)
    assert kitchen.rows()[0][4] >= 50


async def test_stop_while_the_guest_reads_slowly_ends_the_upstream(kitchen: Kitchen) -> None:
    """A turn that waits for its reader can be cancelled; the upstream's stream is closed with it."""
    reached = asyncio.Event()

    class Slow(Plate):
        async def emit(self, event: bytes) -> None:
            reached.set()
            await asyncio.Event().wait()

    await left(kitchen.turns.stream(kitchen.request(), Slow()), kitchen, reached)
    assert [row[1] for row in kitchen.rows()] == ["stopped"]
    assert kitchen.model.closed == 1


async def test_stop_of_a_whole_answer_charges_what_it_likely_was(kitchen: Kitchen) -> None:
    """Nobody knows how far it went: an API client that hangs up pays the model's usual length, or what was held."""
    kitchen.model.replies = [Reply(stall=asyncio.Event())]
    await left(kitchen.answer(), kitchen, kitchen.model.working)
    assert kitchen.rows() == [("turn", "stopped", True, 10, 100, True)]


@pytest.mark.parametrize(
    ("where", "method"), [("store", "reserve"), ("ledger", "totals"), ("store", "load"), ("ledger", "open")]
)
async def test_stop_during_admission_leaves_nothing(kitchen: Kitchen, where: str, method: str) -> None:
    """Whatever was taken by then is given back: no call, no row, no hold, and the request is not counted."""
    kitchen.registry.offer(limited(FREE, requests_per_minute=1))
    shaky = kitchen.store if where == "store" else kitchen.ledger
    shaky.slow[method] = asyncio.Event()
    await left(kitchen.stream(), kitchen, shaky.waiting)
    assert (kitchen.model.calls, kitchen.books.calls) == ([], {})
    shaky.slow.clear()
    assert text_in(await kitchen.stream()) == "Hello there"


# ── the stores ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("where", "method", "how"),
    [
        ("store", "reserve", "down"),
        ("store", "generation", "down"),
        ("ledger", "totals", "down"),
        ("ledger", "totals", "lost"),
        ("store", "load", "down"),
        ("store", "load", "lost"),
        ("ledger", "open", "down"),
        ("ledger", "open", "lost"),
    ],
)
async def test_with_a_store_down_nothing_is_served(kitchen: Kitchen, where: str, method: str, how: str) -> None:
    """The guest reads a plain sentence, the upstream hears nothing, and nothing stays held or counted."""
    kitchen.registry.offer(limited(FREE, requests_per_minute=1))
    shaky = kitchen.store if where == "store" else kitchen.ledger
    getattr(shaky, how)[method] = 1
    error = error_of(await kitchen.stream())
    assert (error["message"], error["code"]) == (DOWN, 503)
    assert (kitchen.model.calls, kitchen.books.calls) == ([], {})
    assert await kitchen.held() == 0
    assert text_in(await kitchen.stream()) == "Hello there"


async def test_an_outage_is_said_once(kitchen: Kitchen, caplog: pytest.LogCaptureFixture) -> None:
    """Not for each turn that it refuses, but again after a turn was served."""
    for _ in range(2):
        kitchen.store.down["reserve"] = 3
        for _ in range(3):
            assert error_of(await kitchen.stream())["message"] == DOWN
        await kitchen.stream()
    loud = [record for record in caplog.records if record.levelname == "ERROR"]
    assert [record.getMessage().startswith("Nothing is served: ") for record in loud] == [True, True]


async def test_a_reservation_that_was_not_confirmed_is_given_back(kitchen: Kitchen) -> None:
    """A reserve that timed out may have worked; the guest must not pay half a minute for it."""
    kitchen.registry.offer(limited(FREE, requests_per_minute=1))
    totals = await kitchen.books.totals(FRANS, kitchen.clock(), _when(kitchen))
    await kitchen.true_store.load(FRANS, "2026-11-21", totals, await kitchen.true_store.generation(FRANS))
    kitchen.store.lost["reserve"] = 1
    assert error_of(await kitchen.stream())["message"] == DOWN
    assert text_in(await kitchen.stream()) == "Hello there"


def _when(kitchen: Kitchen) -> Any:
    from maitre.quota.window import periods

    return periods(kitchen.clock(), kitchen.turns.terms.zone)


async def test_with_the_accounts_down_nothing_is_served(kitchen: Kitchen) -> None:
    """A whole answer is refused with 503 and the seconds to wait."""
    from tests.maitre.chat.pantry import Shaky

    shaky = Shaky(kitchen.registry)
    shaky.down["arrive"] = 1
    kitchen.turns.reception._accounts = shaky
    with pytest.raises(Unavailable) as refused:
        await kitchen.answer()
    assert (refused.value.key, refused.value.retry_after) == ("store_down", 60)
    assert kitchen.model.calls == []


@pytest.mark.parametrize(
    ("where", "how"), [("ledger", "down"), ("ledger", "lost"), ("store", "down"), ("store", "lost")]
)
async def test_settling_is_repeated_until_the_stores_answer(kitchen: Kitchen, where: str, how: str) -> None:
    """A store that is away for a moment delays the settlement; the guest does not notice, nothing is charged twice."""
    shaky = kitchen.store if where == "store" else kitchen.ledger
    getattr(shaky, how)["settle"] = 2
    assert text_in(await kitchen.stream()) == "Hello there"
    assert kitchen.rows() == [("turn", "done", True, 7, 2, False)]


async def late(kitchen: Kitchen) -> None:
    """A turn whose settlement is under way when its lease ends and the sweep comes."""
    kitchen.ledger.slow["settle"] = asyncio.Event()
    task = asyncio.create_task(kitchen.stream())
    await kitchen.ledger.waiting.wait()
    kitchen.clock.advance(31)
    assert await kitchen.turns.sweep() == 1
    assert [end.status for end in kitchen.books.settled.values()] == ["lost"]
    kitchen.ledger.slow.pop("settle").set()
    await task


async def test_a_late_settlement_replaces_what_the_sweep_charged(kitchen: Kitchen) -> None:
    """As long as the engine lives, what really happened stands in the row, however late."""
    await late(kitchen)
    assert kitchen.rows() == [("turn", "done", True, 7, 2, False)]


async def test_the_live_windows_learn_of_a_late_settlement(kitchen: Kitchen) -> None:
    """After sweep and settlement, ledger and live windows agree about what the call was charged."""
    await late(kitchen)
    await kitchen.stream()
    await kitchen.check_books()


async def test_a_lost_call_is_charged_what_was_relayed(kitchen: Kitchen) -> None:
    """A process that dies leaves a row at its last checkpoint: the prompt, and what the guest had got by then."""
    kitchen.model.replies = [Reply(pieces=["word "] * 20, stall=asyncio.Event())]
    task = asyncio.create_task(kitchen.stream())
    await kitchen.model.working.wait()
    await kitchen.turns.pulse.beat()
    kitchen.clock.advance(31)  # no beat comes any more
    assert await kitchen.turns.sweep() == 1
    (row,) = kitchen.rows()
    assert row[:4] == ("turn", "lost", True, 10)
    assert 20 <= row[4] <= 100
    await left_alone(task, kitchen)


async def left_alone(task: asyncio.Task[Any], kitchen: Kitchen) -> None:
    """End the turn of a test that looked only at its middle."""
    task.cancel()
    await asyncio.wait([task])
    await kitchen.settled()


async def test_a_beat_keeps_holds_and_rows_alive(kitchen: Kitchen) -> None:
    """However long an answer takes, its process' beats keep it from being given up."""
    kitchen.model.replies = [Reply(stall=asyncio.Event())]
    task = asyncio.create_task(kitchen.stream())
    await kitchen.model.working.wait()
    for _ in range(20):
        kitchen.clock.advance(9)
        await kitchen.turns.pulse.beat()
    assert await kitchen.turns.sweep() == 0
    assert await kitchen.held() == 110
    await left_alone(task, kitchen)


async def test_a_wild_upstream_does_not_break_the_books(kitchen: Kitchen) -> None:
    """Usage far above what was allowed is charged as it was told; the day is used up, the books balance."""
    kitchen.registry.offer(Plan("free", "Free", 0, "USD", {"tokens_per_day": 500}, max_answer_tokens=100))
    kitchen.model.replies = [Reply(usage={**USAGE, "completion_tokens": 9_999})]
    await kitchen.stream()
    assert error_of(await kitchen.stream())["code"] == 429
    assert kitchen.rows() == [("turn", "done", True, 7, 9_999, False)]
