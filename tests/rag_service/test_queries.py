"""Questions, and the answers that are made of passages."""

from __future__ import annotations

import re
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from rag_service.collections import prepare
from rag_service.embedder_http import EmbedderDown, TooMany
from tests.rag_service.desk import ANN, BOB, OPERATOR, Desk
from tests.rag_service.doubles import DIMENSION, embedding


async def seeded(desk: Desk) -> None:
    """Two collections of Ann's, of which Bob may read one."""
    await desk.collection(ANN, "pets", readers={"users": ["u-bob"]})
    await desk.collection(ANN, "plans")
    await desk.text(ANN, "pets", "dogs", "dogs bark loudly", title="Dogs", url="https://x.example/d", metadata={"n": 1})
    await desk.text(ANN, "pets", "cats", "cats sleep long", title="Cats", metadata={"n": 2})
    await desk.text(ANN, "plans", "secret", "dogs will be sold", title="Plan")


def texts(reply: Any) -> list[str]:
    """The texts of the passages."""
    return [passage["text"] for passage in reply.json["passages"]]


@pytest.mark.parametrize("mode", ["hybrid", "dense", "text"])
async def test_a_question_finds_the_passages_that_the_caller_may_read(desk: Desk, mode: str) -> None:
    """All collections that are readable, or the named ones; the best passage first."""
    await seeded(desk)
    body = {"question": "dogs bark", "mode": mode}
    found = await desk.ask(BOB, "POST", "/query", body)
    assert found.status == 200, found.text
    first = found.json["passages"][0]
    expected = {"collection": "pets", "title": "Dogs", "text": "dogs bark loudly", "page": 1, "heading": ""}
    assert first | expected | {"url": "https://x.example/d", "metadata": {"n": 1}} == first
    assert "dogs will be sold" not in texts(found)
    assert "dogs will be sold" in texts(await desk.ask(ANN, "POST", "/query", {**body, "collections": ["plans"]}))


async def test_tables_of_an_earlier_version_answer(desk: Desk) -> None:
    """Whoever starts on them first gives them what they lack; nothing that they hold is lost."""
    await seeded(desk)
    table = f"chunks_{DIMENSION}"
    async with desk.service.pool.connection() as connection:
        for name in (table, f"{table}_staged"):
            await connection.execute(f"alter table {name} drop column node")
        await connection.execute(f"alter table {table} alter embedding set storage external")
    await prepare(desk.service.pool, desk.service.chunks)
    found = await desk.ask(ANN, "POST", "/query", {"question": "dogs bark"})
    assert texts(found)[0] == "dogs bark loudly"
    await desk.text(ANN, "pets", "birds", "birds sing early")
    assert texts(await desk.ask(ANN, "POST", "/query", {"question": "birds sing"}))[0] == "birds sing early"


async def test_a_collection_that_may_not_be_read_is_unknown_by_name(desk: Desk) -> None:
    """As one that does not exist is; beside others it is left out, and named as unknown."""
    await seeded(desk)
    for name in ("plans", "absent", "A b", "' or 1=1"):
        refused = await desk.ask(BOB, "POST", "/query", {"question": "dogs", "collections": [name]})
        assert (refused.status, refused.code) == (404, "unknown_collection")
        found = await desk.ask(BOB, "POST", "/query", {"question": "dogs", "collections": ["pets", name]})
        assert found.json["unknown"] == [name]
        assert {passage["collection"] for passage in found.json["passages"]} == {"pets"}
    refused = await desk.ask(BOB, "POST", "/query", {"question": "dogs", "collections": ["x\x00"]})
    assert (refused.status, refused.json["error"]["param"]) == (400, "collections.0")
    assert (await desk.ask(BOB, "POST", "/query", {"question": "dogs", "collections": []})).json == {"passages": []}


