"""Admission over store and ledger together: nothing that was used is forgotten, whatever the live store loses."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from maitre.billing.ledger import Ledger
from maitre.billing.ledger_memory import MemoryLedger
from maitre.billing.ledger_postgres import PostgresLedger
from maitre.billing.row import Totals
from maitre.errors import StoreDown
from maitre.quota.admission import Admission
from maitre.quota.explain import live_of
from maitre.quota.memory_store import MemoryQuotaStore
from maitre.quota.redis_store import RedisQuotaStore
from maitre.quota.reservation import Ask, Denied, Granted, Unloaded
from maitre.quota.store import QuotaStore
from maitre.quota.subject import HOUSE, Subject
from maitre.sql.postgres import Database
from maitre.valkey.redis_wire import Valkey
from tests.contract.house import GUEST, NOON, REQUESTS, WHEN, fields, granted, live, loaded, row, spent, spent_by, wish
from tests.contract.rows import PRICES, ended, sums

pytestmark = pytest.mark.contract
Closing = Callable[[Callable[[], Awaitable[Any]]], None]
WIDE = {Subject("model", "small"): {"tokens_total": 10**6}, HOUSE: {"requests_total": 10**6}}


@dataclass
class Books:
    """The stores and admissions of some processes over the same data, and the ledger."""

    stores: list[QuotaStore]
    ledger: Ledger

    def __post_init__(self) -> None:
        self.doors = [Admission(store, self.ledger) for store in self.stores]

    async def take(self, asked: Ask, door: int = 0) -> Granted | Denied:
        """All that a turn does before its upstream call; after a denial nothing is left."""
        admission = self.doors[door % len(self.doors)]
        answer = await admission.admit(asked)
        if isinstance(answer, Granted):
            await self.ledger.open(row(asked, answer))
            answer = await admission.confirm(asked, answer)
            if isinstance(answer, Denied):
                await self.give_back(asked)
        return answer

    async def give_back(self, asked: Ask) -> None:
        """Undo a call that was never made."""
        await self.ledger.withdraw(asked.hold_id)
        await self.stores[0].release(asked.hold_id, asked.subjects, asked.periods.fields("requests"))

    async def settle(self, asked: Ask, tokens: int, door: int = 0) -> None:
        """Settle a call in both books."""
        await self.ledger.settle(ended(asked.hold_id, tokens, 0, cost=tokens), None)
        await self.stores[door % len(self.stores)].settle(
            asked.hold_id, asked.subjects, spent_by(asked, tokens, tokens)
        )


@pytest.fixture(params=["memory", "real"])
async def books(request: pytest.FixtureRequest, closing: Closing) -> AsyncIterator[Books]:
    """Twins, or three processes on Valkey and Postgres."""
    if request.param == "memory":
        yield Books([MemoryQuotaStore()], MemoryLedger(PRICES))
        return
    prefix, url = f"a-{uuid.uuid4().hex[:12]}", request.getfixturevalue("valkey_url")
    connections = [Valkey(url) for _ in range(3)]
    database = Database(request.getfixturevalue("postgres_schema"))
    await database.migrate()
    closing(database.close)
    for valkey in connections:
        closing(valkey.close)
    yield Books([RedisQuotaStore(valkey, prefix=prefix) for valkey in connections], PostgresLedger(database, PRICES))


async def test_racers_that_settle_meanwhile_never_exceed_the_tokens(books: Books) -> None:
    """With settlements and new loads in between, what was used and held stays within the limit, and the books agree."""

    async def guest(number: int) -> None:
        asked = wish(limits={"tokens_total": 300}, wider=WIDE, answer=16)
        if isinstance(await books.take(asked, number), Granted):
            await asyncio.sleep(0)
            await books.settle(asked, 7, number)

    for number in range(12):
        await asyncio.gather(*(guest(number) for number in range(40)))
        await books.doors[number % len(books.doors)].rebuild([GUEST, HOUSE] if number % 2 else None)
    used = (await sums(books.ledger)).fields["tokens:total"]
    assert 300 - 20 < used <= 300
    assert isinstance(await books.take(wish(limits={"tokens_total": 0}, wider=WIDE)), Denied)
    for subject in (GUEST, *WIDE):
        assert (await fields(books.stores[0], subject))["tokens:total"] == used


async def test_a_fresh_store_knows_what_the_ledger_knows(books: Books) -> None:
    """After Valkey came back empty, used, held, minute, turn and tasks are as before, in every subject."""
    for number, kind in enumerate(["turn", "turn", "task", "repair"]):
        asked = wish(kind=kind, turn="t" if kind == "turn" else None, after=number, wider=WIDE, prices=(3, 4))
        assert granted(await books.take(asked))
        if number:
            await books.settle(asked, 3)
    fresh = MemoryQuotaStore()
    asked = wish(after=10, limits={"tokens_total": 0}, wider=WIDE)
    now = asked.now
    before = [await books.doors[0].look(subject, now, WHEN) for subject in asked.subjects]
    assert isinstance(await Admission(fresh, books.ledger).admit(asked), Denied)
    assert [await fresh.live(subject, now) for subject in asked.subjects] == before
    assert [await Admission(MemoryQuotaStore(), books.ledger).look(s, now, WHEN) for s in asked.subjects] == before
    assert before[0].held == {"tokens": 10, "money": 36, "calls": 1}
    assert (before[0].minute, before[0].minute_frees_at) == (1, NOON + timedelta(seconds=60))
    assert await fresh.reserve(wish(turn="t", after=11)) == Granted(False, True, 6)


async def test_an_expired_hold_is_charged_and_the_account_goes_on(books: Books) -> None:
    """The row of a process that died is closed as lost by the next guest's admission, and charged."""
    asked = wish(prompt=10, ttl=timedelta(seconds=20))
    assert granted(await books.take(asked))
    later = wish(after=30, limits={"tokens_total": 19})
    assert isinstance(await books.take(later), Denied)
    assert await fields(books.stores[0]) == live_of(await sums(books.ledger), later.now).fields
    assert (await live(books.stores[0], after=30)).held["tokens"] == 0


