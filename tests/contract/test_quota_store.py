"""The live windows' contract, on the twin in memory and on Valkey alike: loading, holding, settling, releasing."""

from __future__ import annotations

from datetime import timedelta

import pytest

from maitre.billing.row import Totals
from maitre.quota.reservation import Denied, Granted, Reading, Unloaded
from maitre.quota.store import Live, QuotaStore
from maitre.quota.subject import HOUSE, Subject
from maitre.quota.window import periods
from tests.contract.house import (
    GUEST,
    NOON,
    NOTHING,
    REQUESTS,
    TTL,
    WHEN,
    ZONE,
    fields,
    granted,
    hold,
    live,
    loaded,
    spent,
    wish,
)

pytestmark = pytest.mark.contract
OTHER = Subject("account", "u2")
BOTH = (GUEST, HOUSE)
WIDE = {HOUSE: {"tokens_total": 1000}}


async def test_what_nobody_loaded_is_unloaded(store: QuotaStore) -> None:
    """Nothing is granted before the ledger was asked about every subject."""
    assert await store.reserve(wish(wider=WIDE)) == Unloaded(BOTH)
    await loaded(store)
    assert await store.reserve(wish(wider=WIDE)) == Unloaded((HOUSE,))
    assert await store.live(HOUSE, NOON) is None
    assert not await store.settle("h", (HOUSE,), spent(5))
    assert not await store.release("h", (HOUSE,), REQUESTS)
    await store.beat(["h"], NOON)


async def test_a_loaded_subject_has_what_the_ledger_said(store: QuotaStore) -> None:
    """Counters, the last minute and live holds come from the totals."""
    oldest = NOON - timedelta(seconds=40)
    totals = Totals(
        fields={"tokens:total": 500, "requests:month:2026-11": 9, "money:total": 0},
        recent={"a": oldest, "b": NOON - timedelta(seconds=5), "old": NOON - timedelta(seconds=70)},
        turns={"t9": 2},
        holds={"a": hold(100, 20, money=7), "b": hold(50, kind="tool"), "c": hold(1, 1, money=5, kind="task")},
    )
    await loaded(store, totals)
    frees = oldest + timedelta(seconds=60)
    held = {"tokens": 172, "money": 12, "calls": 2}
    assert await live(store) == Live({"tokens:total": 500, "requests:month:2026-11": 9}, 2, frees, held)
    assert await store.reserve(wish(turn="t9")) == Granted(False, True, 6)


async def test_a_grant_counts_at_once_and_holds(store: QuotaStore) -> None:
    """The request is counted in its windows and the hold is taken in every subject, before anything is called."""
    await loaded(store, NOTHING, *BOTH)
    assert await store.reserve(wish(wider=WIDE, prompt=40, answer=30, prices=(2, 3))) == Granted(True, False, 30)
    for subject in BOTH:
        assert await fields(store, subject) == dict.fromkeys(REQUESTS, 1)
        found = await live(store, subject)
        assert (found.minute, found.minute_frees_at) == (1, NOON + timedelta(seconds=60))
        assert found.held == {"tokens": 70, "money": 170, "calls": 1}


async def test_one_full_window_denies_and_changes_nothing(store: QuotaStore) -> None:
    """All or nothing over all subjects: a denial takes no hold, counts no request, and says what it saw."""
    await loaded(store)
    await loaded(store, Totals({"tokens:total": 951}, {}, {}, {"other": hold(40)}), HOUSE)
    before = [await live(store, subject) for subject in BOTH]
    asked = wish(wider=WIDE, limits={"tokens_total": 1000, "concurrency": 1, "requests_per_minute": 1})
    answer = await store.reserve(asked)
    assert isinstance(answer, Denied)
    by_window = {(limit.subject, limit.field): n for n, limit in enumerate(asked.limits)}
    assert answer.readings[by_window[HOUSE, "tokens:total"]] == Reading(951, 40)
    assert set(answer.readings) == {Reading(0, 0), Reading(951, 40)}
    assert [await live(store, subject) for subject in BOTH] == before


async def test_the_narrowest_window_clamps_the_answer(store: QuotaStore) -> None:
    """The answer is as long as every window of every subject has room for, and so much is held in each."""
    await loaded(store, Totals({"tokens:total": 30}, {}, {}, {}), GUEST)
    await loaded(store, Totals({"money:total": 100}, {}, {}, {}), HOUSE)
    asked = wish(
        limits={"tokens_total": 100},
        wider={HOUSE: {"spend_total": 700}},
        prompt=10,
        answer=90,
        least=1,
        prices=(10, 11),
    )
    assert await store.reserve(asked) == Granted(True, False, 45, (0, 1))
    for subject in BOTH:
        assert (await live(store, subject)).held == {"tokens": 55, "money": 595, "calls": 1}


