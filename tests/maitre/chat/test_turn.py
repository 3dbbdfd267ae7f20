"""The turn: streamed and whole answers, who may have what, and how large an answer may be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from maitre.chat import sse
from maitre.chat.message import Guest
from maitre.errors import BadRequest, QuotaExceeded, UnknownModel
from maitre.quota.plan import Plan
from tests.maitre.chat.kitchen import COACH, FREE, SMALL, USAGE, Kitchen, Reply, error_of, limited, text_in
from tests.maitre.chat.pantry import NOON

#: What every chunk of a guest's stream begins with, by the turn's id.
HEAD = {"object": "chat.completion.chunk", "created": int(NOON.timestamp()), "model": "assistants.coach"}


def as_shown(events: Sequence[bytes], turn_id: str = "a" * 32) -> list[dict[str, Any]]:
    """What a guest gets of the upstream's events."""
    told = [sse.payload(event) or {} for event in events]
    return [{"id": f"chatcmpl-{turn_id}", **HEAD, **one} for one in told]


async def test_a_stream_is_relayed_in_order(kitchen: Kitchen) -> None:
    """The guest gets what the upstream said, event by event, under our id and model; the books have one row."""
    pieces = [f"piece {number} ї" for number in range(50)]
    reply = Reply(pieces=pieces, usage={**USAGE, "completion_tokens": 50, "total_tokens": 57})
    kitchen.model.replies = [reply]
    events = await kitchen.stream(stamp=kitchen.stamp())
    assert [sse.payload(event) for event in events] == as_shown([*reply.events(), *reply.ending()])
    assert kitchen.rows() == [("turn", "done", True, 7, 50, False)]


async def test_events_that_are_no_chunks_stay_behind(kitchen: Kitchen) -> None:
    """What we do not understand no guest gets, and no browser an event that we did not make."""
    finish = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}'
    raw = [b'data: {"event":{"type":"status"}}', b"data: not json", b"data:  [1]", b'data:{"choices":[]}', finish]
    kitchen.model.replies = [Reply(raw=raw)]
    events = await kitchen.stream(stamp=kitchen.stamp())
    assert [sse.payload(event) for event in events] == as_shown([finish])


async def test_a_whole_answer_is_the_upstreams(kitchen: Kitchen) -> None:
    """Without a stream the upstream's answer comes back under our id and model, and nothing else of its own."""

    class Talkative(Reply):
        def whole(self) -> dict[str, Any]:
            return {**super().whole(), "id": "gen-1", "model": "secret", "provider": "X", "system_fingerprint": "b0"}

    kitchen.model.replies = [Talkative()]
    answer = await kitchen.answer(stamp=kitchen.stamp())
    head = {**HEAD, "id": f"chatcmpl-{'a' * 32}", "object": "chat.completion"}
    assert answer == {**head, **Reply().whole()}
    assert kitchen.rows() == [("turn", "done", True, 7, 2, False)]


async def test_a_row_says_who_what_where_and_what_it_cost(kitchen: Kitchen) -> None:
    """Every column of the row follows from the turn; the cost from the price table."""
    await kitchen.stream(stamp=kitchen.stamp(chat_id="c1", browser=True))
    ((request_id, call),) = kitchen.books.calls.items()
    assert kitchen.model.calls[0][0] == request_id == call.request_id
    assert (call.turn_id, call.trace_id, call.chat_id, call.door) == ("a" * 32, "a" * 32, "c1", "browser")
    assert (call.user_id, call.plan, call.assistant, call.provider, call.model) == (
        "u1",
        "free",
        "coach",
        "local",
        "small",
    )
    assert (call.at, call.currency, call.held_prompt, call.held_completion) == (NOON, "USD", 10, 100)
    end = kitchen.books.settled[request_id]
    assert (end.cost, end.price_version, end.status) == (7 * 1000 + 2 * 2000, "v1", "done")