async def test_what_guests_said_is_searched_only_by_its_name(desk: Desk) -> None:
    """An operator's question to everything does not read the guests' conversations, nor hand them to a model."""
    await seeded(desk)
    memory = f"memory-{'0a' * 20}"
    await desk.collection(BOB, memory)
    await desk.text(BOB, memory, "s/1", "dogs are my secret")
    everything = {"question": "dogs", "limit": 50}
    for person in (OPERATOR, BOB):
        assert "dogs are my secret" not in texts(await desk.ask(person, "POST", "/query", everything))
        named = {**everything, "collections": [memory]}
        assert texts(await desk.ask(person, "POST", "/query", named)) == ["dogs are my secret"]


async def test_metadata_of_an_owners_own_poses_as_no_place(desk: Desk) -> None:
    """A link is one that a browser may follow, a page is a number, and whatever else stands there breaks nothing."""
    await desk.collection(ANN, "odd")
    odd = {"url": "javascript:alert(1)", "heading": {"a": 1}, "page": "first", "title": 7}
    await desk.text(ANN, "odd", "k", "dogs", title="Dogs")
    async with desk.service.pool.connection() as connection:  # as an imported table may have it
        await connection.execute(f"update chunks_{len(embedding('x'))} set metadata = %s", [Jsonb(odd)])
    desk.chat.text = "Dogs [1]."
    found = await desk.ask(ANN, "POST", "/query", {"question": "dogs", "answer": True, "model": "models.x"})
    assert found.status == 200, found.text
    (passage,) = found.json["passages"]
    assert [passage[name] for name in ("url", "heading", "page", "title")] == ["", "", None, ""]


async def test_the_question_goes_to_the_embedder_on_the_callers_behalf(desk: Desk) -> None:
    """The token that came is the token that goes on; a question by words alone needs no embedding."""
    await seeded(desk)
    desk.embedder.asked.clear()
    token = BOB.token()
    headers = {"X-Maitre-On-Behalf-Of": token}
    assert (await desk.ask(BOB, "POST", "/query", {"question": "dogs"}, headers=headers)).status == 200
    assert desk.embedder.asked == [token]
    assert (await desk.ask(BOB, "POST", "/query", {"question": "dogs", "mode": "text"})).status == 200
    assert len(desk.embedder.asked) == 1


async def test_filters_hold_for_metadata(desk: Desk) -> None:
    """LlamaIndex's filters as JSON; what is none is refused with a word about it."""
    await seeded(desk)
    body: dict[str, Any] = {"question": "dogs cats"}
    only = {"filters": [{"key": "n", "operator": ">", "value": 1}]}
    assert texts(await desk.ask(ANN, "POST", "/query", {**body, "filters": only})) == ["cats sleep long"]
    deep: dict[str, Any] = only
    for _ in range(10):
        deep = {"filters": [deep]}
    many = {"filters": [{"key": "n", "value": 1}] * 51}
    wrong = [5, [], "x", {}, {"filters": {}}, {"filters": [1]}, {"filters": [{"key": 1}]}, deep, many]
    wrong += [{"filters": [{"key": "n", "operator": "like", "value": 1}]}, {"filters": [], "condition": "xor"}]
    wrong += [{"filters": [{"key": "n", "operator": ">", "value": [1]}]}, {"filters": [{"key": "n", "value": "\x00"}]}]
    for filters in wrong:
        refused = await desk.ask(ANN, "POST", "/query", {**body, "filters": filters})
        assert (refused.status, refused.code) == (400, "bad_filters"), filters


async def test_collections_of_different_models_are_not_mixed(desk: Desk) -> None:
    """Nor is one asked whose embedder the house no longer has."""
    await seeded(desk)
    async with desk.service.pool.connection() as connection:
        await connection.execute("update collections set model = 'older' where name = 'plans'")
    assert (await desk.ask(ANN, "POST", "/query", {"question": "dogs"})).code == "mixed_models"
    assert (await desk.ask(ANN, "POST", "/query", {"question": "dogs", "collections": ["pets"]})).status == 200
    for method, path, body in (
        ("POST", "/query", {"question": "dogs", "collections": ["plans"]}),
        ("POST", "/index-text", {"collection": "plans", "key": "k", "text": "x"}),
        ("POST", "/collections/plans/re-index", None),
    ):
        refused = await desk.ask(ANN, method, path, body)
        assert (refused.status, refused.code) == (409, "changed_model")
    words = {"question": "dogs", "collections": ["plans"], "mode": "text"}
    assert texts(await desk.ask(ANN, "POST", "/query", words)) == ["dogs will be sold"]


