"""The way to the RAG service: what it is told, and what every fault of it becomes."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import pytest

from maitre.errors import HouseError, KnowledgeDown
from maitre.knowledge.collection import Readers
from maitre.knowledge.passage import Passage, Reader
from maitre.knowledge.rag_client_http import RagClient
from maitre.knowledge.rag_http import HttpKnowledge
from tests.rag_double import RagDouble, rag_double

FRAN = Reader("u1", "fran@x.io", ("Кухарі", "all"), "coach", "t" * 32, "k", "none")


@pytest.fixture
async def double() -> AsyncIterator[RagDouble]:
    """A service with one passage for everybody."""
    async with rag_double() as started:
        started.library.offer("a", Readers(everyone=True), Passage("1", "", "d", "T", "keys", 0))
        yield started


@pytest.fixture
async def knowledge(double: RagDouble) -> AsyncIterator[HttpKnowledge]:
    """A client of it."""
    client = RagClient(lambda: double.url, double.key, time.time, time.monotonic)
    yield HttpKnowledge(client)
    await client.close()


async def find(knowledge: HttpKnowledge, seconds: float = 10) -> list[Passage]:
    """Ask for keys."""
    return await knowledge.find(FRAN, "keys", ("a",), 3, seconds)


async def test_it_is_told_on_whose_behalf(double: RagDouble, knowledge: HttpKnowledge) -> None:
    """Who asks, through what, in which turn, with which API key; never as the operator; for a minute."""
    await find(knowledge)
    (asked,) = double.asked
    claims = asked.pop("claims")
    assert asked == {"question": "keys", "collections": ["a"], "limit": 3}
    assert claims["exp"] - claims.pop("iat") == 60
    assert claims | {"exp": 0} == {
        "iss": "maitre",
        "sub": "u1",
        "email": "fran@x.io",
        "groups": ["Кухарі", "all"],
        "assistant": "coach",
        "turn": "t" * 32,
        "key": "k",
        "record": "none",
        "operator": False,
        "exp": 0,
    }


@pytest.mark.parametrize(
    ("fault", "says"),
    [("503", "answers with 503: The collections"), ("400", "answers with 400"), ("broken", "is not reached")],
)
async def test_a_fault_is_one_sentence_for_the_log(
    double: RagDouble, knowledge: HttpKnowledge, fault: str, says: str
) -> None:
    """And the next question is answered."""
    double.fault = fault
    with pytest.raises(KnowledgeDown, match=says):
        await find(knowledge)
    double.fault = ""
    assert len(await find(knowledge)) == 1


async def test_a_silent_service_is_not_waited_for(double: RagDouble, knowledge: HttpKnowledge) -> None:
    """Longer than the caller has time."""
    double.fault = "silent"
    with pytest.raises(KnowledgeDown, match="within 0.05 seconds"):
        await find(knowledge, 0.05)


async def test_what_is_no_passage_is_left_out(double: RagDouble, knowledge: HttpKnowledge) -> None:
    """Whatever a service of another version says, a turn goes on."""
    double.fault = "nonsense"
    found = await knowledge.find(FRAN, "keys", ("a",), 10, 10)
    assert [(one.text, one.page) for one in found] == [("fine", None)]


async def test_a_wrong_key_opens_nothing(double: RagDouble) -> None:
    """It is a fault as any other."""
    key = "another-key-of-the-same-length-xx"
    knowledge = HttpKnowledge(RagClient(lambda: double.url, key, time.time, time.monotonic))
    with pytest.raises(KnowledgeDown, match="401"):
        await find(knowledge)


async def test_an_old_token_opens_nothing(double: RagDouble) -> None:
    """Its minute is over."""
    knowledge = HttpKnowledge(RagClient(lambda: double.url, double.key, lambda: time.time() - 120, time.monotonic))
    with pytest.raises(KnowledgeDown, match="401"):
        await find(knowledge)


async def test_nobody_there() -> None:
    """Neither a port that is closed nor a house that never started the service ends a turn."""

    def nowhere() -> str:
        raise HouseError("The house is not running (rag is unknown).")

    for url in (lambda: "http://127.0.0.1:9", nowhere):
        with pytest.raises(KnowledgeDown, match="is not reached"):
            await find(HttpKnowledge(RagClient(url, "k" * 32, time.time, time.monotonic)))
