"""`kill -9` of a host, of Valkey (with its disk, and with its data lost) and of Postgres, at every step of a turn,
while many guests are served: afterwards every call is one row, every row a call, and nothing is left held.

A run is drawn from a seed, which is printed; CRASH_SEED=… runs it again.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from devstack.process import wait_until
from tests.engine.crash import books, short_leases
from tests.engine.crash.diary import Diary
from tests.engine.crash.house import ENGINES, CrashHall
from tests.engine.crash.plan import STEPS, VICTIMS, Kill, kills
from tests.engine.crash.strike import Strikes
from tests.engine.crash.traffic import Traffic
from tests.engine.crash.verdict import judge
from tests.engine.receivers import refusing
from tests.engine.small_house import seed as fill
from tests.upstream import ScriptedUpstream, running_upstream

SEED = int(os.environ.get("CRASH_SEED") or int.from_bytes(os.urandom(4)))

#: Every part at every step, so many times; in so many batches, after each of which all is compared.
ROUNDS, BATCHES = 10, 4
KILLS = kills(SEED, ROUNDS)

SMALL_GUESTS = 60  # a batch


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    """The upstream of this house alone."""
    with running_upstream(keep_bytes=False, models=("scripted", "scarce")) as started:
        yield started


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory, upstream: ScriptedUpstream) -> Iterator[CrashHall]:
    """Two hosts with short leases on one Postgres and one Valkey."""
    folder = tmp_path_factory.mktemp("crash")
    folder.chmod(0o755)
    with refusing() as traces:
        hall = CrashHall(folder / "house", upstream.url, traces, short_leases.__name__)
        try:
            hall.start("postgres", "valkey")
            hall.ask(lambda books: fill(books, hall.house))
            hall.start(*ENGINES)
            yield hall
        finally:
            hall.close()


@pytest.fixture(scope="module")
def diary(hall: CrashHall, upstream: ScriptedUpstream) -> Iterator[Diary]:
    """What happens in this house, from the beginning."""
    with Diary(upstream, hall.parts["postgres"].url) as diary:
        for part in hall.parts:
            diary.lives[part].up()
        yield diary


def test_the_matrix_is_whole() -> None:
    """At least two hundred kills; every part dies at every step, and a seed gives the same kills again."""
    cells = Counter((kill.victim, kill.step) for kill in KILLS)
    assert len(KILLS) >= 200
    assert set(cells) == {(victim, step) for victim in VICTIMS for step in STEPS}
    assert kills(SEED, ROUNDS) == KILLS


def _wait_for_the_end(hall: CrashHall) -> None:
    """Wait until nothing is open, held or journaled any more."""
    if not wait_until(lambda: not books.unfinished(hall), 30, every=0.3):
        pytest.fail(f"CRASH_SEED={SEED}: {books.unfinished(hall)}")


@pytest.mark.parametrize("batch", range(BATCHES))
def test_every_call_is_one_row_after_a_storm_of_kills(
    hall: CrashHall,
    upstream: ScriptedUpstream,
    diary: Diary,
    capfd: pytest.CaptureFixture[str],
    batch: int,
) -> None:
    """Every upstream call has exactly one row and every row a call, with the upstream's own tokens where the engine
    lived; nothing is held for longer than its lease; the live windows say what the ledger says, and no window was ever
    over-granted."""

    def say(text: str) -> None:
        with capfd.disabled():
            print(f"[crash {batch + 1}/{BATCHES}, seed {SEED}] {text}", flush=True)

    share: list[Kill] = KILLS[batch::BATCHES]
    before, begun = len(books.rows(hall)), time.monotonic()
    with Traffic(hall, diary, Random(SEED + batch), hall.guests("small", SMALL_GUESTS)) as traffic:
        strikes = Strikes(hall, upstream, diary, traffic)
        try:
            for count, kill in enumerate(share, 1):
                strikes.strike(kill)
                if count % 10 == 0:
                    say(f"{count} of {len(share)} kills in {time.monotonic() - begun:.0f} s")
            strikes.mend()
        finally:
            strikes.close()
    say(f"the guests have left ({dict(traffic.heard)}; {strikes.missed} kills did not find their step)")
    _wait_for_the_end(hall)
    guests = [guest for guest in traffic.guests if guest["id"] in {row["user_id"] for row in books.rows(hall)[before:]}]
    with ThreadPoolExecutor(8) as pool:  # so that the live windows of all of them are loaded
        codes = set(pool.map(lambda guest: hall.chat(guest, f"At {ENGINES[0]} hello").status_code, guests))
    _wait_for_the_end(hall)
    found = judge(books.rows(hall), upstream.calls, diary)
    wrong, loaded = books.disagreements(hall, before)
    say(
        f"{len(upstream.calls)} calls, rows {dict(found.by_status)}, {len(found.never_called)} never called; "
        f"{found.checkpointed} estimates bound by a checkpoint; "
        f"{loaded} subjects loaded; {time.monotonic() - begun:.0f} s"
    )
    problems = [*found.broken, *wrong, *traffic.odd]
    assert codes <= {200, 429}, "after the storm not everybody is served"
    assert loaded >= len(guests), "the live windows were not there to be compared"
    assert not problems, f"CRASH_SEED={SEED}: {len(problems)} promises broken:\n" + "\n".join(problems[:30])
    assert diary.longest <= short_leases.LEASE.total_seconds() + 1, "a row was let live for longer than a lease"
