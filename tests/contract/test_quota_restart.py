"""What the live windows believe after Valkey was killed and came back with its disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from maitre.quota.redis_store import RedisQuotaStore
from maitre.quota.reservation import Unloaded
from maitre.quota.subject import HOUSE
from maitre.valkey.redis_wire import Valkey
from tests.contract.house import GUEST, NOON, NOTHING, WHEN, fields, granted, loaded, spent, wish
from tests.contract.valkey.own_valkey import OwnValkey

pytestmark = pytest.mark.contract
WIDE = {HOUSE: {"tokens_total": 1000}}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[OwnValkey]:
    """A Valkey with a disk, to be killed."""
    own = OwnValkey(tmp_path)
    own.start()
    yield own
    own.kill()


async def test_what_comes_from_an_old_disk_is_not_believed(server: OwnValkey) -> None:
    """Settlements may be missing there: every subject is read from the ledger again, and a load that began before
    the restart is not believed either. A save alone changes nothing."""
    valkey = Valkey(server.url)
    store = RedisQuotaStore(valkey)
    await loaded(store, NOTHING, GUEST, HOUSE)
    assert granted(await store.reserve(wish("h1", wider=WIDE)))
    await valkey.call("SAVE")
    assert granted(await store.reserve(wish("h2", wider=WIDE)))
    on_its_way = await store.generation(GUEST)

    server.kill()
    server.start()
    assert await valkey.call("EXISTS", "maitre:{house}:hold:h2") == 1  # its disk had it all
    assert await store.live(GUEST, NOON) is None
    assert await store.reserve(wish("h3", wider=WIDE)) == Unloaded((GUEST, HOUSE))
    assert not await store.load(GUEST, WHEN.day, NOTHING, on_its_way)
    assert await store.settle("h1", (GUEST, HOUSE), spent(5)) is False
    await loaded(store, NOTHING, GUEST, HOUSE)
    assert await fields(store) == {}
    assert granted(await store.reserve(wish("h3", wider=WIDE)))
    await valkey.close()
