"""Models that an operator connects besides ours: refused early, held at the inlet, settled by the outlet."""

from __future__ import annotations

from typing import Any

import pytest

from maitre.chat.foreign import ForeignTurns
from maitre.errors import QuotaExceeded, StoreDown
from tests.maitre.chat.kitchen import FRAN, FREE, PRICES, Kitchen, limited


@pytest.fixture
async def foreign(kitchen: Kitchen) -> ForeignTurns:
    """The filter's turns in the kitchen; its calls are made by Open WebUI, so the kitchen sees none."""
    kitchen.balanced = False
    return ForeignTurns(kitchen.turns, kitchen.turns.holds.ledger, PRICES)


def body(message_id: str | None = "m1", **more: Any) -> dict[str, Any]:
    """What the inlet gets for a browser chat with a plain model."""
    metadata = {"message_id": message_id, "chat_id": "c1" if message_id else "", **more.pop("metadata", {})}
    return {"model": "gpt", "messages": [{"role": "user", "content": "x" * 100}], "metadata": metadata, **more}


def outlet(prompt: object = 60, completion: object = 7, message_id: str = "m1", **more: Any) -> dict[str, Any]:
    """What the outlet gets."""
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "input_tokens": prompt, "output_tokens": completion}
    answer = {"role": "assistant", "content": "y" * 20, "usage": usage}
    return {"model": "gpt", "chat_id": "c1", "id": message_id, "messages": [{"role": "user"}, answer], **more}


def charged(kitchen: Kitchen) -> list[tuple[int, int, bool]]:
    """Prompt, completion and estimated of every settled row."""
    return [(end.prompt_tokens, end.completion_tokens, end.estimated) for end in kitchen.books.settled.values()]


async def test_a_turn_is_held_and_capped(kitchen: Kitchen, foreign: ForeignTurns) -> None:
    """The row is opened before the model is called, and the body carries the plan's largest answer."""
    sent = await foreign.admit(FRAN, body(), "")
    assert sent == {**body(), "max_tokens": 100}
    (call,) = kitchen.books.calls.values()
    assert (call.door, call.model, call.turn_id, call.chat_id, call.kind) == ("filter", "gpt", "m1", "c1", "turn")
    assert (call.held_prompt, call.held_completion) == (58, 100)
    assert await kitchen.held() == 158


@pytest.mark.parametrize(("asked", "sent"), [(40, 40), (4000, 100), (-1, 100), (None, 100), ("9", 100), (True, 100)])
async def test_the_client_may_ask_for_less(foreign: ForeignTurns, asked: object, sent: int) -> None:
    """Never for more than the plan allows."""
    assert (await foreign.admit(FRAN, body(max_tokens=asked), ""))["max_tokens"] == sent


async def test_a_task_is_small_and_no_request(kitchen: Kitchen, foreign: ForeignTurns) -> None:
    """Open WebUI's own metadata says what is a task; it gets the task limit."""
    assert (await foreign.admit(FRAN, body(metadata={"task": "title_generation"}), ""))["max_tokens"] == 30
    (call,) = kitchen.books.calls.values()
    assert (call.kind, call.counted) == ("task", False)


async def test_a_full_window_refuses_before_the_model_is_called(kitchen: Kitchen, foreign: ForeignTurns) -> None:
    """The guest's next turn is refused with the window that is full."""
    kitchen.registry.offer(limited(FREE, requests_per_minute=1))
    await foreign.admit(FRAN, body("m1"), "")
    with pytest.raises(QuotaExceeded, match="requests_minute"):
        await foreign.admit(FRAN, body("m2"), "")


async def test_a_message_id_that_is_used_again_is_a_request_again(kitchen: Kitchen, foreign: ForeignTurns) -> None:
    """A guest who sends every message under one id gets one request for each, not thirty for one."""
    kitchen.registry.offer(limited(FREE, requests_per_minute=1))
    await foreign.admit(FRAN, body("m1"), "")
    with pytest.raises(QuotaExceeded):
        await foreign.admit(FRAN, body("m1"), "")


@pytest.mark.parametrize("more", [{"max_completion_tokens": 100_000}, {"n": 50}], ids=str)
async def test_no_other_parameter_gets_around_the_largest_answer(foreign: ForeignTurns, more: dict[str, Any]) -> None:
    """What makes an answer longer than was held for is not sent on."""
    sent = await foreign.admit(FRAN, body(**more), "")
    assert sent.get("max_completion_tokens", 0) <= 100
    assert sent.get("n", 1) == 1


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (outlet(60, 7), (60, 7, False)),
        (outlet(10, 7), (29, 7, True)),  # never below half of what was held for the prompt
        (outlet(-999_999, 7), (58, 10, True)),
        (outlet(60, -5), (58, 10, True)),
        (outlet(60, 10**12), (58, 10, True)),
        (outlet("60", 7), (58, 10, True)),
        (outlet(None, None), (58, 10, True)),
        ({**outlet(), "messages": []}, (58, 0, True)),
        ({**outlet(), "messages": [{"role": "assistant", "content": None}]}, (58, 0, True)),
        (
            {
                **outlet(),
                "messages": [{"role": "assistant", "info": {"usage": {"input_tokens": 60, "output_tokens": 9}}}],
            },
            (60, 9, False),
        ),
    ],
)
async def test_an_outlet_settles_within_reason(
    kitchen: Kitchen, foreign: ForeignTurns, told: dict[str, Any], expected: tuple[int, int, bool]
) -> None:
    """Believable usage is taken, anything else is estimated; nothing is ever given back."""
    await foreign.admit(FRAN, body(), "")
    await foreign.settle("u1", told)
    assert charged(kitchen) == [expected]
    assert await kitchen.held() == 0


