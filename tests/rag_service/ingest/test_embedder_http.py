"""The embedder's client: what it asks, and what it makes of every answer."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from devstack import scaffold
from maitre.errors import HouseError
from maitre.settings import House, load_house
from rag_service.callers import sign
from rag_service.embedder_http import Embedder, EmbedderDown, TooMany
from rag_service.errors import Refused
from tests.rag_service.embedder import DIMENSION, EmbedderDouble, Fault, embedding


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A house of files only."""
    scaffold.copy_example(tmp_path)
    scaffold.make_secrets(tmp_path)
    return load_house(tmp_path)


@pytest.fixture
def double(house: House) -> Iterator[EmbedderDouble]:
    """What answers."""
    with EmbedderDouble(house.secret("rag_key")).running() as double:
        yield double


@pytest.fixture
async def embedder(house: House, double: EmbedderDouble, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Embedder]:
    """A client of it, with batches of two."""
    monkeypatch.setenv("MAITRE_GATEWAY_URL", double.url + "/")
    embedder = Embedder(house, batch=2)
    yield embedder
    await embedder.close()


@pytest.fixture
def token(house: House) -> str:
    """A token of somebody's."""
    return sign(house.secret("rag_key"), time.time(), user_id="u1")


async def test_passages_keep_their_order_over_batches(embedder: Embedder, double: EmbedderDouble, token: str) -> None:
    """Each text has its own vector, and the embedder is told what they are."""
    texts = ["one", "two", "three", "four", "five"]
    found = await embedder.passages(texts, token)
    assert [pytest.approx(vector, abs=1e-6) for vector in found] == [embedding(text) for text in texts]
    assert [(len(one.texts), one.input_type, one.caller.user_id) for one in double.asked] == [
        (2, "passage", "u1"),
        (2, "passage", "u1"),
        (1, "passage", "u1"),
    ]
    assert await embedder.passages([], token) == []


async def test_a_question_is_told_apart_from_a_passage(embedder: Embedder, double: EmbedderDouble, token: str) -> None:
    """Models are trained on the difference."""
    assert len(await embedder.question("what", token)) == DIMENSION
    assert await embedder.dimension(token) == DIMENSION
    assert {one.input_type for one in double.asked} == {"query"}


async def test_prefixes_are_put_before_texts(
    house: House, double: EmbedderDouble, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that wants words instead of a field gets them, and no field."""
    assert house.rag is not None
    forms = {"query": replace(house.rag.query, prefix="q: ", input_type=None)}
    forms["passage"] = replace(house.rag.passage, prefix="d: ", input_type=None)
    monkeypatch.setenv("MAITRE_GATEWAY_URL", double.url)
    embedder = Embedder(replace(house, rag=replace(house.rag, **forms)))  # type: ignore[arg-type]
    await embedder.passages(["one"], token)
    await embedder.question("two", token)
    await embedder.close()
    assert [(one.texts, one.input_type) for one in double.asked] == [(("d: one",), None), (("q: two",), None)]


def answer(*vectors: object, index: int = 0) -> Fault:
    """An answer of these vectors."""
    data = [{"index": index + place, "embedding": vector} for place, vector in enumerate(vectors)]
    return Fault(200, json.dumps({"data": data}))


REFUSED = json.dumps({"error": {"message": "No.", "type": "x", "code": "full"}})
CASES: dict[str, tuple[Fault, type[Exception], str]] = {
    "a fault of its own": (Fault(500), EmbedderDown, "It broke"),
    "a page": (Fault(502, "<html>"), EmbedderDown, "HTTP 502"),
    "no embeddings": (Fault(200, "{}"), EmbedderDown, "holds no embeddings"),
    "no JSON": (Fault(200, "["), EmbedderDown, "holds no embeddings"),
    "too many": (answer([1.0], [2.0]), EmbedderDown, "2 embeddings for 1 texts"),
    "an empty one": (answer([]), EmbedderDown, "1 embeddings for 1 texts"),
    "words": (answer(["x"]), EmbedderDown, "holds no embeddings"),
    "spoilt base64": (answer("%%%"), EmbedderDown, "holds no embeddings"),
    "not a number": (Fault(200, '{"data":[{"index":0,"embedding":[NaN]}]}'), EmbedderDown, "no number"),
    "a full window": (Fault(429, REFUSED, {"retry-after": "7"}), TooMany, "No."),
    "a refusal": (Fault(403, REFUSED), Refused, "No."),
    "a refusal without words": (Fault(404, "gone"), Refused, "HTTP 404"),
    "elsewhere": (Fault(302, "", {"location": "http://127.0.0.1:1/"}), Refused, "HTTP 302"),
}


@pytest.mark.parametrize("case", CASES)
async def test_every_other_answer_is_one_of_three_faults(
    case: str, embedder: Embedder, double: EmbedderDouble, token: str
) -> None:
    """The caller knows whether to wait, for how long, and what to say."""
    fault, kind, sentence = CASES[case]
    double.faults = [fault]
    with pytest.raises(kind, match=sentence) as raised:
        await embedder.passages(["one"], token)
    assert type(raised.value) is kind
    if isinstance(raised.value, TooMany):
        assert (raised.value.retry_after, raised.value.code) == (7.0, "full")


async def test_nobody_at_home_is_a_passing_fault(house: House, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway that is being started again is waited for."""
    monkeypatch.setenv("MAITRE_GATEWAY_URL", "http://127.0.0.1:1")
    embedder = Embedder(house)
    with pytest.raises(EmbedderDown, match="does not answer"):
        await embedder.question("what", token)
    await embedder.close()


def test_a_house_without_knowledge_has_no_embedder(house: House) -> None:
    """It says so in a sentence."""
    with pytest.raises(HouseError, match="has no knowledge"):
        Embedder(replace(house, rag=None))