async def test_a_shrunken_minute_waits_until_enough_have_left(store: QuotaStore) -> None:
    """With five in the minute and a new limit of two, the fourth to leave makes room."""
    await loaded(store)
    for second in range(5):
        assert granted(await store.reserve(wish(limits={"requests_per_minute": 5}, after=second)))
    answer = await store.reserve(wish(limits={"requests_per_minute": 2}, after=10))
    assert answer == Denied(True, (Reading(5, 0, NOON + timedelta(seconds=63)),))


async def test_the_minute_slides(store: QuotaStore) -> None:
    """Requests leave it one by one, each a minute after it came."""
    await loaded(store)
    two = {"requests_per_minute": 2}
    assert granted(await store.reserve(wish(limits=two, after=0)))
    assert granted(await store.reserve(wish(limits=two, after=30)))
    assert not granted(await store.reserve(wish(limits=two, after=60)))  # a minute with both its ends
    assert granted(await store.reserve(wish(limits=two, after=60.5)))
    assert not granted(await store.reserve(wish(limits=two, after=89)))
    assert granted(await store.reserve(wish(limits=two, after=90.5)))


@pytest.mark.parametrize(("back", "free"), [(0.5, False), (60, False), (60.5, True), (7200, True)])
async def test_a_minute_of_the_future_is_not_this_one(store: QuotaStore, back: float, free: bool) -> None:
    """After the clock was set back by more than a minute, what was asked before the step fills no minute."""
    await loaded(store)
    one = {"requests_per_minute": 1}
    assert granted(await store.reserve(wish(limits=one)))
    now = NOON - timedelta(seconds=back)
    answer = await store.reserve(wish(limits=one, after=-back))
    assert granted(answer) == free
    if not free:
        assert answer == Denied(True, (Reading(1, 0, NOON + timedelta(seconds=60)),))
    found = await store.live(GUEST, now)
    assert found is not None
    assert found.minute == 1


async def test_settling_replaces_the_hold_by_what_was_used_once(store: QuotaStore) -> None:
    """The hold goes and what was used comes, in every subject; a second settlement adds nothing."""
    await loaded(store, NOTHING, *BOTH)
    await store.reserve(wish("h1", wider=WIDE, prompt=50, answer=50, prices=(1, 1)))
    assert await store.settle("h1", (), spent(30, 20))
    for subject in BOTH:
        after = await live(store, subject)
        assert after.held == {"tokens": 0, "money": 0, "calls": 0}
        assert after.fields == {**dict.fromkeys(REQUESTS, 1), **spent(30, 20)}
    assert not await store.settle("h1", (), spent(30, 20))
    assert not await store.release("h1", (), REQUESTS)
    assert await fields(store, HOUSE) == {**dict.fromkeys(REQUESTS, 1), **spent(30, 20)}


async def test_settling_an_unknown_hold_leaves_it_to_the_ledger(store: QuotaStore) -> None:
    """It was settled before, or taken while the subject was loaded: the subjects are read again."""
    await loaded(store, NOTHING, *BOTH)
    assert not await store.settle("unknown", (HOUSE,), spent(30))
    assert await store.live(HOUSE, NOON) is None
    assert await fields(store) == {}


async def test_settling_serves_a_subject_that_knows_the_hold_and_unloads_one_that_does_not(store: QuotaStore) -> None:
    """Nothing is added where the hold is not known: it may be in the ledger's sums already."""
    await loaded(store, NOTHING, *BOTH)
    await store.reserve(wish("h1", wider=WIDE))
    await store.unload([HOUSE])
    await loaded(store, NOTHING, HOUSE)
    assert await store.settle("h1", (), spent(7))
    assert await store.live(HOUSE, NOON) is None
    assert (await fields(store))["tokens:total"] == 7


@pytest.mark.parametrize("event", ["settle", "release"])
async def test_an_unloaded_subject_of_a_record_hears_of_its_end(store: QuotaStore, event: str) -> None:
    """A load whose totals may lack it is not believed, even where the caller names no subjects."""
    await loaded(store, NOTHING, *BOTH)
    await store.reserve(wish("h1", wider=WIDE))
    await store.unload([HOUSE])
    generation = await store.generation(HOUSE)
    if event == "settle":
        assert await store.settle("h1", (), spent(7))
    else:
        assert await store.release("h1", (), REQUESTS)
    assert await store.generation(HOUSE) != generation
    assert not await store.load(HOUSE, WHEN.day, NOTHING, generation)