@pytest.mark.parametrize(("browser", "sent"), [(True, True), (False, False)])
async def test_our_own_usage_goes_to_browsers_only(kitchen: Kitchen, browser: bool, sent: bool) -> None:
    """Where the upstream counted nothing we count, and tell Open WebUI's browser chats; an API stream stays pure."""
    kitchen.model.replies = [Reply(usage=None)]
    kitchen.model.text_size = 3
    events = await kitchen.stream(stamp=kitchen.stamp(browser=browser))
    assert (sse.payload(events[-1]) or {}).get("usage") == (
        {"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13} if sent else None
    )
    assert kitchen.rows() == [("turn", "done", True, 10, 3, True)]


async def test_a_whole_answer_without_usage_gets_ours(kitchen: Kitchen) -> None:
    """Counted by us, marked estimated in the books, and never more than the clamp allowed."""
    kitchen.model.replies = [Reply(pieces=["x" * 1000], usage=None)]
    answer = await kitchen.answer()
    assert answer["usage"] == {"prompt_tokens": 10, "completion_tokens": 100, "total_tokens": 110}
    assert kitchen.rows() == [("turn", "done", True, 10, 100, True)]


async def test_a_full_window_is_one_sentence_and_no_call(kitchen: Kitchen) -> None:
    """The sixth request of a minute is refused in words, with the moment; the model hears nothing of it."""
    for _ in range(5):
        await kitchen.stream()
    error = error_of(await kitchen.stream(stamp=kitchen.stamp("b" * 32)))
    assert (error["code"], error["type"]) == (429, "rate_limit_error")
    assert (
        error["message"]
        == "You have used the Free plan's requests for this minute (limit: 5). You can ask again at 12:01:00."
    )
    assert len(kitchen.model.calls) == 5


async def test_a_whole_answer_is_refused_by_an_error(kitchen: Kitchen) -> None:
    """The API client's 429 has the seconds to wait; the guest's language is the stamp's."""
    kitchen.registry.offer(limited(FREE, tokens_per_day=50))
    request = kitchen.request(stamp=kitchen.stamp(language="uk-UA"))
    with pytest.raises(QuotaExceeded) as refused:
        await kitchen.turns.answer(request)
    assert refused.value.retry_after == 12 * 3600
    assert kitchen.turns.sentence(refused.value, request).startswith("Токенів плану Free на сьогодні не вистачає")
    assert kitchen.model.calls == []


@pytest.mark.parametrize(
    ("plan", "params", "kind", "sent"),
    [
        (FREE, {}, "turn", 100),
        (FREE, {"max_tokens": 40}, "turn", 40),
        (FREE, {"max_tokens": 4000}, "turn", 100),
        (FREE, {"max_completion_tokens": 40}, "turn", 40),
        (FREE, {"max_tokens": -1}, "turn", 100),
        (FREE, {}, "task", 30),
        (FREE, {"max_tokens": 20}, "task", 20),
        (replace(FREE, max_answer_tokens=16), {}, "task", 16),
    ],
)
async def test_the_largest_answer_is_clamped(
    kitchen: Kitchen, plan: Plan, params: dict[str, int], kind: str, sent: int
) -> None:
    """The smallest of plan, client and task limit goes upstream, and exactly that is held."""
    kitchen.registry.offer(plan)
    await kitchen.stream(stamp=kitchen.stamp(kind=kind), **params)
    assert kitchen.model.calls[0][1]["max_tokens"] == sent
    (call,) = kitchen.books.calls.values()
    assert call.held_completion == sent


async def test_a_context_leaves_room_for_an_answer_or_is_too_long(kitchen: Kitchen) -> None:
    """Prompt and answer fit the model's context together; a prompt that leaves no room is refused at once."""
    kitchen.models["small"] = replace(SMALL, context=64)
    kitchen.model.prompt_size = 40
    await kitchen.stream()
    assert kitchen.model.calls[0][1]["max_tokens"] == 24
    for size, text in ((49, "Hello"), (10, "x" * 2000)):
        kitchen.model.prompt_size = size
        with pytest.raises(BadRequest) as refused:
            await kitchen.answer(text)
        assert refused.value.key == "too_long"
    assert len(kitchen.model.calls) == 1


async def test_without_a_tokenizer_the_prompt_is_estimated_and_then_learned(kitchen: Kitchen) -> None:
    """The first hold is cautious; after an answer with usage the next is closer, and still above the truth."""
    kitchen.model.prompt_size = None
    kitchen.model.replies = [Reply(usage={"prompt_tokens": 250, "completion_tokens": 2})]
    text = "x" * (1000 - len("You coach."))
    await kitchen.stream(text)
    await kitchen.stream(text)
    first, second = (call.held_prompt for call in kitchen.books.calls.values())
    assert first >= 500
    assert 250 <= second < 300


async def test_a_picture_counts_where_there_is_a_tokenizer_too(kitchen: Kitchen) -> None:
    """A tokenizer sees a picture as one mark; the hold has what a picture costs."""
    kitchen.registry.offer(Plan("free", "Free", 0, "USD", max_answer_tokens=100))
    picture = {"type": "image_url", "image_url": {"url": "data:,"}}
    await kitchen.stream([{"type": "text", "text": "What is it?"}, picture])
    assert next(iter(kitchen.books.calls.values())).held_prompt == 10 + 1105


async def test_a_picture_does_not_spoil_what_is_learned_of_text(kitchen: Kitchen) -> None:
    """After one picture with few words, a text must not be held at many times its size."""
    kitchen.model.prompt_size = None
    kitchen.model.replies = [Reply(usage={"prompt_tokens": 1110, "completion_tokens": 2})]
    picture = {"type": "image_url", "image_url": {"url": "data:,"}}
    await kitchen.stream([{"type": "text", "text": "What is it?"}, picture])
    await kitchen.stream("x" * 1000)
    assert list(kitchen.books.calls.values())[1].held_prompt < 700


@pytest.mark.parametrize(
    ("model", "plan", "key"),
    [
        ("assistants.nobody", "free", "unknown_model"),
        ("models.nobody", "free", "unknown_model"),
        ("nobody", "free", "unknown_model"),
        ("", "free", "unknown_model"),
        ("assistants.off", "free", "unknown_model"),
        ("assistants.refused", "free", "unknown_model"),
        ("assistants.rich", "free", "not_in_plan"),
        ("models.small", "poor", "not_in_plan"),
    ],
)
async def test_what_a_plan_does_not_have_is_refused(kitchen: Kitchen, model: str, plan: str, key: str) -> None:
    """A disabled or unknown assistant, or another plan's, is a 404 in words and no call."""
    kitchen.registry.offer(
        replace(COACH, slug="off", enabled=False),
        replace(COACH, slug="rich", plans=("business",)),
        Plan("poor", "Poor", 0, "USD"),
    )
    kitchen.registry.plans_of["u1"] = plan
    with pytest.raises(UnknownModel) as refused:
        await kitchen.answer(model=model)
    assert (refused.value.key, refused.value.status) == (key, 404)
    assert error_of(await kitchen.stream(model=model))["code"] == 404
    assert kitchen.model.calls == []


async def test_a_guest_without_a_plan_has_the_houses_default_or_nothing(kitchen: Kitchen) -> None:
    """The default plan serves; without one a sentence does."""
    await kitchen.stream(guest=Guest("u1", "", ""))
    kitchen.registry.plans_of["u1"] = "a plan that was removed"
    await kitchen.stream()
    assert [call.plan for call in kitchen.books.calls.values()] == ["free", "free"]
    strict = Kitchen(default_plan=None)
    assert error_of(await strict.stream())["message"] == "Your account has no plan yet. Ask the administrator for one."
    assert strict.model.calls == []


async def test_changes_of_the_catalogue_are_seen_at_once(kitchen: Kitchen) -> None:
    """The next turn after `cli seed` obeys it; while nothing changes nothing is read again."""
    await kitchen.stream()
    await kitchen.stream()
    assert kitchen.registry.reads == 1
    kitchen.registry.offer(
        limited(replace(FREE, name="Gratis"), requests_per_minute=2), replace(COACH, prompt="You shout.")
    )
    assert "Gratis" in error_of(await kitchen.stream())["message"]
    kitchen.clock.advance(61)
    await kitchen.stream()
    assert kitchen.model.calls[-1][1]["messages"][0]["content"] == "You shout."
    assert kitchen.registry.reads == 2


async def test_a_plain_model_is_served_without_an_assistant(kitchen: Kitchen) -> None:
    """The messages go upstream as they are, under the same plan."""
    assert text_in(await kitchen.stream(model="models.small")) == "Hello there"
    assert kitchen.model.calls[0][1] == {
        "model": "upstream-small",
        "messages": [{"role": "user", "content": "Hello"}],
        "max_tokens": 100,
    }
    assert [call.assistant for call in kitchen.books.calls.values()] == [""]


@pytest.mark.parametrize("content", ["", "  \n", None, [], 5])
async def test_an_empty_message_costs_nothing(kitchen: Kitchen, content: object) -> None:
    """A sentence, no call, no row."""
    assert error_of(await kitchen.stream(content))["code"] == 400
    assert kitchen.books.calls == {}