async def test_a_reload_between_reserving_and_writing_forgets_nothing(books: Books) -> None:
    """While a call is reserved but its row not yet written, another process loads the account anew; once the call is
    settled, live windows and ledger agree all the same."""
    asked, none = wish(answer=46), {"tokens_total": 0}
    answer = await books.doors[0].admit(asked)
    assert isinstance(answer, Granted)
    assert await books.stores[0].reserve(wish(after=24 * 3600)) == Unloaded((GUEST,))
    assert isinstance(await books.take(wish(limits=none)), Denied)
    await books.ledger.open(row(asked, answer))
    await books.settle(asked, 40)
    assert isinstance(await books.take(wish(limits=none)), Denied)
    assert await fields(books.stores[0]) == {**dict.fromkeys(REQUESTS, 1), **spent(40, 40)}


@pytest.mark.parametrize("loads", [1, 2])
async def test_a_hold_whose_room_was_given_away_is_not_confirmed(books: Books, loads: int) -> None:
    """The store lost it before its row was written and another call took its room: one of the two is told so, also
    where the store was lost again and both rows were read."""
    one = {"requests_per_day": 1}
    first, second = wish(limits=one), wish(limits=one)
    answer = await books.doors[0].admit(first)
    assert isinstance(answer, Granted)
    await books.doors[0].rebuild()
    assert isinstance(await books.take(second, 1), Granted)
    await books.ledger.open(row(first, answer))
    if loads == 2:
        await books.doors[-1].rebuild()
    assert isinstance(await books.doors[0].confirm(first, answer), Denied)
    await books.give_back(first)
    assert set((await sums(books.ledger)).holds) == {second.hold_id}
    assert (await fields(books.stores[0]))["requests:total"] == 1
    await books.settle(second, 5)
    assert (await fields(books.stores[0]))["tokens:total"] == 5


