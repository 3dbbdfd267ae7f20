"""Embeddings: one row, a hold of the prompt, and the limits of every call."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from maitre.chat.embedding import Embeddings
from maitre.chat.message import TurnRequest
from maitre.errors import BadRequest, KnowledgeDown, ProviderError, QuotaExceeded, Refusal, UnknownModel
from maitre.keys.key import Key
from maitre.knowledge.collection import Rag
from maitre.providers.alias import Alias
from maitre.providers.provider import Model
from maitre.queue.line import Capacity
from tests.maitre.chat.kitchen import FRAN, FREE, Kitchen, Reply, limited
from tests.maitre.chat.pantry import NOON

VECTORS = Model("vectors", "Vectors", "local", "upstream-vectors", embedding=True)
TOLD = {"prompt_tokens": 3, "total_tokens": 3}


@pytest.fixture(autouse=True)
def embedder(kitchen: Kitchen) -> None:
    """The house has an embedder, in the plan."""
    kitchen.models["vectors"] = VECTORS
    kitchen.registry.offer(replace(FREE, models=("small", "vectors")))
    kitchen.model.replies = [Reply(usage=TOLD)]


def asked(input: Any = "three little words", *, id: str = "e" * 32, model: str = "models.vectors", **how: Any) -> Any:
    """A request for embeddings."""
    key = how.pop("key", None)
    notes = how.pop("notes", {})
    params = {"model": model, "input": input, **how}
    return TurnRequest(FRAN, model, (), params, id=id, key=key, kind="embedding", public=True, notes=notes)


async def test_embeddings_are_one_row_of_their_prompt(kitchen: Kitchen) -> None:
    """The guest gets a vector for each text, and the row the upstream's count and no answer."""
    answer = await kitchen.embeddings.answer(asked(["a", "b"], dimensions=2))
    assert [one["embedding"] for one in answer["data"]] == [[0.0, 0.5], [1.0, 0.5]]
    assert (answer["model"], answer["usage"]) == ("models.vectors", TOLD)
    assert kitchen.model.calls == [
        ("e" * 32, {"model": "upstream-vectors", "input": ["a", "b"], "dimensions": 2}),
    ]
    await kitchen.settled()
    assert kitchen.rows() == [("embedding", "done", True, 3, 0, False)]
    (call,) = kitchen.books.calls.values()
    assert (call.turn_id, call.held_completion, call.model) == ("e" * 32, 0, "vectors")


async def test_without_usage_the_prompt_is_charged_as_it_was_held(kitchen: Kitchen) -> None:
    """18 bytes, half a token each, and two around the text."""
    kitchen.model.replies = [Reply(usage=None)]
    answer = await kitchen.embeddings.answer(asked())
    assert answer["usage"] == {"prompt_tokens": 11, "total_tokens": 11}
    await kitchen.settled()
    assert kitchen.rows() == [("embedding", "done", True, 11, 0, True)]


async def test_an_alias_of_an_embedder_is_the_embedder(kitchen: Kitchen) -> None:
    """A client keeps its name for it; the row has the real one."""
    kitchen.aliases["words"] = Alias("words", "Words", ("vectors",))
    kitchen.registry.offer(replace(FREE, models=("words",)))
    answer = await kitchen.embeddings.answer(asked(model="models.words"))
    assert answer["model"] == "models.words"
    await kitchen.settled()
    assert [call.model for call in kitchen.books.calls.values()] == ["vectors"]


KEY = Key("k" * 16, "u1", "test", NOON, models=("models.small",))


