"""What a guest of each plan hears while a store is down, and where the call is recorded meanwhile and afterwards.

Every outage meets six guests: of a plan that is `fail: closed` and of one that is `fail: open`, each before the stream
(the request comes while the store is down), during it, and after it (the store goes with the last event).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import product
from typing import Any

import pytest

from devstack.process import wait_until
from maitre.settings import Endpoint
from tests.engine.answers import DONE, error_in, script
from tests.engine.crash import books, short_leases
from tests.engine.crash.house import CALLS, FEW, CrashHall
from tests.engine.receivers import refusing
from tests.engine.small_house import seed as fill
from tests.raw_socket import RawAnswer
from tests.upstream import Call, ScriptedUpstream, running_upstream

SENTENCE = "The house cannot check your plan right now, so nothing was asked. Try again in a minute."

PLANS, MOMENTS = ("closed", "unchecked"), ("before", "during", "after")
WAYS = ("killed", "frozen", "stopped")  # the connections break; nobody answers; connections are refused in order
VIOLENT = WAYS[:2]
STORES: tuple[tuple[Endpoint, ...], ...] = (("valkey",), ("postgres",), ("valkey", "postgres"))


@dataclass(frozen=True, slots=True)
class Expected:
    """`status`: what the guest hears; `kept`: where the call is recorded while the store is down."""

    status: int
    kept: str  # nowhere | ledger | journal


#: By plan, moment, and whether Postgres is among the stores that are down.
TABLE = {
    ("closed", "before", False): Expected(503, "nowhere"),
    ("closed", "before", True): Expected(503, "nowhere"),
    ("closed", "during", False): Expected(200, "ledger"),
    ("closed", "during", True): Expected(200, "ledger"),  # its row was written before; it is settled afterwards
    ("closed", "after", False): Expected(200, "ledger"),
    ("closed", "after", True): Expected(200, "ledger"),
    ("unchecked", "before", False): Expected(200, "ledger"),
    ("unchecked", "before", True): Expected(200, "journal"),
    ("unchecked", "during", False): Expected(200, "ledger"),
    ("unchecked", "during", True): Expected(200, "ledger"),
    ("unchecked", "after", False): Expected(200, "ledger"),
    ("unchecked", "after", True): Expected(200, "ledger"),
}


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    """The upstream of this house alone."""
    with running_upstream() as started:
        yield started


@pytest.fixture(scope="module")
def whole_hall(tmp_path_factory: pytest.TempPathFactory, upstream: ScriptedUpstream) -> Iterator[CrashHall]:
    """One host with short leases, Postgres and Valkey."""
    folder = tmp_path_factory.mktemp("outage")
    folder.chmod(0o755)
    with refusing() as traces:
        hall = CrashHall(folder / "house", upstream.url, traces, short_leases.__name__)
        try:
            hall.start("postgres", "valkey")
            hall.ask(lambda books: fill(books, hall.house))
            hall.start("pipelines")
            yield hall
        finally:
            hall.close()


@pytest.fixture
def hall(whole_hall: CrashHall, eventually: Callable[..., Any]) -> CrashHall:
    """The hall, with nothing open."""
    eventually(lambda: not books.unfinished(whole_hall), "something is still open")
    return whole_hall


class Outage:
    """Within, stores are down."""

    def __init__(self, hall: CrashHall, names: tuple[Endpoint, ...], way: str) -> None:
        self._hall, self._names, self._way = hall, names, way
        self._frozen = ExitStack()

    def __enter__(self) -> None:
        if self._way == "frozen":
            for name in self._names:
                self._frozen.enter_context(self._hall.frozen(name))
        else:
            (self._hall.kill if self._way == "killed" else self._hall.stop)(*self._names)

    def __exit__(self, *_: object) -> None:
        self._frozen.close()
        if self._way != "frozen":
            self._hall.start(*self._names)


def journals(hall: CrashHall) -> list[str]:
    """The lines of all journals."""
    files = (hall.house.state / "journal").glob("*.jsonl")
    return [line for file in files for line in file.read_text("ascii").splitlines()]


def calls_of(upstream: ScriptedUpstream, guest: dict[str, str]) -> list[Call]:
    """The calls that were made for a guest; its id is in what it says."""
    return [call for call in upstream.calls if guest["id"] in str(call.body["messages"][-1]["content"])]


def flows(upstream: ScriptedUpstream, guest: dict[str, str]) -> bool:
    """Whether the guest's second answer has begun."""
    return any(call.deltas > 5 for call in calls_of(upstream, guest)[1:])


def says(guest: dict[str, str], **what: Any) -> str:
    """What a guest says: who asks, and what the upstream is to do."""
    return f"{guest['id']} {script(**what)}"


def rows_by_id(hall: CrashHall, guest: dict[str, str]) -> dict[str, dict[str, Any]]:
    """The guest's rows; each request id once."""
    mine = [row for row in books.rows(hall) if row["user_id"] == guest["id"]]
    assert len({row["request_id"] for row in mine}) == len(mine)
    return {row["request_id"]: row for row in mine}


