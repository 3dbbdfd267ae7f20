"""What a guest said long ago, found again by what it says: over the public API and the house's own RAG service."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from commands.knowledge import operators
from maitre.memory.turn_index import collection_of
from provisioning.rag_http import RagError
from tests.e2e.inn import Guest, Inn, by
from tests.e2e.test_knowledge import cli
from tests.upstream import ScriptedUpstream

pytestmark = [pytest.mark.e2e, by("gateway")]

MODEL = "assistants.scripted-minding"
FACT = "Our boat is called Gannet; it lies at pier 14 of the old harbour."
QUESTION = "What is the name of our boat, and at which pier of the harbour does it lie?"
SMALL_TALK = (
    "Which herbs go with a leg of lamb?",
    "How hot may a linen shirt be ironed?",
    "Who painted the water lilies?",
    "When do blackbirds begin to sing?",
)
PATIENCE = 180  # seconds, in which a busy machine answers once within the memory's own second

Eventually = Callable[..., Any]


@dataclass(frozen=True)
class Answer:
    """One answer: its turn, what it says of its memory, and the messages that the model read for it."""

    turn: str
    memory: str | None
    prompt: list[dict[str, Any]]


class Client:
    """A program with an API key of a guest's own."""

    def __init__(self, inn: Inn, upstream: ScriptedUpstream, guest: Guest, eventually: Eventually) -> None:
        self.inn, self.guest = inn, guest
        self._upstream, self._eventually = upstream, eventually
        self._key = cli(inn, "key", "create", guest.email, "--name", "memory")["key"]
        self._index = operators(inn.house)

    def call(self, method: str, path: str, **how: Any) -> requests.Response:
        """A request to the gateway."""
        headers = {"Authorization": f"Bearer {self._key}"}
        answer = requests.request(
            method, self.inn.house.endpoint("gateway") + path, headers=headers, timeout=120, **how
        )
        assert answer.ok, answer.text
        return answer

    def say(self, session: str, text: str) -> Answer:
        """One turn of the session."""
        body = {"model": MODEL, "session_id": session, "messages": [{"role": "user", "content": text}]}
        answer = self.call("POST", "/v1/chat/completions", json=body)
        turn = answer.headers["x-router-log-id"]
        row = next(row for row in self.inn.rows(self.guest) if row["turn_id"] == turn and row["kind"] == "turn")
        call = next(call for call in self._upstream.calls if call.request_id == row["request_id"])
        return Answer(turn, answer.headers.get("X-Memory"), call.body["messages"])

    def talk(self, session: str, *texts: str) -> None:
        """A turn for each of the texts, until the index knows them all."""
        known = self.found
        for text in texts:
            self.say(session, text)
        self._eventually(
            lambda: all(any(text in one for one in known(session)) for text in texts), "no index", PATIENCE
        )

    def found(self, session: str) -> list[str]:
        """The turns of the session that the RAG service has, whoever asks: each answer of the script has that word."""
        filters = {"filters": [{"key": "session", "operator": "==", "value": session}]}
        body = {"question": "kitchen", "mode": "text", "limit": 50, "filters": filters}
        try:
            told = self._index.post("query", body={**body, "collections": [collection_of(self.guest.user_id)]})
        except RagError as missing:
            if missing.status == 404:  # nothing was told yet
                return []
            raise
        return [one["text"] for one in told["passages"]]


@pytest.fixture
def client(
    running_house: Inn, upstream: ScriptedUpstream, guest: Callable[..., Guest], eventually: Eventually
) -> Callable[[], Client]:
    """Makes a client of a fresh guest."""
    return lambda: Client(running_house, upstream, guest("wide"), eventually)


def reminded(client: Client, eventually: Eventually) -> tuple[str, Answer]:
    """A session in which the fact was told early, and the answer to a late question, with a whole memory: older turns
    that are not found within a second are left out, and the answer says so."""
    numbers = itertools.count(1)

    def look() -> tuple[str, Answer] | None:
        session = f"desk-{next(numbers)}"
        client.talk(session, FACT, *SMALL_TALK)
        eventually(lambda: client.call("GET", f"/v1/sessions/{session}").json().get("summary"), "no summary", PATIENCE)
        answer = client.say(session, QUESTION)
        return (session, answer) if answer.memory is None else None

    found: tuple[str, Answer] = eventually(look, "no memory was whole", PATIENCE)
    return found


def unreminded(client: Client, session: str, eventually: Eventually) -> None:
    """Ask until a memory was whole: no prompt has the fact."""

    def look() -> bool:
        answer = client.say(session, QUESTION)
        assert "Gannet" not in json.dumps(answer.prompt)
        return answer.memory is None

    eventually(look, "no memory was whole", PATIENCE)


def test_an_old_turn_is_told_in_its_session_until_it_is_deleted(
    client: Callable[[], Client], eventually: Eventually, upstream: ScriptedUpstream
) -> None:
    """The model reads the one old turn that is like the question, besides the newest turns and the summary; not in the
    guest's other session, not for another guest in a session of the same name, and not after the session was deleted.
    Every embedding and summary is a row of the guest's, and no request."""
    ours, theirs = client(), client()
    ours.talk("desk", FACT, *SMALL_TALK)
    # Before anybody asks there, the fact is what is most like the question.
    for one, session in ((ours, "elsewhere"), (theirs, "desk")):
        one.talk(session, *SMALL_TALK)
        unreminded(one, session, eventually)

    session, answer = reminded(ours, eventually)
    system, *talk = answer.prompt
    assert FACT in system["content"]
    assert "A summary of what was said earlier" in system["content"]
    assert not any(text in system["content"] for text in SMALL_TALK)
    assert [one["content"] for one in talk if one["role"] == "user"] == [*SMALL_TALK[-2:], QUESTION]

    rows = eventually(lambda: ours.inn.settled(ours.guest), "a row stayed open")
    embeddings = [row["turn_id"] for row in rows if row["kind"] == "embedding"]
    assert embeddings.count(answer.turn) == 1  # of the question; the others are of the turns that were told
    assert len(set(embeddings)) > 3 * len(SMALL_TALK)
    folded = {row["request_id"] for row in rows if row["kind"] == "summary"}
    assert [call for call in upstream.calls if call.request_id in folded and FACT in json.dumps(call.body)]
    assert {row["counted"] for row in rows if row["kind"] in ("embedding", "summary")} == {0}

    ours.call("DELETE", f"/v1/sessions/{session}")
    eventually(lambda: not ours.found(session), "the index does not forget", PATIENCE)
    ours.talk(session, *SMALL_TALK)
    unreminded(ours, session, eventually)