@pytest.mark.parametrize("kind", ["turn", "repair", "fallback", "task", "summary"])
async def test_releasing_undoes_a_reservation_once(store: QuotaStore, kind: str) -> None:
    """After a release every subject is as it was before, and what comes next is granted as before."""
    await loaded(store, NOTHING, *BOTH)
    await store.reserve(wish("h0", turn="t0", wider=WIDE))
    before = [await live(store, subject) for subject in BOTH]
    await store.reserve(wish("h1", turn="t1", kind=kind, answer=96, wider=WIDE))
    assert await store.release("h1", (), REQUESTS)
    assert not await store.release("h1", (), REQUESTS)
    assert [await live(store, subject) for subject in BOTH] == before
    assert await store.reserve(wish(turn="t1")) == Granted(True, False, 6)


async def test_reserving_twice_with_one_id_is_once(store: QuotaStore) -> None:
    """A repeated request whose answer got lost takes nothing more, even where a new one would be denied."""
    await loaded(store, NOTHING, *BOTH)
    one = {"requests_per_minute": 1, "tokens_total": 12}
    asked = wish("h1", limits=one, wider=WIDE, turn="t1", answer=90, least=1)
    first = await store.reserve(asked)
    before = await live(store)
    assert await store.reserve(asked) == first == Granted(True, False, 8, (0, 1))
    assert await live(store) == before
    later = await store.reserve(wish("h2", turn="t1"))
    assert await store.reserve(wish("h2", turn="t1")) == later == Granted(False, True, 6)


@pytest.mark.parametrize("lost", [(GUEST,), (HOUSE,), BOTH])
async def test_a_hold_that_a_subject_lost_is_asked_anew(store: QuotaStore, lost: tuple[Subject, ...]) -> None:
    """Where a subject was read from a ledger without the row, what remains elsewhere is not counted twice."""
    await loaded(store, NOTHING, *BOTH)
    asked = wish("h1", limits={"requests_per_day": 1}, wider={HOUSE: {"requests_per_day": 1}}, turn="t1")
    assert granted(await store.reserve(asked))
    before = [await live(store, subject) for subject in BOTH]
    await store.unload(lost)
    await loaded(store, NOTHING, *lost)
    assert granted(await store.reserve(asked))
    assert [await live(store, subject) for subject in BOTH] == before


async def test_a_hold_whose_room_was_given_away_is_denied(store: QuotaStore) -> None:
    """Read without it, then given to another: who asks again with it is told so, and nothing of it remains."""
    await loaded(store, NOTHING, *BOTH)
    asked = wish("h1", wider={HOUSE: {"requests_per_day": 1}})
    assert granted(await store.reserve(asked))
    await store.unload([HOUSE])
    await loaded(store, NOTHING, HOUSE)
    assert granted(await store.reserve(wish("h2", wider={HOUSE: {"requests_per_day": 1}}, user=GUEST)))
    assert not granted(await store.reserve(asked))
    for subject in BOTH:
        assert (await live(store, subject)).held["calls"] == 1
        assert (await fields(store, subject)) == dict.fromkeys(REQUESTS, 1)


async def test_a_hold_that_the_ledger_put_back_is_asked_anew(store: QuotaStore) -> None:
    """Its row was written while its room was given to another, and then both were read: only one is confirmed."""
    one = {"requests_per_day": 1}
    read = Totals(
        fields=dict.fromkeys(REQUESTS, 2),
        recent={"h1": NOON, "h2": NOON},
        turns={"t1": 1, "t2": 1},
        holds={"h1": hold(4, 6, turn_id="t1"), "h2": hold(4, 6, turn_id="t2")},
    )
    await loaded(store, read)
    assert not granted(await store.reserve(wish("h1", limits=one, turn="t1")))
    assert await fields(store) == dict.fromkeys(REQUESTS, 1)
    assert await store.reserve(wish("h2", limits=one, turn="t2")) == Granted(True, False, 6, (0,))
    assert await fields(store) == dict.fromkeys(REQUESTS, 1)
    assert (await live(store)).held == {"tokens": 10, "money": 0, "calls": 1}


