"""Likenesses in Postgres."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from maitre.sql.postgres import Database

_PUT = """
insert into likenesses (mark, vector) select $1, $2::real[]
on conflict (mark) do update set vector = excluded.vector
"""


class PostgresLikenesses:
    """The likenesses of the house."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self) -> Mapping[str, Sequence[float]]:
        rows = await self._database.fetch("select mark, vector from likenesses")
        return {row["mark"]: row["vector"] for row in rows}

    async def put(self, vectors: Mapping[str, Sequence[float]]) -> None:
        for mark, vector in vectors.items():
            await self._database.execute(_PUT, mark, list(vector))

    async def keep_only(self, marks: Iterable[str]) -> int:
        return await self._database.execute("delete from likenesses where not mark = any($1::text[])", list(marks))
