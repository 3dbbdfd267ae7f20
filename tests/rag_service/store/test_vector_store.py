"""PgVectorStore alone: every mode, sync and async, with and without a loop, against brute force."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import pytest
from llama_index.core.schema import BaseNode, NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores.types import (
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
)
from psycopg_pool import AsyncConnectionPool

from rag_service.store.faults import StoreFault
from rag_service.store.tables import check_pgvector
from rag_service.store.vector_store import PgVectorStore
from tests.rag_service.store.rows import DIMENSION, chunk, nearest, vector

WORDS = ["refund", "invoice", "delivery", "warranty", "password"]
EVEN = MetadataFilters(filters=[MetadataFilter(key="even", value="yes")])
Make = Callable[..., PgVectorStore]


def node(number: int, document: str = "d1", **metadata: Any) -> TextNode:
    """A node of a document, with a word of its own among those that others have."""
    text = f"A passage on {WORDS[number % 5]}, code AB-{1000 + number}."
    made = TextNode(id_=f"n{number}", text=text, embedding=vector(f"n{number}"), metadata=metadata)
    made.relationships[NodeRelationship.SOURCE] = RelatedNodeInfo(node_id=document)
    return made


NODES = [node(n, f"d{n % 3}", even="yes" if n % 2 == 0 else "no", place=n) for n in range(60)]


@pytest.fixture
def make(database: str) -> Iterator[Make]:
    """Makes stores; they are closed afterwards."""
    stores = []

    def one(connection: Any = None, **options: Any) -> PgVectorStore:
        fields: dict[str, Any] = {"collection": "c", "dimension": DIMENSION, "language": "english"} | options
        stores.append(PgVectorStore(connection or database, **fields))
        return stores[-1]

    yield one
    for store in stores:
        store.close()


@pytest.fixture(params=["sync", "sync in a loop", "async", "async on a pool", "sync on a pool"])
async def act(request: pytest.FixtureRequest, make: Make, pool: AsyncConnectionPool) -> Callable[..., Any]:
    """Calls a method of one filled store the way that the test's name says."""
    way = str(request.param)
    store = await asyncio.to_thread(make, pool if "pool" in way else None)
    names = {"add": "async_add"}

    async def call(name: str, *arguments: Any, **options: Any) -> Any:
        if way.startswith("async"):
            return await getattr(store, names.get(name, f"a{name}"))(*arguments, **options)
        if way == "sync":
            return await asyncio.to_thread(getattr(store, name), *arguments, **options)
        return getattr(store, name)(*arguments, **options)

    assert await call("add", NODES) == [one.node_id for one in NODES]
    return call


def brute(nodes: list[TextNode], question: list[float], limit: int) -> list[str]:
    """The nearest of the nodes."""
    return nearest(question, [chunk(one.node_id) for one in nodes], limit)


@pytest.mark.parametrize("filters", [None, EVEN])
async def test_every_mode(act: Callable[..., Any], filters: MetadataFilters | None) -> None:
    """DEFAULT is exact; words find their passages; HYBRID has the exact code first; MMR starts with the nearest."""
    some = [one for one in NODES if filters is None or one.metadata["even"] == "yes"]
    question = vector("q")
    for mode in VectorStoreQueryMode:
        query = VectorStoreQuery(question, 5, query_str="Which warranty has AB-1018?", mode=mode, filters=filters)
        if mode.name in ("SVM", "LOGISTIC_REGRESSION", "LINEAR_REGRESSION"):
            with pytest.raises(NotImplementedError, match=mode.value):
                await act("query", query)
            continue
        result = await act("query", query)
        assert len(result.ids) == len(set(result.ids)) == len(result.nodes) == len(result.similarities) == 5
        assert set(result.ids) <= {one.node_id for one in some}
        assert [one.node_id for one in result.nodes] == result.ids
        if mode.name in ("DEFAULT", "SEMANTIC_HYBRID"):
            assert result.similarities == sorted(result.similarities, reverse=True)
        if mode.name == "DEFAULT":
            assert result.ids == brute(some, question, 5)
        if mode.name in ("SPARSE", "TEXT_SEARCH"):
            assert result.ids[0] == "n18"
            assert {int(name[1:]) % 5 for name in result.ids} == {3}
        if mode.name == "HYBRID":
            assert result.ids[0] == "n18"
        if mode.name == "MMR":
            assert result.ids[0] == brute(some, question, 1)[0]