@pytest.mark.parametrize(
    ("how", "refused", "key"),
    [
        ({"model": "models.small"}, BadRequest, "only_chats"),
        ({"model": "models.nobody"}, UnknownModel, "unknown_model"),
        ({"model": "assistants.coach"}, UnknownModel, "unknown_model"),
        ({"key": KEY}, UnknownModel, "unknown_model"),
        ({"input": "x" * 9_000_000}, BadRequest, "too_long"),
    ],
    ids=["a-chat-model", "no-model", "an-assistant", "not-for-this-key", "too-long"],
)
async def test_what_cannot_be_embedded_is_refused(
    kitchen: Kitchen, how: dict[str, Any], refused: type[Refusal], key: str
) -> None:
    """In a sentence, and nothing is asked."""
    request = asked(**how)
    with pytest.raises(refused) as fault:
        await kitchen.embeddings.answer(request)
    assert fault.value.key == key
    assert kitchen.turns.sentence(fault.value, request)
    assert kitchen.model.calls == []


async def test_a_plan_without_the_model_has_no_embeddings(kitchen: Kitchen) -> None:
    """As with a chat."""
    kitchen.registry.offer(FREE)
    with pytest.raises(UnknownModel) as fault:
        await kitchen.embeddings.answer(asked())
    assert fault.value.key == "not_in_plan"


async def test_limits_are_those_of_every_call(kitchen: Kitchen) -> None:
    """A prompt that the day's tokens do not suffice for is refused, and a request is a request of the minute."""
    kitchen.registry.offer(limited(replace(FREE, models=("vectors",)), tokens_per_day=10))
    with pytest.raises(QuotaExceeded):
        await kitchen.embeddings.answer(asked())
    kitchen.registry.offer(limited(replace(FREE, models=("vectors",)), requests_per_minute=1))
    await kitchen.embeddings.answer(asked(id="1" * 32))
    await kitchen.settled()
    with pytest.raises(QuotaExceeded) as fault:
        await kitchen.embeddings.answer(asked(id="2" * 32))
    assert fault.value.key == "requests_minute"


@pytest.mark.parametrize(
    ("reply", "row"),
    [
        (Reply(fault=ProviderError("provider_error", status=400, upstream_status=400)), ("error", 0, False)),
        (Reply(fault=ProviderError("provider_broke", status=502)), ("error", 11, True)),
    ],
    ids=["refused", "broke"],
)
async def test_a_fault_is_charged_only_if_work_was_done(
    kitchen: Kitchen, reply: Reply, row: tuple[str, int, bool]
) -> None:
    """What the upstream refused costs nothing."""
    kitchen.model.replies = [reply]
    with pytest.raises(ProviderError):
        await kitchen.embeddings.answer(asked())
    await kitchen.settled()
    status, prompt, estimated = row
    assert kitchen.rows() == [("embedding", status, True, prompt, 0, estimated)]


async def test_an_answer_with_too_few_embeddings_is_broken(kitchen: Kitchen) -> None:
    """The work was done, so it is charged."""

    async def fewer(body: Any, request_id: str) -> dict[str, Any]:
        kitchen.model.calls.append((request_id, dict(body)))
        return {"data": [], "usage": TOLD}

    kitchen.model.embed = fewer  # type: ignore[method-assign]
    with pytest.raises(ProviderError):
        await kitchen.embeddings.answer(asked())
    await kitchen.settled()
    assert kitchen.rows() == [("embedding", "error", True, 3, 0, False)]


async def test_embeddings_wait_in_the_line(kitchen: Kitchen) -> None:
    """A provider that is busy is waited for, and the answer's headers tell the first place."""
    kitchen.queues["local"] = Capacity("local", 1, None, 5, 60.0)
    stall = asyncio.Event()
    notes: dict[str, str] = {}
    kitchen.model.replies = [Reply(usage=TOLD, stall=stall), Reply(usage=TOLD)]
    first = asyncio.create_task(kitchen.embeddings.answer(asked(id="1" * 32)))
    await kitchen.model.working.wait()
    second = asyncio.create_task(kitchen.embeddings.answer(asked(id="2" * 32, notes=notes)))
    while not notes:  # noqa: ASYNC110 - the headers of an answer tell nobody
        await asyncio.sleep(0.001)
    stall.set()
    await asyncio.gather(first, second)
    assert notes["X-Queue-Position"] == "1"