async def test_a_load_puts_back_what_another_subject_still_knows(store: QuotaStore) -> None:
    """One record serves both: settling reaches the subject that was read meanwhile, once."""
    await loaded(store, NOTHING, *BOTH)
    await store.reserve(wish("h1", wider=WIDE))
    await store.unload([HOUSE])
    await loaded(store, Totals(dict.fromkeys(REQUESTS, 1), {}, {}, {"h1": hold(4, 6)}), HOUSE)
    assert (await live(store, HOUSE)).held == {"tokens": 10, "money": 0, "calls": 1}
    assert await store.settle("h1", (), spent(3))
    for subject in BOTH:
        assert (await live(store, subject)).held == {"tokens": 0, "money": 0, "calls": 0}
        assert await fields(store, subject) == {**dict.fromkeys(REQUESTS, 1), **spent(3)}


async def test_a_new_day_unloads(store: QuotaStore) -> None:
    """The day's counters are read from the ledger again, by their new name."""
    await loaded(store)
    await store.reserve(wish(kind="repair", ttl=timedelta(days=2)))
    generation = await store.generation(GUEST)
    assert await store.reserve(wish(after=24 * 3600)) == Unloaded((GUEST,))
    assert await store.live(GUEST, NOON) is None
    assert await store.generation(GUEST) != generation
    await loaded(store, when=periods(NOON + timedelta(days=1), ZONE))
    assert granted(await store.reserve(wish(after=24 * 3600)))


async def test_a_hold_past_its_expiry_unloads(store: QuotaStore) -> None:
    """Its process died; the ledger has charged it by then, and every subject of it is read again."""
    await loaded(store, NOTHING, *BOTH)
    await store.reserve(wish("dead", ttl=timedelta(seconds=30), wider=WIDE))
    assert granted(await store.reserve(wish(after=30)))
    assert await store.live(GUEST, NOON + timedelta(seconds=31)) is None
    assert await store.reserve(wish(after=31)) == Unloaded((GUEST,))
    assert await store.reserve(wish(after=31, wider=WIDE)) == Unloaded(BOTH)
    assert not await store.settle("dead", (), spent(5))


async def test_a_beat_lets_holds_live_on(store: QuotaStore) -> None:
    """Many at once, in every subject, those that nobody knows passed over; an older beat takes nothing back."""
    await loaded(store, NOTHING, *BOTH)
    for name in ("h1", "h2"):
        await store.reserve(wish(name, ttl=timedelta(seconds=30), wider=WIDE))
    await store.beat(["h1", "unknown", "h2"], NOON + timedelta(seconds=90))
    await store.beat(["h1"], NOON + timedelta(seconds=60))
    assert granted(await store.reserve(wish("h3", after=90, wider=WIDE, ttl=timedelta(seconds=5))))
    await store.settle("h3", (), spent(1))
    assert await store.reserve(wish(after=90.5, wider=WIDE)) == Unloaded(BOTH)


async def test_a_subject_is_loaded_once(store: QuotaStore) -> None:
    """Who comes second with the same generation changes nothing."""
    generation = await store.generation(GUEST)
    assert await store.load(GUEST, WHEN.day, Totals({"tokens:total": 5}, {}, {}, {}), generation)
    assert not await store.load(GUEST, WHEN.day, Totals({"tokens:total": 7}, {}, {}, {}), generation)
    assert await fields(store) == {"tokens:total": 5}


@pytest.mark.parametrize("event", ["settle", "release", "new day", "unload", "unload all"])
async def test_what_happened_since_the_ledger_was_read_spoils_the_load(store: QuotaStore, event: str) -> None:
    """Totals that may lack something are not loaded; they are read again."""
    if event.startswith("unload"):
        await loaded(store)
    generation = await store.generation(GUEST)
    match event:
        case "settle":
            await store.settle("h1", (GUEST,), spent(5))
        case "release":
            await store.release("h1", (GUEST,), REQUESTS)
        case "new day":
            await loaded(store)
            assert await store.reserve(wish(after=24 * 3600)) == Unloaded((GUEST,))
        case "unload":
            assert await store.unload([GUEST, HOUSE]) == 1
        case _:
            assert await store.unload() == 1
    assert not await store.load(GUEST, WHEN.day, NOTHING, generation)
    await loaded(store)


