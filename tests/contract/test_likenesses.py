"""What assistants say of themselves, as embeddings: the twin in memory and Postgres do the same."""

from __future__ import annotations

import pytest

from maitre.assistants.catalogue_postgres import PostgresCatalogue
from maitre.routing.likenesses import Likenesses
from maitre.routing.likenesses_memory import MemoryLikenesses
from maitre.routing.likenesses_postgres import PostgresLikenesses
from maitre.sql.postgres import Database


@pytest.fixture(params=["memory", "postgres"])
def likenesses(request: pytest.FixtureRequest) -> Likenesses:
    """An empty store."""
    if request.param == "memory":
        return MemoryLikenesses()
    return PostgresLikenesses(request.getfixturevalue("database"))


async def test_vectors_are_kept_by_their_mark_until_nobody_says_so(likenesses: Likenesses) -> None:
    """Twice is once; what no assistant says any more is forgotten."""
    await likenesses.put({"a": [0.5, 0.25], "b": [1.0]})
    await likenesses.put({"b": [2.0, 4.0]})
    assert {mark: list(vector) for mark, vector in (await likenesses.read()).items()} == {
        "a": [0.5, 0.25],
        "b": [2.0, 4.0],
    }
    assert await likenesses.keep_only(["b", "c"]) == 1
    assert list(await likenesses.read()) == ["b"]
    assert await likenesses.keep_only([]) == 1


async def test_running_engines_notice(database: Database) -> None:
    """A change raises the catalogue's version, which every turn reads anyway."""
    catalogue = PostgresCatalogue(database)
    before = (await catalogue.read()).version
    await PostgresLikenesses(database).put({"a": [1.0]})
    assert (await catalogue.read()).version > before
