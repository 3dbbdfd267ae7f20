"""The seal around the address of a table, and the update of a database that had addresses in plain text."""

from __future__ import annotations

import uuid
from importlib import resources

import pytest

from maitre.settings import House
from rag_service.database import migrate, open_pool, row, rows
from rag_service.errors import Refused
from rag_service.seal_aesgcm import Seal
from tests.stores import drop_database

DSN = "postgresql://reader:pässword@db.example/old"


def test_what_is_sealed_opens_and_shows_nothing() -> None:
    """The same address is sealed to something else each time."""
    seal = Seal("a key")
    first, second = (seal.close(7, "old", DSN) for _ in range(2))
    assert first != second
    assert b"reader" not in first
    assert {seal.open(7, "old", first), seal.open(7, "old", second)} == {DSN}


@pytest.mark.parametrize(
    ("key", "collection", "source", "change"),
    [
        ("another key", 7, "old", b""),
        ("a key", 8, "old", b""),
        ("a key", 7, "new", b""),
        ("a key", 7, "old", b"!"),
    ],
    ids=["key", "collection", "table", "changed"],
)
def test_it_opens_for_its_own_import_only(key: str, collection: int, source: str, change: bytes) -> None:
    """Another key, another import or another byte: one sentence, without the address."""
    sealed = Seal("a key").close(7, "old", DSN) + change
    with pytest.raises(
        Refused, match="^The address of “.*” does not open with .* Ask for the import again.$"
    ) as refused:
        Seal(key).open(collection, source, sealed)
    assert refused.value.code == "changed_key"


def test_what_is_too_short_does_not_open() -> None:
    """A row without a whole nonce is a fault in a sentence, too."""
    with pytest.raises(Refused):
        Seal("a key").open(7, "old", b"")


async def test_an_update_forgets_addresses_in_plain_text(stores: House) -> None:
    """An import that had not ended has failed with a sentence; its address is nowhere."""
    name = f"rag_{uuid.uuid4().hex[:8]}"
    pool = await open_pool(stores, name)
    try:
        async with pool.connection() as connection:
            await connection.execute("create table migrations (name text primary key, at timestamptz not null)")
            files = sorted(file.name for file in (resources.files("rag_service") / "sql").iterdir())
            for file in files[: files.index("0005_sealed_imports.sql")]:
                await connection.execute((resources.files("rag_service") / "sql" / file).read_bytes())
                await connection.execute("insert into migrations values (%s, now())", [file])
            made = await row(
                connection,
                "insert into collections (name, title, model, dimension, index)"
                " values ('a', 'a', 'e5', 3, 'hnsw') returning id",
            )
            assert made is not None
            before = "insert into imports (collection, source, dsn, status) values (%s, 'old', %s, %s)"
            for status, dsn in (("ready", ""), ("waiting", DSN), ("working", DSN)):
                await connection.execute(before, [made["id"], dsn, status])
        await migrate(pool)
        async with pool.connection() as connection:
            found = await rows(connection, "select imports::text as told, * from imports order by id")
    finally:
        await pool.close()
        drop_database(stores.endpoint("postgres"), name)
    assert [(one["status"], one["fault_code"]) for one in found] == [
        ("ready", ""),
        ("failed", "changed_key"),
        ("failed", "changed_key"),
    ]
    assert "db.example" not in "".join(one["told"] for one in found)