@pytest.mark.parametrize(
    ("event", "used", "held"), [("settle", {"requests:total": 2, **spent(5)}, 3), ("release", {"requests:total": 1}, 3)]
)
async def test_a_hold_that_ends_during_the_load_has_ended_in_it(
    store: QuotaStore, event: str, used: dict[str, int], held: int
) -> None:
    """What the totals still have as open ends in the loaded windows too, so that a busy house gets loaded."""
    generation = await store.generation(HOUSE)
    if event == "settle":
        await store.settle("h1", (GUEST, HOUSE), spent(5))
    else:
        await store.release("h1", (GUEST, HOUSE), REQUESTS)
    totals = Totals({"requests:total": 2}, {"h1": NOON, "h2": NOON}, {}, {"h1": hold(4, 6), "h2": hold(1, 2)})
    assert await store.load(HOUSE, WHEN.day, totals, generation)
    found = await live(store, HOUSE)
    counted = {name: amount for name, amount in found.fields.items() if amount > 0}
    assert (counted, found.held["tokens"], found.held["calls"]) == (used, held, 1)
    assert found.minute == (2 if event == "settle" else 1)
    assert not await store.settle("h1", (), spent(5))


async def test_an_end_that_the_totals_may_have_already_spoils_the_load(store: QuotaStore) -> None:
    """One of two holds that ended is not open in the totals: they may be from before its row or from after its end."""
    generation = await store.generation(HOUSE)
    await store.settle("h1", (HOUSE,), spent(5))
    later = await store.generation(HOUSE)
    await store.settle("h2", (HOUSE,), spent(5))
    totals = Totals({}, {}, {}, {"h2": hold(1, 2)})
    assert not await store.load(HOUSE, WHEN.day, totals, generation)
    assert await store.load(HOUSE, WHEN.day, totals, later)
    assert await fields(store, HOUSE) == spent(5)


async def test_a_total_is_not_believed_of_a_subject_that_was_loaded_without(store: QuotaStore) -> None:
    """Whoever sets a limit on it has it loaded again; until then it is not told."""
    await loaded(store)
    await loaded(store, Totals({}, {}, {}, {}, ever=False), HOUSE)
    assert granted(await store.reserve(wish(wider={HOUSE: {"tokens_per_month": 100}})))
    assert "requests:total" not in await fields(store, HOUSE)
    assert await store.reserve(wish(wider=WIDE)) == Unloaded((HOUSE,))


async def test_everything_can_be_forgotten(store: QuotaStore) -> None:
    """Every subject is read again, those whose load is on its way too; holds are settled all the same."""
    await loaded(store, NOTHING, GUEST, OTHER, HOUSE)
    await store.reserve(wish("h1", wider=WIDE))
    on_its_way = await store.generation(Subject("model", "m"))
    assert await store.unload() == 3
    assert await store.unload([]) == 0
    for subject in (GUEST, OTHER, HOUSE):
        assert await store.live(subject, NOON) is None
    assert not await store.load(Subject("model", "m"), WHEN.day, NOTHING, on_its_way)
    await loaded(store, Totals(dict.fromkeys(REQUESTS, 1), {}, {}, {"h1": hold(4, 6)}))
    assert await store.settle("h1", (), spent(3))
    assert await fields(store) == {**dict.fromkeys(REQUESTS, 1), **spent(3)}


async def test_accounts_do_not_share_windows(store: QuotaStore) -> None:
    """One guest's requests, turns and holds are nobody else's; a wider subject has those of all."""
    await loaded(store, NOTHING, GUEST, OTHER, HOUSE)
    one = {"requests_per_minute": 1, "tokens_total": 10}
    assert granted(await store.reserve(wish(limits=one, turn="t", user=GUEST, wider=WIDE)))
    assert await store.reserve(wish(limits=one, turn="t", user=OTHER, wider=WIDE)) == Granted(True, False, 6, (0, 1))
    assert not granted(await store.reserve(wish(limits=one, user=GUEST)))
    assert (await live(store, HOUSE)).held["tokens"] == 20


async def test_names_may_hold_anything(store: QuotaStore) -> None:
    """Model names come from operators and providers: colons, spaces and other alphabets do not confuse subjects."""
    strange = [Subject("model", name) for name in ("a:b", "a b", "модель", "account:u1", "")]
    await loaded(store, NOTHING, GUEST, *strange)
    assert granted(await store.reserve(wish("h1", wider={subject: {"tokens_total": 10} for subject in strange})))
    for subject in strange:
        assert (await live(store, subject)).held["tokens"] == 10
    assert await store.settle("h1", (), {"tokens:total": 3})
    assert [(await fields(store, subject))["tokens:total"] for subject in strange] == [3] * 5


async def test_a_hold_lives_as_long_as_its_lease(store: QuotaStore) -> None:
    """To its last moment it is held."""
    await loaded(store)
    await store.reserve(wish("h1"))
    assert (await live(store, after=TTL.total_seconds())).held["calls"] == 1
    assert await store.live(GUEST, NOON + TTL + timedelta(milliseconds=1)) is None
