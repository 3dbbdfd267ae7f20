"""A table of the stock Postgres store of LlamaIndex becomes documents, over the real service and a real worker."""

from __future__ import annotations

from pathlib import Path

import pytest

from maitre.settings import House
from rag_service import imports
from rag_service.database import rows
from rag_service.seal_aesgcm import Seal
from tests.rag_service.embedder import DIMENSION, EmbedderDouble
from tests.rag_service.ingest.desk import Desk
from tests.rag_service.ingest.processes import serving, working
from tests.rag_service.ingest.stock_rows import Client, nodes, old_store
from tests.rag_service.ingest.waiting import idle
from tests.rag_service.ingest.working import IMPORT_STEPS

ROWS = 30
WRONG = "pa55-of-another-house"


async def chunks_of(desk: Desk) -> list[str]:
    """The node ids that the collection has."""
    async with desk.pool.connection() as connection:
        table = desk.chunks.table(DIMENSION).name
        found = await rows(
            connection, f"select node_id from {table} where collection = %s order by 1", [desk.collection.id]
        )
    return [one["node_id"] for one in found]


async def everything(desk: Desk) -> str:
    """What all tables of the service's database hold, the queue's among them."""
    async with desk.pool.connection() as connection:
        tables = await rows(
            connection, "select quote_ident(tablename) as name from pg_tables where schemaname = 'public'"
        )
        held = [await rows(connection, f"select one::text as told from {table['name']} one") for table in tables]
    return "\n".join(one["told"] for table in held for one in table)


async def test_a_table_answers_with_titles_and_pages(
    stores: House, desk: Desk, embedder: EmbedderDouble, tmp_path: Path
) -> None:
    """Its documents are listed and found, later rows come with a second import, and nobody is told the password."""
    path, logs = f"/collections/{desk.collection.name}", [tmp_path / "service.log", tmp_path / "worker.log"]
    async with old_store(stores) as old:
        await old.add(nodes(ROWS))
        with serving(stores, embedder.url, log=logs[0]) as (_, url), working(stores, embedder.url, log=logs[1]):
            client = Client(stores, url, [])
            status, begun = await client.ask("POST", f"{path}/import", {"dsn": old.dsn, "table": "Old"})
            assert (status, begun["status"]) == (202, "waiting")
            done = await client.ended(begun["job"])
            assert done == {
                "job": begun["job"], "document": None, "status": "ready", "stage": "", "done": ROWS, "total": ROWS,
                "attempts": 1, "fault": "", "fault_code": "",
            }  # fmt: skip
            assert embedder.texts == []
            listed = (await client.ask("GET", f"{path}/documents"))[1]["documents"]
            assert [(one["key"], one["title"], one["chunks"], one["status"]) for one in listed] == [
                ("old", "Rules 0", 1, "ready"),
                ("old/d0", "Rules 0", 9, "ready"),
                ("old/d1", "Rules 1", 10, "ready"),
                ("old/d2", "Rules 2", 10, "ready"),
            ]
            question = {"question": "Rule 7: dogs of house 7 sleep outside.", "collections": [desk.collection.name]}
            best = (await client.ask("POST", "/query", question))[1]["passages"][0]
            assert (best["title"], best["page"], best["document"]) == ("Rules 1", 7, listed[2]["id"])
            assert best["metadata"] == {"year": 2007, "page_label": "7"}
            await old.add(nodes(ROWS + 2)[-2:])
            again = (await client.ask("POST", f"{path}/import", {"dsn": old.dsn, "table": "old"}))[1]
            assert (await client.ended(again["job"]))["done"] == ROWS + 2
            assert len(await chunks_of(desk)) == ROWS + 2
            assert (await client.ask("POST", f"{path}/re-index"))[1] == {"documents": []}
            assert (await client.ask("POST", f"/documents/{listed[0]['id']}/re-index"))[0] == 409
            assert (await client.ask("DELETE", f"/documents/{listed[1]['id']}"))[0] == 204
            assert len(await chunks_of(desk)) < ROWS
            async with desk.pool.connection() as connection:
                assert {one["sealed_dsn"] for one in await rows(connection, "select sealed_dsn from imports")} == {None}
            assert stores.secret("postgres_password") not in "".join(
                [*client.heard, *(log.read_text() for log in logs)]
            )


async def test_no_table_has_the_password(stores: House, desk: Desk, embedder: EmbedderDouble, tmp_path: Path) -> None:
    """The address of an import that waits or runs is sealed, the queue does not have it, and at the end it is gone."""
    password = stores.secret("postgres_password")
    async with old_store(stores) as old:
        assert password in old.dsn
        await old.add(nodes(ROWS))
        with serving(stores, embedder.url) as (_, url):
            client = Client(stores, url, [])
            body = {"dsn": old.dsn, "table": "old"}
            job = (await client.ask("POST", f"/collections/{desk.collection.name}/import", body))[1]["job"]
            waiting = await everything(desk)
            with working(stores, embedder.url, "opened", tmp_path / "worker.log") as worker:
                assert worker.stands() == "opened"
                running = await everything(desk)
                worker.go_on()
                assert (await client.ended(job))["status"] == "ready"
    for told in (waiting, running, await everything(desk)):
        assert "old" in told
        assert not [word for word in (password, password.encode().hex()) if word in told]


