"""One Postgres pool, opened lazily, whose faults all become StoreDown; and the migrations.

The pool connects on first use, so that a door starts while Postgres is still coming up, and a restart of
Postgres needs no restart of ours: a query on a connection that died is tried once more on a fresh one.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any, TypeVar

import asyncpg

from maitre.errors import HouseError, StoreDown
from maitre.sql.statements import statements

T = TypeVar("T")

#: Any number will do, as long as every Maitre process uses the same one.
MIGRATION_LOCK = 0x4D414954

#: Faults of the connection and of the server, not of the query: it is starting, stopping, out of connections, memory
#: or disk, only reads, has cancelled or rolled back what would work another time, knows us no more, or is damaged.
_DOWN = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InternalServerError,
)


#: Those after which a fresh connection may do.
_DIED = (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.InternalClientError, ConnectionError)


#: Seconds for one statement of a migration, and for waiting until another process has migrated.
LONG = 3600.0
#: Seconds that a migration waits for a table that is in use, and how often it tries.
LOCK, TRIES = 3, 20


#: Seconds until connections that do not close are cut.
CLOSE = 1.0


class Database:
    """A pool of connections to Maitre's database. Use it from one event loop."""

    def __init__(self, url: str, *, size: int = 8, timeout: float = 5.0) -> None:
        self._url = url
        self._size = size
        self._timeout = timeout  # seconds, for connecting and for one query
        self._pool: asyncpg.Pool | None = None
        self._opening = asyncio.Lock()
        self._late = 0.8 * timeout  # so long nobody waits for an answer of a Postgres that is well
        self._asked: dict[object, float] = {}  # since when who waits for an answer, by the loop's time
        self._answers_since: float | None = None  # None while it does not

    @property
    def answers_for(self) -> float:
        """For how many seconds Postgres has answered us, and in time; 0 before it ever did."""
        now = asyncio.get_running_loop().time()
        if self._answers_since is None or any(now - begun > self._late for begun in self._asked.values()):
            return 0.0
        return now - self._answers_since

    @property
    def connections(self) -> int:
        """How many are open."""
        return 0 if self._pool is None else self._pool.get_size()

    async def _open(self) -> asyncpg.Pool:
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self._url,
                    min_size=0,
                    max_size=self._size,
                    timeout=self._timeout,
                    command_timeout=self._timeout,
                    init=_as_json,
                    reset=_as_it_is,
                )
            return self._pool

    async def _run(self, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        clock, mine = asyncio.get_running_loop().time, object()
        begun = self._asked[mine] = clock()
        try:
            answer = await self._try(work)
        except _DOWN as fault:
            self._answers_since = None
            raise StoreDown(f"Postgres does not answer: {fault or type(fault).__name__}") from fault
        except asyncpg.UndefinedTableError as fault:
            raise StoreDown("Maitre's database has no tables yet. `cli seed` makes them.") from fault
        except asyncpg.UndefinedColumnError as fault:
            raise StoreDown("Maitre's database is of an earlier version. `cli seed` brings it up to date.") from fault
        finally:
            del self._asked[mine]
        if self._answers_since is None or clock() - begun > self._late:
            self._answers_since = clock()
        return answer

    async def _try(self, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        pool = await self._open()
        for attempt in (1, 2):
            try:
                # Whoever finds a free connection needs no timer for waiting.
                patience = None if pool.get_idle_size() else self._timeout
                async with pool.acquire(timeout=patience) as connection:
                    return await work(connection)  # type: ignore[arg-type] # a proxy of the pool
            except _DIED:
                self._answers_since = None
                if attempt == 2:
                    raise
                await pool.expire_connections()
        raise AssertionError("unreachable")

    async def fetch(self, query: str, *values: Any) -> list[asyncpg.Record]:
        """Rows of a query. It may run twice when a connection dies, so it must be idempotent."""
        return await self._run(lambda connection: connection.fetch(query, *values))

    async def fetchrow(self, query: str, *values: Any) -> asyncpg.Record | None:
        """The first row of an idempotent query, or None."""
        return await self._run(lambda connection: connection.fetchrow(query, *values))

    async def execute(self, query: str, *values: Any) -> int:
        """Run an idempotent statement; how many rows it touched."""
        tag = await self._run(lambda connection: connection.execute(query, *values))
        return int(tag.rpartition(" ")[2]) if tag[-1:].isdigit() else 0

    async def transaction(
        self, work: Callable[[asyncpg.Connection], Awaitable[T]], *, isolation: str = "read_committed"
    ) -> T:
        """Run idempotent work in one transaction."""

        async def inside(connection: asyncpg.Connection) -> T:
            async with connection.transaction(isolation=isolation):  # type: ignore[arg-type]
                return await work(connection)

        return await self._run(inside)

    async def time(self) -> datetime:
        """The server's clock."""
        row = await self.fetchrow("select clock_timestamp() as now")
        assert row is not None
        return datetime.fromtimestamp(row["now"].timestamp(), UTC)

    async def pending(self) -> list[str]:
        """The names of the migrations that are missing."""
        table = await self.fetchrow("select to_regclass('migrations') as name")
        done = set() if table is None or table["name"] is None else await self._applied()
        return [name for name in migrations() if name not in done]

    async def _applied(self) -> set[str]:
        return {row["name"] for row in await self.fetch("select name from migrations")}

    async def migrate(self, files: Mapping[str, str] | None = None) -> list[str]:
        """Apply the migrations that are missing, all or nothing, and nobody else at the same time; the names of those
        applied. `files`: others than the house's, by name. Raises HouseError, naming the statement that failed."""
        wanted = migrations() if files is None else files
        for attempt in range(1, TRIES + 1):
            try:
                return await self._migrate(wanted)
            except _Busy as busy:
                if attempt == TRIES:
                    raise HouseError(f"{busy}: it is in use all the time. Nothing was changed; try again.") from busy
            await asyncio.sleep(LOCK)
        raise AssertionError("unreachable")

    async def _migrate(self, wanted: Mapping[str, str]) -> list[str]:
        async def apply(connection: asyncpg.Connection) -> list[str]:
            await connection.execute(f"select pg_advisory_xact_lock({MIGRATION_LOCK})", timeout=LONG)
            await connection.execute(
                "create table if not exists migrations (name text primary key, at timestamptz not null default now())"
            )
            done = {row["name"] for row in await connection.fetch("select name from migrations")}
            applied = [name for name in sorted(wanted) if name not in done]
            # Whoever waits for a lock on a table keeps everybody after it waiting, too.
            await connection.execute(f"set local lock_timeout = '{LOCK}s'")
            for name in applied:
                await _apply(connection, name, wanted[name])
                await connection.execute("insert into migrations (name) values ($1)", name)
            return applied

        return await self.transaction(apply)

    async def close(self) -> None:
        """Give the connections back; those that do not close in CLOSE seconds are cut."""
        if self._pool is not None:
            pool, self._pool = self._pool, None
            try:
                await asyncio.wait_for(pool.close(), CLOSE)
            except _DOWN:
                pool.terminate()


class _Busy(Exception):
    """A statement did not get its lock; the text says which."""


def migrations() -> dict[str, str]:
    """The house's migrations by their names, in order."""
    folder = files("maitre.sql") / "migrations"
    found = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    return {file.name: file.read_text("utf-8") for file in found}


async def _apply(connection: asyncpg.Connection, name: str, text: str) -> None:
    for one in statements(text):
        where = f"{name}, line {one.line} ({one.outline})"
        try:
            await connection.execute(one.text, timeout=LONG)
        except asyncpg.LockNotAvailableError as busy:
            raise _Busy(f"{where} gets no lock") from busy
        except _DOWN:
            raise
        except asyncpg.PostgresError as fault:
            raise HouseError(f"{where} failed: {fault}. Nothing was changed.") from fault


async def _as_it_is(connection: asyncpg.Connection) -> None:
    """Nothing to undo: we set, listen to and lock nothing that outlives a transaction, and the pool itself rolls back
    one that is left open. Without this each use of a connection costs a second round trip."""


async def _as_json(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
