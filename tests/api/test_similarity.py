"""A router that compares questions, through a real gateway: the scripted embedder counts words and characters."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from devstack.process import wait_until
from maitre.chat.resemblance import texts_of
from maitre.routing.similar import mark
from tests.api.books import every_row, unmetered
from tests.engine.hall import Hall
from tests.engine.seeded import seeded_hall
from tests.engine.small_house import HOUSE
from tests.upstream import ScriptedUpstream, running_upstream

SHORT, LONG = "a b c d e f g h", "incomprehensibilities"
ASSISTANTS = {
    "short": f"---\nname: Short\nmodel: scripted\ndescription: {SHORT}\n---\nYou like short words.\n",
    "long": f"---\nname: Long\nmodel: scripted\nexamples: [{LONG}]\n---\nYou like long words.\n",
    "host": "---\nname: Host\nmodel: scripted\n---\nYou are the host.\n",
    "auto": (
        "---\nname: Auto\ntype: router\ndefault: host\nsimilar: [short, long]\n"
        "routes: [{ contains: [host], assistant: host }]\n---\n"
    ),
}


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    """An upstream of this file's own."""
    with running_upstream() as started:
        yield started


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory, upstream: ScriptedUpstream) -> Iterator[Hall]:
    """A gateway of a house with a router, seeded with what its assistants say of themselves."""
    text = HOUSE + "rag: {{ embedding: vectors }}\n"
    folder = tmp_path_factory.mktemp("similar")
    with seeded_hall(folder, upstream.url, text, ASSISTANTS) as ready:
        said = [text for name in ("short", "long") for text in texts_of(ready.house.assistants[name])]
        vectors = {mark(text, "vectors"): [float(len(text.split())), float(len(text))] for text in said}
        ready.ask(lambda books: books.put_likenesses(vectors))
        ready.start("gateway")
        yield ready


def ask(hall: Hall, guest: dict[str, str], text: str) -> requests.Response:
    """One question to the router."""
    return requests.post(
        f"{hall.parts['gateway'].url}/v1/chat/completions",
        json={"model": "assistants.auto", "messages": [{"role": "user", "content": text}]},
        headers={"Authorization": f"Bearer {hall.key(guest)}"},
        timeout=60,
    )


@pytest.mark.parametrize(
    ("text", "system", "compared"),
    [
        ("i k l m n o", "You like short words.", True),
        ("counterrevolutionaries", "You like long words.", True),
        ("the host i k l m", "You are the host.", False),  # a rule decides, nothing is compared
        ("ab abcd abcd", "You are the host.", True),  # unsure
    ],
)
def test_a_question_goes_to_whom_it_is_like(
    hall: Hall, upstream: ScriptedUpstream, text: str, system: str, compared: bool
) -> None:
    """The question's embedding is a row of the same turn, and no request; a rule costs none."""
    guest = hall.guest(plan="free")
    answer = ask(hall, guest, text)
    assert answer.status_code == 200, answer.text
    asked = [call.body for call in upstream.calls if call.body.get("messages")]
    assert asked[-1]["messages"][0]["content"] == system
    wait_until(lambda: hall.settled(guest, 1 + compared), 20)
    rows = [row for row in every_row(hall) if row["user_id"] == guest["id"]]
    assert [(row["kind"], row["counted"]) for row in rows] == [("embedding", False)] * compared + [("turn", True)]
    assert {row["turn_id"] for row in rows} == {answer.headers["x-router-log-id"]}
    assert not unmetered(hall, upstream)


def test_an_embedder_that_fails_leaves_the_default(hall: Hall, upstream: ScriptedUpstream) -> None:
    """The guest gets an answer, of whom the operator chose for that case; the failed call has its row."""
    guest = hall.guest(plan="free")
    text = 'script:{"status": 503} i k l m n o'
    answer = ask(hall, guest, text)
    asked = [call for call in upstream.calls if call.body.get("messages")][-1]
    assert asked.body["messages"][0]["content"] == "You are the host."
    assert answer.status_code >= 500  # the script is for every call of the text
    wait_until(lambda: hall.settled(guest, 2), 20)
    rows = [row for row in every_row(hall) if row["user_id"] == guest["id"]]
    assert [(row["kind"], row["status"]) for row in rows] == [("embedding", "error"), ("turn", "error")]
