"""The index of turns, on the twin in memory and over HTTP on a double of the RAG service alike."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from maitre.errors import KnowledgeDown
from maitre.knowledge.rag_client_http import RagClient
from maitre.memory.session import Session, SessionTurn
from maitre.memory.turn_index import LONGEST, TurnIndex, collection_of
from maitre.memory.turn_index_http import HttpTurnIndex
from maitre.memory.turn_index_memory import MemoryTurnIndex
from tests.contract.rows import NOON
from tests.turn_service import TurnService, turn_service

pytestmark = pytest.mark.contract
DESK = Session("desk", "coach", NOON, NOON)
CHAT = Session("chat:coach:a", "coach", NOON, NOON, browser=True)


@pytest.fixture
async def service() -> AsyncIterator[TurnService]:
    """The double of the service."""
    async with turn_service("k" * 32) as running:
        yield running


@pytest.fixture
async def over_http(service: TurnService) -> AsyncIterator[HttpTurnIndex]:
    """The index over HTTP."""
    client = RagClient(lambda: service.url, "k" * 32, time.time, time.monotonic)
    yield HttpTurnIndex(client)
    await client.close()


@pytest.fixture(params=["memory", "http"])
def index(request: pytest.FixtureRequest, over_http: HttpTurnIndex) -> TurnIndex:
    """An empty index."""
    return MemoryTurnIndex() if request.param == "memory" else over_http


def turn(id: str, text: str, answer: str = "Yes.") -> SessionTurn:
    """A turn."""
    return SessionTurn(id, NOON, ({"role": "user", "content": text}, {"role": "assistant", "content": answer}))


async def test_turns_are_found_by_what_was_said_and_answered(index: TurnIndex) -> None:
    """The likest first, at most so many, in their session only."""
    assert await index.find("u1", DESK, "my cat", 5) == []
    assert await index.put("u1", DESK, turn("t1", "I have a cat."))
    assert await index.put("u1", DESK, turn("t2", "And a pet.", "What is your cat called?"))
    assert await index.put("u1", DESK, turn("t3", "It rains."))
    assert await index.put("u1", replace(DESK, id="other"), turn("t4", "I have a cat."))
    assert await index.find("u1", DESK, "what is my cat called", 5) == ["t2", "t1"]
    assert await index.find("u1", DESK, "what is my cat called", 1) == ["t2"]


async def test_accounts_do_not_meet(index: TurnIndex) -> None:
    """Equal sessions and turns of two accounts are two; neither finds nor forgets the other's."""
    await index.put("u1", DESK, turn("t1", "my cat"))
    assert await index.find("u2", DESK, "my cat", 5) == []
    await index.put("u2", DESK, turn("t1", "my cat"))
    await index.forget("u2", ["t1"])
    assert await index.find("u2", DESK, "my cat", 5) == []
    assert await index.find("u1", DESK, "my cat", 5) == ["t1"]


async def test_a_chat_of_the_browser_finds_the_others(index: TurnIndex) -> None:
    """Those with the same assistant, and no sessions of the API."""
    await index.put("u1", CHAT, turn("t1", "my cat"))
    await index.put("u1", replace(CHAT, id="chat:coach:b"), turn("t2", "my cat"))
    await index.put("u1", replace(CHAT, id="chat:cook:c", assistant="cook"), turn("t3", "my cat"))
    await index.put("u1", DESK, turn("t4", "my cat"))
    assert await index.find("u1", CHAT, "cat", 5) == ["t2"]


async def test_what_is_told_again_stands_once(index: TurnIndex) -> None:
    """With the words that were told last."""
    await index.put("u1", DESK, turn("t1", "my cat"))
    await index.put("u1", DESK, turn("t1", "my dog"))
    assert await index.find("u1", DESK, "cat", 5) == []
    assert await index.find("u1", DESK, "dog", 5) == ["t1"]


async def test_turns_are_forgotten_by_their_ids(index: TurnIndex) -> None:
    """Any number at once, whether they are there or not."""
    for number in range(3):
        await index.put("u1", DESK, turn(f"t{number}", "my cat"))
    await index.forget("u1", [*(f"x{number}" for number in range(250)), "t0", "t2"])
    assert await index.find("u1", DESK, "cat", 5) == ["t1"]
    await index.forget("nobody", ["t1"])


async def test_a_collection_is_its_accounts_own(service: TurnService, over_http: HttpTurnIndex) -> None:
    """Made with the first turn, by a name that does not tell whose; asked for on the account's behalf, in the turn and
    with the key that ask."""
    await over_http.put("u1", DESK, turn("t1", "my cat"))
    await over_http.find("u1", DESK, "cat", 5, turn_id="t9", key_id="k1")
    assert list(service.collections) == [collection_of("u1")]
    assert service.collections[collection_of("u1")][0] == "u1"
    assert "u1" not in collection_of("u1")
    last = service.claims[-1]
    assert (last["sub"], last["turn"], last["key"], last["operator"]) == ("u1", "t9", "k1", False)
    assert 0 < last["exp"] - last["iat"] <= 60
    metadata = service.collections[collection_of("u1")][1]["desk/t1"]["metadata"]
    assert metadata == {
        "session": "desk", "assistant": "coach", "browser": "no", "turn": "t1", "at": NOON.isoformat(),
    }  # fmt: skip


@pytest.mark.parametrize("status", [401, 403, 409, 429, 500, 503])
async def test_a_service_that_is_down_says_so(service: TurnService, over_http: HttpTurnIndex, status: int) -> None:
    """Whatever it is asked: the sentence is for the log, and the same may be asked again."""
    service.fault = status
    with pytest.raises(KnowledgeDown, match=str(status)):
        await over_http.put("u1", DESK, turn("t1", "my cat"))
    with pytest.raises(KnowledgeDown, match=str(status)):
        await over_http.find("u1", DESK, "cat", 5)
    with pytest.raises(KnowledgeDown, match=str(status)):
        await over_http.forget("u1", ["t1"])


async def test_what_will_never_be_taken_is_not_told_again(service: TurnService, over_http: HttpTurnIndex) -> None:
    """A turn without words, and one that the service refuses for what it is."""
    assert not await over_http.put("u1", DESK, turn("t1", "", ""))
    service.fault = 413
    assert not await over_http.put("u1", DESK, turn("t2", "my cat"))


async def test_a_service_that_is_nowhere_is_down() -> None:
    """No connection is no fault of the turn."""
    index = HttpTurnIndex(RagClient(lambda: "http://127.0.0.1:9", "k" * 32, time.time, time.monotonic))
    with pytest.raises(KnowledgeDown, match="not reached"):
        await index.find("u1", DESK, "cat", 5)


async def test_long_turns_are_looked_through_at_their_ends(service: TurnService, over_http: HttpTurnIndex) -> None:
    """So that an answer of megabytes costs no more than its beginning and its end."""
    await over_http.put("u1", DESK, turn("t1", "first " + "x" * 9 * LONGEST + " last"))
    (text,) = service.texts()
    assert len(text) < LONGEST + 100
    assert await over_http.find("u1", DESK, "first", 5) == await over_http.find("u1", DESK, "last", 5) == ["t1"]