async def test_a_query_says_how_many_which_and_what_counts(act: Callable[..., Any]) -> None:
    """doc_ids and node_ids bound it; the sizes of the modes and alpha are obeyed; more than there are: all."""
    question = vector("q")

    async def ids(**options: Any) -> list[str]:
        result = await act("query", VectorStoreQuery(**({"query_embedding": question} | options)))
        return list(result.ids)

    third = [one for one in NODES if one.ref_doc_id == "d2"]
    assert await ids(doc_ids=["d2"], similarity_top_k=4) == brute(third, question, 4)
    assert await ids(node_ids=["n3", "n4"], similarity_top_k=4) == brute([NODES[3], NODES[4]], question, 2)
    assert len(await ids(similarity_top_k=1000)) == 60
    assert len(await ids(query_str="refund", mode=VectorStoreQueryMode.SPARSE, sparse_top_k=7)) == 7
    hybrid = {"query_str": "AB-1007", "mode": VectorStoreQueryMode.HYBRID, "hybrid_top_k": 3}
    assert (await ids(**hybrid, alpha=1.0)) == brute(NODES, question, 3)
    assert (await ids(**hybrid, alpha=0.0))[0] == "n7"
    assert len(await ids(node_ids=[], doc_ids=[], similarity_top_k=4)) == 4  # as LlamaIndex means it


async def test_nodes_come_back_as_they_were(act: Callable[..., Any]) -> None:
    """Text, metadata, document and embedding, by id and by filter."""
    got: list[BaseNode] = await act("get_nodes", ["n7", "n8", "n99"])
    assert [one.node_id for one in got] == ["n7", "n8"]
    assert got[0].get_content() == NODES[7].text
    assert got[0].metadata == NODES[7].metadata
    assert got[0].ref_doc_id == "d1"
    assert got[0].embedding == pytest.approx(NODES[7].embedding, abs=2e-3)
    few = MetadataFilters(filters=[MetadataFilter(key="place", value=57, operator=FilterOperator.GTE)])
    assert [one.node_id for one in await act("get_nodes", filters=few)] == ["n57", "n58", "n59"]


async def test_adding_again_replaces(act: Callable[..., Any]) -> None:
    """A node id is there once; the last of a batch counts."""
    again = node(7, "other", even="no")
    await act("add", [node(7, "first"), again])
    got = await act("get_nodes")
    assert len(got) == 60
    assert (await act("get_nodes", ["n7"]))[0].ref_doc_id == "other"


async def test_deleting(act: Callable[..., Any]) -> None:
    """By document, by node, by filter, both at once, and all; never all by accident."""
    await act("delete", "d0")
    assert len(await act("get_nodes")) == 40
    await act("delete_nodes", ["n1", "n2", "n99"])
    assert len(await act("get_nodes")) == 38
    await act("delete_nodes", ["n4", "n5"], EVEN)
    assert await act("get_nodes", ["n4"]) == []
    assert len(await act("get_nodes", ["n5"])) == 1
    await act("delete_nodes", filters=EVEN)
    assert {one.metadata["even"] for one in await act("get_nodes")} == {"no"}
    with pytest.raises(StoreFault):
        await act("delete_nodes")
    assert await act("get_nodes") != []
    await act("clear")
    assert await act("get_nodes") == []