async def test_embeddings_that_nobody_could_check_are_requests_all_the_same(kitchen: Kitchen) -> None:
    """A plan that is served unchecked while the live windows are down gives no request away."""
    kitchen.registry.offer(replace(FREE, models=("vectors",), fail="open"))
    kitchen.store.down["reserve"] = 2
    await kitchen.embeddings.answer(asked())
    await kitchen.settled()
    assert [row[:3] for row in kitchen.rows()] == [("embedding", "done", True)]


ROOM = {
    "spend_per_day": 11_000,
    "tokens_per_minute": 11,
    "tokens_per_month": 11,
    "tokens_total": 11,
    "spend_total": 11_000,
}


@pytest.mark.parametrize("whose", ["plan", "key"])
@pytest.mark.parametrize("name", ROOM)
async def test_a_hold_of_embeddings_is_its_prompt_in_every_window(kitchen: Kitchen, name: str, whose: str) -> None:
    """Eleven tokens, at a dollar a million: what has room for them lets them pass, one less does not, and what is left
    of a window is what the upstream counted less."""
    kitchen.models["small"] = replace(kitchen.models["small"], embedding=True)
    for short in (1, 0):
        limits = {name: ROOM[name] - short}
        plan = replace(FREE, limits=limits if whose == "plan" else {}, models=("small",))
        kitchen.registry.offer(plan)
        key = replace(KEY, limits=limits) if whose == "key" else None
        request = asked(model="models.small", id=f"{short}" * 32, key=key)
        if short:
            with pytest.raises(QuotaExceeded):
                await kitchen.embeddings.answer(request)
            assert kitchen.model.calls == []
        else:
            await kitchen.embeddings.answer(request)
    await kitchen.check_books()
    (end,) = kitchen.books.settled.values()
    assert end.cost == 3_000


async def test_a_prepaid_guest_without_money_has_no_embeddings(kitchen: Kitchen) -> None:
    """The balance is a window like the others."""
    kitchen.models["small"] = replace(kitchen.models["small"], embedding=True)
    kitchen.registry.offer(replace(FREE, limits={}, models=("small",), prepaid=True))
    with pytest.raises(QuotaExceeded):
        await kitchen.embeddings.answer(asked(model="models.small"))
    assert kitchen.model.calls == []


async def test_a_guest_may_leave_embeddings_at_every_step(kitchen: Kitchen) -> None:
    """The books agree, whenever it was; nothing stays held."""
    over = False
    for steps in range(100):
        turn = asyncio.create_task(kitchen.embeddings.answer(asked(id=f"{steps:032x}")))
        for _ in range(steps):
            await asyncio.sleep(0)
        over = turn.done()
        turn.cancel()
        await asyncio.wait([turn])
        await kitchen.check_books()
        kitchen.clock.advance(60)
        if over:
            break
    assert over


@pytest.mark.parametrize(("record", "reports"), [("full", 1), ("none", 0)])
async def test_the_turn_that_it_belongs_to_decides_what_is_recorded(
    kitchen: Kitchen, record: str, reports: int
) -> None:
    """A guest's question to an assistant that records nothing leaves no trace by its embedding either."""
    await kitchen.embeddings.answer(replace(asked(), house=True, turn_id="t", record=record))
    await kitchen.settled()
    assert len(kitchen.tracer.reports) == reports
    assert len(kitchen.books.calls) == 1


async def test_a_question_of_a_turn_that_will_be_refused_costs_no_embedding(kitchen: Kitchen) -> None:
    """Questions to a router count as no requests by themselves: a full window must not leave the embedder open."""
    kitchen.registry.offer(limited(FREE, requests_per_minute=1))
    made = Embeddings(kitchen.turns, kitchen.models, kitchen.aliases, Rag("vectors"))
    await made.question(kitchen.request(), "Where?", "t1")
    await kitchen.answer()
    with pytest.raises(KnowledgeDown):
        await made.question(kitchen.request(), "Where?", "t2")
    assert len(kitchen.model.calls) == 2
