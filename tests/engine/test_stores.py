"""Postgres and Valkey stop, die, hang and lose their data; nothing of ours is restarted, and the books agree."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from maitre.settings import Endpoint
from tests.engine.answers import DONE, error_in, script
from tests.engine.hall import Hall
from tests.raw_socket import RawAnswer
from tests.upstream import ScriptedUpstream

SENTENCE = "The house cannot check your plan right now, so nothing was asked. Try again in a minute."

Names = tuple[Endpoint, ...]
either = pytest.mark.parametrize("names", [("postgres",), ("valkey",), ("postgres", "valkey")], ids="-".join)
Eventually = Callable[..., Any]


@either
def test_nothing_is_served_unmetered(
    hall: Hall, upstream: ScriptedUpstream, eventually: Eventually, names: Names
) -> None:
    """Without a store every guest reads one sentence, whole and streamed, and the upstream hears nothing."""
    guest = hall.guest()
    assert hall.chat(guest).status_code == 200
    eventually(lambda: hall.agrees(guest))
    log, before = hall.fresh_log(), len(upstream.calls)
    hall.stop(*names)
    for model in ("assistants.host", "models.scripted", "assistants.former"):
        whole = hall.chat(guest, model=model)
        assert (whole.status_code, whole.json()["detail"]) == (503, SENTENCE)
        assert whole.headers["retry-after"] == "60"
        streamed = hall.raw(guest, model=model)
        assert (streamed.status, error_in(streamed)["message"]) == (503, SENTENCE)
    assert len(upstream.calls) == before
    hall.start(*names)
    assert hall.chat(guest).status_code == 200, "the first turn after a restart must work"
    eventually(lambda: hall.agrees(guest))
    assert len(hall.rows(guest)) == len(upstream.calls) - before + 1 == 2
    assert "Traceback" not in log()


@either
@pytest.mark.parametrize("violently", [False, True], ids=["stopped", "killed"])
def test_a_stream_outlives_the_stores(
    hall: Hall, upstream: ScriptedUpstream, eventually: Eventually, names: Names, violently: bool
) -> None:
    """A guest who is being answered reads on to the end; the row is settled after the restart, exactly once."""
    guest, before = hall.guest(), len(upstream.calls)
    with flowing(hall, upstream, guest) as answer:
        (hall.kill if violently else hall.stop)(*names)
        got = answer.result()
    assert got.events[-1] == DONE
    assert got.body.count(b"word") == 40
    hall.start(*names)
    (row,) = eventually(lambda: hall.settled(guest))
    assert (row["status"], row["completion_tokens"], row["estimated"]) == ("done", 40, False)
    eventually(lambda: hall.agrees(guest))
    assert row["request_id"] == upstream.calls[before].request_id


@either
def test_a_restart_in_mid_stream_needs_no_restart_of_ours(
    hall: Hall, upstream: ScriptedUpstream, eventually: Eventually, names: Names
) -> None:
    """The stores come back while a guest is being answered: other guests are served again at once."""
    guest, other = hall.guest(), hall.guest()
    with flowing(hall, upstream, guest) as answer:
        hall.stop(*names)
        assert hall.chat(other).status_code == 503
        hall.start(*names)
        assert hall.chat(other).status_code == 200
        assert answer.result().body.count(b"word") == 40
    for one in (guest, other):
        eventually(lambda one=one: hall.agrees(one))
        assert len(hall.rows(one)) == 1


@pytest.mark.parametrize(
    "name",
    [
        "postgres",
        pytest.param("valkey"),
    ],
)
def test_a_store_that_hangs_is_as_good_as_down(
    hall: Hall, upstream: ScriptedUpstream, eventually: Eventually, name: Endpoint
) -> None:
    """A store that holds its connections and says nothing gives the same sentence, and leaves no hold behind."""
    guest = hall.guest()
    assert hall.chat(guest).status_code == 200
    before = len(upstream.calls)
    with hall.frozen(name), ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: hall.chat(guest), range(12)))
    assert {(answer.status_code, answer.json()["detail"]) for answer in answers} == {(503, SENTENCE)}
    assert len(upstream.calls) == before
    eventually(lambda: hall.chat(guest).status_code == 200)
    eventually(lambda: hall.agrees(guest), f"after {name} hung, the windows are not what the ledger says", seconds=10)


@pytest.mark.parametrize("plan", ["wide", "free"])
def test_lost_windows_are_rebuilt_from_the_ledger(hall: Hall, eventually: Eventually, plan: str) -> None:
    """Valkey dies and forgets everything: the next turn finds every window as it was, the sliding minute too."""
    guest = hall.guest(plan)
    for _ in range(4):
        assert hall.chat(guest).status_code == 200
    eventually(lambda: hall.agrees(guest))
    before = hall.windows(guest)
    hall.kill("valkey")
    hall.forget("valkey")
    hall.start("valkey")
    assert {key: one["used"] for key, one in hall.windows(guest).items()} == {
        key: one["used"] for key, one in before.items()
    }
    assert hall.chat(guest).status_code == 200
    eventually(lambda: hall.agrees(guest))
    assert len(hall.rows(guest)) == 5
    if plan == "free":
        assert hall.chat(guest).status_code == 429, "the fifth request filled the minute"


def test_a_hold_survives_lost_windows(hall: Hall, upstream: ScriptedUpstream, eventually: Eventually) -> None:
    """Valkey forgets everything in mid-stream: the open call still holds its tokens, and is settled once."""
    guest = hall.guest()
    with flowing(hall, upstream, guest) as answer:
        hall.kill("valkey")
        hall.forget("valkey")
        hall.start("valkey")
        assert hall.chat(guest, max_tokens=5).status_code == 200
        assert hall.windows(guest)["tokens", "total"]["held"] >= 40
        assert answer.result().events[-1] == DONE
    eventually(lambda: hall.agrees(guest))
    assert [row["completion_tokens"] for row in hall.rows(guest)] == [5, 40]


def test_postgres_alone_is_the_truth(hall: Hall, eventually: Eventually) -> None:
    """Counters that somebody spoilt in Valkey are gone with it, and the ledger's count again."""
    guest = hall.guest("free")
    for _ in range(5):
        assert hall.chat(guest).status_code == 200
    assert hall.chat(guest).status_code == 429
    hall.stop("valkey")
    hall.forget("valkey")
    hall.start("valkey")
    assert hall.chat(guest).status_code == 429, "a flushed Valkey must not open a full window"
    eventually(lambda: hall.agrees(guest))


class flowing:
    """Within, a guest reads a stream of forty words over four seconds; at least five have come."""

    def __init__(self, hall: Hall, upstream: ScriptedUpstream, guest: dict[str, str]) -> None:
        self._hall, self._upstream, self._guest = hall, upstream, guest
        self._pool = ThreadPoolExecutor(1)

    def __enter__(self) -> Future[RawAnswer]:
        from devstack.process import wait_until

        before = len(self._upstream.calls)
        answer = self._pool.submit(self._hall.raw, self._guest, script(n=40, interval_ms=100))
        assert wait_until(lambda: len(self._upstream.calls) > before and self._upstream.calls[before].deltas >= 5, 10)
        return answer

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()