def test_what_was_made_differently_is_refused(make: Make) -> None:
    """A collection keeps its dimension, language and kind of vector; the sentence says both."""
    make()
    for options, words in (
        ({"dimension": 16}, "dimension 8, not 16"),
        ({"language": "russian"}, "language english, not russian"),
        ({"halfvec": False}, "halfvec True, not False"),
        ({"collection": "other", "language": "klingon"}, "klingon"),
        ({"collection": "other", "dimension": 0}, "dimensions"),
    ):
        with pytest.raises(StoreFault, match=words):
            make(**options)


def test_a_node_of_another_dimension_is_refused(make: Make) -> None:
    """Before anything of its batch is written; a node without an embedding too."""
    store = make()
    wrong, none = node(1), node(2)
    wrong.embedding, none.embedding = [1.0] * 7, None
    for one in (wrong, none):
        with pytest.raises(StoreFault):
            store.add([node(0), one])
    with pytest.raises(StoreFault, match="7 dimensions"):
        store.query(VectorStoreQuery([1.0] * 7, 3))
    assert store.get_nodes() == []


def test_a_collection_without_words(make: Make) -> None:
    """It answers by meaning and refuses to be asked by words, also by those who open it again as it was made."""
    make(language=None).add(NODES)
    store = make(language=None)
    near = store.query(VectorStoreQuery(vector("n7"), 3))
    assert near.ids == brute(NODES, vector("n7"), 3)
    for mode in (VectorStoreQueryMode.HYBRID, VectorStoreQueryMode.TEXT_SEARCH):
        with pytest.raises(StoreFault, match="by meaning alone"):
            store.query(VectorStoreQuery(vector("n7"), 3, query_str="AB-1007", mode=mode))
    with pytest.raises(StoreFault, match="language None, not english"):
        make()


def test_a_load_of_many_transactions(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is there once, the last of a node id; what breaks one transaction is told as itself and leaves no
    part of it."""
    monkeypatch.setattr("rag_service.store.vector_store.BATCH", 10)
    store = make()
    assert len(store.add([*NODES, node(0, "again")])) == 61
    assert {one.node_id for one in store.get_nodes()} == {one.node_id for one in NODES}
    assert store.get_nodes(["n0"])[0].ref_doc_id == "again"
    wrong = node(99)
    wrong.embedding = [1.0] * 7
    fresh = [node(100 + number) for number in range(34)]
    with pytest.raises(StoreFault, match="7 dimensions"):
        store.add([*fresh, wrong])
    names = {one.node_id for one in store.get_nodes()}
    assert not names & {one.node_id for one in fresh[30:]}
    assert all(len(names & {one.node_id for one in fresh[at : at + 10]}) in (0, 10) for at in (0, 10, 20))


def test_collections_do_not_see_each_other(make: Make) -> None:
    """The same node ids in two collections, also with vectors of full size, are different nodes."""
    stores = [make(), make(collection="two"), make(collection="three", halfvec=False)]
    for place, store in enumerate(stores):
        store.add([node(1, f"d{place}")])
    stores[0].delete("d1")
    assert [store.get_nodes()[0].ref_doc_id for store in stores] == ["d0", "d1", "d2"]
    again = make(collection="two")
    assert again.get_nodes()[0].ref_doc_id == "d1"


def test_a_connection_string_is_in_no_dump(make: Make, database: str) -> None:
    """Passwords are not shown."""
    store = make()
    for text in (repr(store), str(store.to_dict()), store.model_dump_json()):
        assert database not in text
        assert "postgresql://" not in text


@pytest.mark.parametrize(
    ("version", "good"), [("0.7.4", False), (None, False), ("0.8", True), ("0.8.6", True), ("1.0", True)]
)
def test_an_old_pgvector_is_refused(version: str | None, good: bool) -> None:
    """With a sentence that says which one is needed."""
    with nullcontext() if good else pytest.raises(StoreFault, match=r"0\.8 or newer is needed; the database has"):
        check_pgvector(version)