async def test_a_forged_outlet_lowers_no_answer_below_a_quarter_of_its_text(
    kitchen: Kitchen, foreign: ForeignTurns
) -> None:
    """The open row of a filter's turn is charged for what was written, whatever the outlet says; the row is marked."""
    await foreign.admit(FRAN, body(), "")
    answer = {"role": "assistant", "content": "y" * 40_000, "usage": {"input_tokens": 60, "output_tokens": 1}}
    await foreign.settle("u1", outlet(messages=[answer]))
    assert charged(kitchen) == [(60, 5_000, True)]
    assert await kitchen.held() == 0


async def test_an_outlet_settles_its_own_turn_once(kitchen: Kitchen, foreign: ForeignTurns) -> None:
    """Another guest's, another message's, and a second outlet change nothing."""
    await foreign.admit(FRAN, body("m1"), "")
    await foreign.settle("u2", outlet())
    await foreign.settle("u1", outlet(message_id="m2"))
    assert charged(kitchen) == []
    await foreign.settle("u1", outlet())
    await foreign.settle("u1", outlet(60, 9))
    assert charged(kitchen) == [(60, 7, False)]


async def test_an_api_clients_outlet_settles_the_oldest_turn(kitchen: Kitchen, foreign: ForeignTurns) -> None:
    """It cannot be joined by id, so the oldest open turn of that model is taken."""
    for _ in range(2):
        await foreign.admit(FRAN, body(None), "")
    await foreign.settle("u1", {**outlet(60, 7), "chat_id": "", "id": "msg_random"})
    assert list(kitchen.books.settled) == list(kitchen.books.calls)[:1]


async def test_an_assistants_prompt_goes_before_where_it_was_asked_for(foreign: ForeignTurns) -> None:
    """Opt-in by model; other models, tasks and unknown assistants are left alone."""
    sent = await foreign.admit(FRAN, body(), "other=x, gpt=coach")
    assert sent["messages"][0] == {"role": "system", "content": "You coach."}
    task: dict[str, Any] = {"metadata": {"task": "tags_generation"}}
    others: list[tuple[str, dict[str, Any]]] = [("gpt=nobody", {}), ("nonsense", {}), ("", {}), ("gpt=coach", task)]
    for valve, more in others:
        assert (await foreign.admit(FRAN, body(**more), valve))["messages"] == body()["messages"]


async def test_with_the_ledger_down_an_outlet_says_nothing(kitchen: Kitchen, foreign: ForeignTurns) -> None:
    """Its exception would only be swallowed; the hold is charged when it expires."""
    await foreign.admit(FRAN, body(), "")
    kitchen.ledger.down["settle"] = 1
    await foreign.settle("u1", outlet())
    assert charged(kitchen) == []


async def test_with_a_store_down_nothing_is_admitted(kitchen: Kitchen, foreign: ForeignTurns) -> None:
    """The inlet turns it into a refusal."""
    kitchen.store.down["reserve"] = 1
    with pytest.raises(StoreDown):
        await foreign.admit(FRAN, body(), "")
    assert kitchen.books.calls == {}


async def test_a_row_that_cannot_be_opened_leaves_no_hold(kitchen: Kitchen, foreign: ForeignTurns) -> None:
    """The turn was refused, so nothing may stay held or counted."""
    kitchen.ledger.down["open"] = 1
    with pytest.raises(StoreDown):
        await foreign.admit(FRAN, body(), "")
    await kitchen.settled()
    assert await kitchen.held() == 0


@pytest.mark.parametrize("message", ["text", None, {"role": "assistant", "content": "", "usage": "many", "info": 5}])
@pytest.mark.parametrize("how", ["one", "list"])
async def test_an_odd_outlet_raises_nothing(kitchen: Kitchen, foreign: ForeignTurns, message: object, how: str) -> None:
    """Whatever stands in an outlet, and however its ids are spelt, the turn is settled or left to its hold."""
    await foreign.admit(FRAN, body(), "")
    await foreign.settle("u1", outlet(model="g\0pt", message_id="\0"))
    await foreign.settle("u1", outlet(messages=message if how == "one" else [message]))
    assert charged(kitchen) == [(58, 0, True)]


@pytest.mark.parametrize("count", [True, 7.0, "7", -7, 10**7, float("nan"), None])
async def test_an_outlets_counts_must_be_such(kitchen: Kitchen, foreign: ForeignTurns, count: object) -> None:
    """Anything but two believable counts is none: the prompt is charged as held, the answer by its length."""
    await foreign.admit(FRAN, body(), "")
    await foreign.settle("u1", outlet(completion=count))
    assert charged(kitchen) == [(58, 10, True)]