async def test_an_embedder_that_changed_its_dimension_is_noticed(desk: Desk) -> None:
    """Its numbers are never compared with the old ones."""
    await seeded(desk)
    desk.embedder.long = 48
    assert (await desk.ask(ANN, "POST", "/query", {"question": "dogs"})).code == "changed_model"


async def test_the_embedders_refusals_are_told(desk: Desk) -> None:
    """Down is a 503, a full window a 429, both with Retry-After; no collection is made without its answer."""
    await seeded(desk)
    for fault, status in ((EmbedderDown("Down.", 7.0), 503), (TooMany("rate_limit_exceeded", "Wait.", 7.0), 429)):
        desk.embedder.fault = fault
        for method, path, body in (("POST", "/query", {"question": "dogs"}), ("PUT", "/collections/new", {})):
            refused = await desk.ask(ANN, method, path, body)
            assert (refused.status, refused.headers["Retry-After"]) == (status, "7")
    desk.embedder.fault = None
    assert (await desk.ask(ANN, "GET", "/collections/new")).status == 404


async def test_an_answer_is_made_of_the_passages_and_cites_them(desk: Desk) -> None:
    """The passages are numbered for the model, on the caller's behalf; numbers that do not exist are no citations."""
    await seeded(desk)
    desk.chat.text = "Dogs bark [1], cats do not [2, 7]. [1]"
    body = {"question": "dogs bark", "answer": True, "collections": ["pets"]}
    assert (await desk.ask(BOB, "POST", "/query", body)).code == "no_model"
    found = (await desk.ask(BOB, "POST", "/query", {**body, "model": "models.x"})).json
    expected = {"text": desk.chat.text, "citations": [1, 2], "model": "models.x", "usage": {"total_tokens": 3}}
    assert found["answer"] == expected
    ((model, messages, _),) = desk.chat.asked
    assert model == "models.x"
    titles = re.findall(r'<passage mark="[0-9a-f]{12}" number="(\d)" title="(\w+)">\n(.+)', messages[1]["content"])
    assert titles == [("1", "Dogs", "dogs bark loudly"), ("2", "Cats", "cats sleep long")]


async def test_no_answer_shares_its_mark_with_another(desk: Desk) -> None:
    """Whoever was told one, by a model's answer, writes no border into the next."""
    await seeded(desk)
    for _ in range(2):
        await desk.ask(BOB, "POST", "/query", {"question": "dogs", "answer": True, "model": "models.x"})
    first, second = (re.findall(r'mark="(\w+)"', messages[0]["content"])[0] for _, messages, _ in desk.chat.asked)
    assert first != second


async def test_nothing_found_is_answered_without_a_model(desk: Desk) -> None:
    """Nobody pays for an answer from nothing."""
    found = await desk.ask(BOB, "POST", "/query", {"question": "dogs", "answer": True, "model": "models.x"})
    empty: dict[str, Any] = {"text": "", "citations": [], "model": "models.x", "usage": None}
    assert found.json == {"passages": [], "answer": empty}
    assert desk.chat.asked == []


async def test_while_postgres_is_away_the_service_says_so(desk: Desk) -> None:
    """A 503 with Retry-After, and right answers as soon as it is back."""
    await seeded(desk)
    async with desk.away():
        for method, path, body in (("POST", "/query", {"question": "dogs"}), ("GET", "/collections", None)):
            refused = await desk.ask(ANN, method, path, body)
            assert (refused.status, refused.code) == (503, "unavailable")
            assert int(refused.headers["Retry-After"]) > 0
    assert (await desk.ask(ANN, "GET", "/collections")).status == 200