def every_call_is_settled(hall: CrashHall, upstream: ScriptedUpstream, guest: dict[str, str]) -> None:
    """One row for each call, one call for each row, with the upstream's tokens."""
    rows = rows_by_id(hall, guest)
    assert {
        id: (row["status"], row["prompt_tokens"], row["completion_tokens"], row["estimated"])
        for id, row in rows.items()
    } == {
        str(call.request_id): ("done", call.usage["prompt_tokens"], call.usage["completion_tokens"], False)
        for call in calls_of(upstream, guest)
        if call.usage is not None
    }


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("names", STORES, ids="-".join)
def test_an_outage_is_met_by_the_plans_policy(
    hall: CrashHall, upstream: ScriptedUpstream, eventually: Callable[..., Any], names: tuple[Endpoint, ...], way: str
) -> None:
    """Each guest hears what the plan says, every call is recorded somewhere all the time and once in the end, and
    afterwards the windows count what was served unchecked."""
    guests = {(plan, moment): hall.guests(plan, 1)[0] for plan, moment in product(PLANS, MOMENTS)}
    for guest in guests.values():
        assert hall.chat(guest, says(guest)).status_code == 200
    eventually(lambda: not books.unfinished(hall), "the first turns are not settled")
    log, postgres = hall.fresh_log(), "postgres" in names
    heard: dict[tuple[str, str], RawAnswer] = {}
    with ThreadPoolExecutor(12) as pool:
        streams: dict[tuple[str, str], Future[RawAnswer]] = {
            (plan, "during"): pool.submit(
                hall.raw, guests[plan, "during"], says(guests[plan, "during"], n=50, interval_ms=60)
            )
            for plan in PLANS
        }
        for plan in PLANS:
            assert wait_until(partial(flows, upstream, guests[plan, "during"]), 10)
        for plan in PLANS:
            streams[plan, "after"] = pool.submit(hall.raw, guests[plan, "after"], says(guests[plan, "after"], n=20))
        for plan in PLANS:
            heard[plan, "after"] = streams.pop((plan, "after")).result()
        with Outage(hall, names, way):
            for plan in PLANS:
                guest = guests[plan, "before"]
                streams[plan, "before"] = pool.submit(hall.raw, guest, says(guest, n=20))
            heard |= {key: stream.result() for key, stream in streams.items()}
            kept = {json.loads(line)[2][1].get("user_id") for line in journals(hall) if '"opened"' in line}
    for (plan, moment), answer in heard.items():
        expected, guest = TABLE[plan, moment, postgres], guests[plan, moment]
        assert answer.status == expected.status, (plan, moment, answer.body)
        if expected.status == 200:
            assert answer.events[-1] == DONE, (plan, moment)
        else:
            assert error_in(answer)["message"] == SENTENCE
        assert len(calls_of(upstream, guest)) == (1 if expected.kept == "nowhere" else 2), (plan, moment)
        assert (guest["id"] in kept) == (expected.kept == "journal"), (plan, moment)
    eventually(lambda: not books.unfinished(hall), "something is still open, held or journaled")
    for guest in guests.values():
        every_call_is_settled(hall, upstream, guest)
        fills_its_day(hall, upstream, guest, eventually)
    assert "Traceback" not in log()


def fills_its_day(
    hall: CrashHall, upstream: ScriptedUpstream, guest: dict[str, str], eventually: Callable[..., Any]
) -> None:
    """Now that the stores are back, the guest is served to exactly the plan's limit."""
    codes = [hall.chat(guest, says(guest, n=1)).status_code for _ in range(FEW)]
    assert set(codes) <= {200, 429}
    assert codes[-1] == 429
    assert len(calls_of(upstream, guest)) == FEW
    eventually(lambda: not books.unfinished(hall), "the last turns are not settled")
    assert sum(row["counted"] for row in rows_by_id(hall, guest).values()) == FEW
    wrong, _ = books.disagreements(hall)
    assert not wrong


@pytest.mark.parametrize("way", VIOLENT)
@pytest.mark.parametrize("names", STORES, ids="-".join)
def test_what_passed_unchecked_closes_the_window_afterwards(
    hall: CrashHall, upstream: ScriptedUpstream, eventually: Callable[..., Any], names: tuple[Endpoint, ...], way: str
) -> None:
    """A guest of an open plan asks for more than the plan has while a store is down: all of it is recorded, and the
    first request afterwards is refused."""
    guest = hall.guests("unchecked", 1)[0]
    assert hall.chat(guest, says(guest)).status_code == 200
    eventually(lambda: not books.unfinished(hall), "the first turn is not settled")
    with Outage(hall, names, way), ThreadPoolExecutor(FEW) as pool:
        codes = [answer.status_code for answer in pool.map(lambda _: hall.chat(guest, says(guest, n=2)), range(FEW))]
    checked = names == ("postgres",)  # the live windows still answered
    assert sorted(codes) == [200] * (FEW - checked) + [429] * checked
    assert eventually(lambda: hall.chat(guest, says(guest)).status_code) == 429
    eventually(lambda: not books.unfinished(hall), "something is still open, held or journaled")
    every_call_is_settled(hall, upstream, guest)
    assert len(rows_by_id(hall, guest)) == 1 + FEW - checked