async def test_an_address_that_was_sealed_with_another_key_is_asked_for_again(
    stores: House, desk: Desk, embedder: EmbedderDouble
) -> None:
    """The job fails at once, in one sentence that says what to do."""
    async with desk.pool.connection() as connection:
        seal = Seal(f"not {stores.secret('rag_key')}")
        job = await imports.enqueue(connection, desk.collection, "old", "postgresql://db.example/old", seal)
    with serving(stores, embedder.url) as (_, url), working(stores, embedder.url):
        done = await Client(stores, url, []).ended(job)
    assert (done["status"], done["fault_code"], done["attempts"]) == ("failed", "changed_key", 1)
    assert done["fault"] == (
        "The address of “old” does not open with this house's secret “rag_key”. Ask for the import again."
    )


@pytest.mark.parametrize("step", IMPORT_STEPS)
async def test_another_worker_goes_on(
    step: str, stores: House, desk: Desk, embedder: EmbedderDouble, tmp_path: Path
) -> None:
    """A worker that is killed anywhere leaves nothing undone and nothing doubled."""
    async with old_store(stores) as old:
        await old.add(nodes(ROWS))
        with serving(stores, embedder.url) as (_, url):
            client = Client(stores, url, [])
            body = {"dsn": old.dsn, "table": "old"}
            job = (await client.ask("POST", f"/collections/{desk.collection.name}/import", body))[1]["job"]
            with working(stores, embedder.url, step, tmp_path / "killed.log") as worker:
                assert worker.stands() == step, (tmp_path / "killed.log").read_text()
                worker.kill()
            with working(stores, embedder.url, log=tmp_path / "heir.log"):
                done = await client.ended(job)
                await idle(desk)
    assert (done["status"], done["done"], done["total"], done["attempts"]) == ("ready", ROWS, ROWS, 2)
    assert await chunks_of(desk) == sorted(one.node_id for one in nodes(ROWS))
    assert sum(int(str(one["chunks"])) for one in await desk.documents()) == ROWS


async def test_an_import_ends_when_it_is_cancelled(
    stores: House, desk: Desk, embedder: EmbedderDouble, tmp_path: Path
) -> None:
    """A waiting one and a running one; the worker leaves off, and a deleted collection keeps nothing."""
    path = f"/collections/{desk.collection.name}"
    async with old_store(stores) as old:
        await old.add(nodes(ROWS))
        with serving(stores, embedder.url) as (_, url):
            client, body = Client(stores, url, []), {"dsn": old.dsn, "table": "old"}
            waiting = (await client.ask("POST", f"{path}/import", body))[1]["job"]
            assert (await client.ask("POST", f"/jobs/{waiting}/cancel"))[1]["status"] == "cancelled"
            assert (await client.ask("POST", f"/jobs/{waiting}/cancel"))[0] == 409
            assert (await client.ask("POST", f"/jobs/{waiting}/retry"))[0] == 409
            assert await desk.queue() == []
            running = (await client.ask("POST", f"{path}/import", body))[1]["job"]
            with working(stores, embedder.url, "opened", tmp_path / "worker.log") as worker:
                assert worker.stands() == "opened"
                assert (await client.ask("POST", f"/jobs/{running}/cancel"))[1]["status"] == "cancelled"
                worker.go_on()
                await idle(desk)
            assert await chunks_of(desk) == []
            last = (await client.ask("POST", f"{path}/import", body))[1]["job"]
            assert (await client.ask("DELETE", path))[0] == 204
            with working(stores, embedder.url):
                await idle(desk)
            assert (await client.ask("GET", f"/jobs/{last}"))[0] == 404
            assert await chunks_of(desk) == []


async def test_what_cannot_be_imported_says_why(stores: House, desk: Desk, embedder: EmbedderDouble) -> None:
    """In one sentence, without the password: at once, or as the job's fault."""
    path = f"/collections/{desk.collection.name}/import"
    async with old_store(stores, DIMENSION + 1) as old:
        await old.add([])
        host = old.dsn.rpartition("@")[2]
        with serving(stores, embedder.url) as (_, url), working(stores, embedder.url):
            client = Client(stores, url, [])
            for body, status, word in (
                ({"dsn": f"nonsense {WRONG}", "table": "old"}, 400, "no address"),
                ({"dsn": old.dsn}, 400, "“table”"),
            ):
                told = await client.ask("POST", path, body)
                assert (told[0], word in told[1]["error"]["message"]) == (status, True), told
            assert (await client.ask("POST", "/collections/none/import", {"dsn": old.dsn, "table": "old"}))[0] == 404
            guest = Client(stores, url, client.heard, operator=False)
            assert (await guest.ask("POST", path, {"dsn": old.dsn, "table": "old"}))[0] == 403
            for dsn, table, code, word in (
                (old.dsn, "old", "mixed_models", f"{DIMENSION + 1} numbers"),
                (old.dsn, "older", "bad_table", "no table data_older"),
                (f"postgresql://nobody:{WRONG}@127.0.0.1:1/x", "old", "unreadable", "cannot be read"),
                (f"postgresql://nobody:{WRONG}@{host}", "old", "unreadable", "cannot be read"),
            ):
                job = (await client.ask("POST", path, {"dsn": dsn, "table": table}))[1]["job"]
                done = await client.ended(job)
                assert (done["status"], done["fault_code"], word in done["fault"]) == ("failed", code, True), done
            assert WRONG not in "".join(client.heard)