async def test_a_clock_before_midnight_and_one_after_both_get_served(books: Books) -> None:
    """Two processes whose clocks lie on both sides of midnight unload each other's day, but nobody is stuck."""
    midnight = (datetime(2026, 11, 22, tzinfo=NOON.tzinfo) - NOON).total_seconds()
    await loaded(books.stores[0])
    for step in range(6):
        asked = wish(after=midnight + (0.2 if step % 2 else -0.2), wider=WIDE)
        assert isinstance(await books.take(asked, step), Granted)
    assert (await sums(books.ledger, after=midnight)).fields["requests:total"] == 6


class Slow(MemoryLedger):
    """Counts its reads, and lets others run meanwhile."""

    reads = 0

    async def totals(self, subject: Subject, now: datetime, when: Any, **words: Any) -> Totals:
        self.reads += 1
        await asyncio.sleep(0.01)
        return await super().totals(subject, now, when, **words)


async def test_calls_that_find_a_subject_unloaded_share_one_load() -> None:
    """Fifty guests at a fresh door read the house once, and whoever leaves meanwhile takes the load from nobody."""
    ledger = Slow()
    door = Admission(MemoryQuotaStore(), ledger)
    guests = [Subject("account", f"u{number}") for number in range(5)]
    calls = [asyncio.create_task(door.admit(wish(user=guests[n % 5], wider=WIDE))) for n in range(50)]
    await asyncio.sleep(0)
    calls[0].cancel()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(answer, Granted) for answer in answers) == 49
    assert ledger.reads == len(guests) + len(WIDE)


async def test_a_busy_house_is_loaded(books: Books) -> None:
    """A call of the house ends during every single read of the ledger, and the next guest is admitted all the same."""
    asks = [wish(wider=WIDE, user=Subject("account", f"u{number}")) for number in range(30)]
    for asked in asks:
        await books.take(asked)
    await books.stores[0].unload([HOUSE])

    class Busy(MemoryLedger):
        async def totals(self, subject: Subject, now: datetime, when: Any, **words: Any) -> Totals:
            found = await books.ledger.totals(subject, now, when, **words)
            await books.settle(asks.pop(), 7)
            return found

    assert isinstance(await Admission(books.stores[0], Busy()).admit(wish(wider=WIDE)), Granted)
    assert len(asks) >= 30 - 3
    read = await books.ledger.totals(HOUSE, NOON, WHEN)
    found = await live(books.stores[0], HOUSE)
    assert found.fields["tokens:total"] == read.fields["tokens:total"] == 7 * (30 - len(asks))
    assert found.held["calls"] == len(read.holds) + 1


async def test_only_what_limits_a_wide_subject_is_read() -> None:
    """A house without a limit on its total is not summed from its beginning; an account always is."""
    read: list[tuple[Subject, bool]] = []

    class Noted(MemoryLedger):
        async def totals(self, subject: Subject, now: datetime, when: Any, *, ever: bool = True) -> Totals:
            read.append((subject, ever))
            return await super().totals(subject, now, when, ever=ever)

    door = Admission(MemoryQuotaStore(), Noted())
    for limits in ({"tokens_per_day": 100}, {"tokens_total": 100}, {"tokens_per_day": 100}):
        assert isinstance(await door.admit(wish(wider={HOUSE: limits})), Granted)
    assert read == [(GUEST, True), (HOUSE, False), (HOUSE, True)]


async def test_admission_gives_up_rather_than_admit_unchecked() -> None:
    """An account that can never be loaded is not served."""

    class Restless(MemoryQuotaStore):
        async def load(self, subject: Subject, day: str, totals: Any, generation: int) -> bool:
            return False

    with pytest.raises(StoreDown, match="keep changing"):
        await Admission(Restless(), MemoryLedger()).admit(wish())


async def test_a_ledger_that_is_down_fails_the_load_for_all_who_wait() -> None:
    """Nobody is admitted, and the next call tries again."""

    class Down(Slow):
        async def totals(self, subject: Subject, now: datetime, when: Any, **words: Any) -> Totals:
            found = await super().totals(subject, now, when, **words)
            if self.reads <= 1:
                raise StoreDown("Postgres does not answer.")
            return found

    door = Admission(MemoryQuotaStore(), Down())
    answers = await asyncio.gather(*(door.admit(wish()) for _ in range(5)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [StoreDown] * 5
    assert isinstance(await door.admit(replace(wish())), Granted)