def test_the_journal_of_a_killed_engine_is_replayed_by_the_next(
    hall: CrashHall, upstream: ScriptedUpstream, eventually: Callable[..., Any]
) -> None:
    """While Postgres is down, one turn ends and one is half-way when the engine is killed: the next engine writes both
    rows, the whole one with its tokens and the other as lost with what was relayed; and a third one changes nothing."""
    whole, half = hall.guests("unchecked", 2)
    for guest in (whole, half):
        assert hall.chat(guest, says(guest)).status_code == 200
    eventually(lambda: not books.unfinished(hall), "the first turns are not settled")
    with ThreadPoolExecutor(1) as pool, Outage(hall, ("postgres",), "killed"):
        assert hall.chat(whole, says(whole, n=7)).status_code == 200
        stream = pool.submit(hall.raw, half, says(half, n=110, interval_ms=100))
        assert wait_until(lambda: any(call.deltas > 45 for call in calls_of(upstream, half)[1:]), 20)
        hall.kill("pipelines")
        assert stream.exception() is not None or not stream.result().whole
        hall.start("pipelines")
        assert hall.chat(half, says(half)).status_code == 503, "a guest whom the new engine does not know"
    eventually(lambda: not books.unfinished(hall), "something is still open, held or journaled")
    every_call_is_settled(hall, upstream, whole)
    cut = calls_of(upstream, half)[1]
    row = rows_by_id(hall, half)[str(cut.request_id)]
    assert (row["status"], row["estimated"], row["prompt_tokens"]) == ("lost", True, row["held_prompt"])
    assert cut.deltas - 25 <= row["completion_tokens"] <= row["held_completion"], cut.deltas
    before = books.rows(hall)
    hall.kill("pipelines")
    hall.start("pipelines")
    assert hall.chat(half, says(half)).status_code == 200
    eventually(lambda: not books.unfinished(hall))
    assert books.rows(hall)[:-1] == before


@pytest.mark.parametrize("names", [("postgres",), ("valkey", "postgres")], ids="-".join)
def test_without_a_journal_open_means_closed(
    hall: CrashHall, upstream: ScriptedUpstream, eventually: Callable[..., Any], names: tuple[Endpoint, ...]
) -> None:
    """A call that could be recorded nowhere is not made; and once the stores are back all goes on, even while the
    journal's folder still is none."""
    guest, flowing = hall.guests("unchecked", 2)
    for one in (guest, flowing):
        assert hall.chat(one, says(one)).status_code == 200
    eventually(lambda: not books.unfinished(hall), "the first turns are not settled")
    folder = hall.house.state / "journal"
    aside = folder.with_name("journal-aside")
    existed = folder.exists()
    if existed:
        folder.rename(aside)
    folder.write_text("no folder")  # whoever runs the tests as root could write into any folder
    try:
        with Outage(hall, names, "killed"):
            answer = hall.chat(guest, says(guest))
            assert (answer.status_code, answer.json()["detail"]) == (503, SENTENCE)
            assert len(calls_of(upstream, guest)) == 1
        begun = time.monotonic()
        eventually(lambda: hall.chat(flowing, says(flowing)).status_code == 200, "nobody is served")
        assert time.monotonic() - begun < 60
        hall.execute("update ledger set status = 'open', expires_at = now() where user_id = $1", flowing["id"])
        eventually(lambda: not books.unfinished(hall), "the house-keeping does not sweep")
    finally:
        folder.unlink()
        if existed:
            aside.rename(folder)
    assert len(rows_by_id(hall, guest)) == 1


@pytest.mark.parametrize("way", VIOLENT)
@pytest.mark.parametrize("names", STORES, ids="-".join)
def test_a_hold_outlives_an_outage_longer_than_its_lease(
    hall: CrashHall, upstream: ScriptedUpstream, eventually: Callable[..., Any], names: tuple[Endpoint, ...], way: str
) -> None:
    """Nobody could renew the leases of two long answers; as soon as the stores are back they hold their places again,
    before a third call of an account that may have two can take one."""
    guest = hall.guests("small", 1)[0]
    with ThreadPoolExecutor(CALLS) as pool:
        streams = [pool.submit(hall.raw, guest, says(guest, n=110, interval_ms=120)) for _ in range(CALLS)]
        assert wait_until(lambda: sum(call.deltas > 5 for call in calls_of(upstream, guest)) == CALLS, 10)
        lease = datetime.now(UTC) + short_leases.LEASE
        with Outage(hall, names, way):
            assert wait_until(lambda: datetime.now(UTC) > lease + timedelta(seconds=1), 20)
        while not all(stream.done() for stream in streams):
            answer = hall.chat(guest, says(guest, n=1))
            open_now = sum(call.ended == "open" for call in calls_of(upstream, guest))
            assert answer.status_code in (429, 503) or open_now < CALLS, "a third call of two was served"
    eventually(lambda: not books.unfinished(hall), "something is still open, held or journaled")
    every_call_is_settled(hall, upstream, guest)
