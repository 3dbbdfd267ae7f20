"""Two gateways and a Pipelines host on one Valkey and one Postgres: one set of limits, one ledger, one house."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from typer.testing import CliRunner

from cli import app
from tests.api.books import every_row
from tests.api.several import GATEWAYS, SECOND, SeveralHall, Way, by_key, race, ways
from tests.engine.answers import script
from tests.engine.crash.short_leases import LEASE
from tests.engine.seeded import seeded
from tests.upstream import ScriptedUpstream, running_upstream

Eventually = Callable[..., Any]


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    """The upstream of this house alone."""
    with running_upstream() as started:
        yield started


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory, upstream: ScriptedUpstream) -> Iterator[SeveralHall]:
    """The three processes and their stores."""
    folder = tmp_path_factory.mktemp("several")
    with seeded(folder, lambda house, traces: SeveralHall(house, upstream.url, traces)) as hall:
        hall.start("pipelines", *GATEWAYS)
        yield hall


def statuses(answers: list[requests.Response]) -> Counter[int]:
    """How often each status was told."""
    return Counter(answer.status_code for answer in answers)


def mine(hall: SeveralHall, guest: dict[str, str]) -> list[dict[str, Any]]:
    """The guest's rows as they are in the database."""
    return [row for row in every_row(hall) if row["user_id"] == guest["id"]]


def one_ledger(hall: SeveralHall, upstream: ScriptedUpstream, guest: dict[str, str]) -> list[dict[str, Any]]:
    """The guest's rows; each is one call at the upstream."""
    rows = hall.rows(guest)
    ids = [row["request_id"] for row in rows]
    called = [call.request_id for call in upstream.calls if call.request_id in ids]
    assert sorted(map(str, called)) == sorted(ids)
    return rows


@pytest.mark.parametrize(("plan", "limit", "window"), [("minute", 7, "minute"), ("day", 9, "day")])
def test_requests_are_limited_over_all_processes(
    hall: SeveralHall, upstream: ScriptedUpstream, eventually: Eventually, plan: str, limit: int, window: str
) -> None:
    """Thirty at once by five ways: exactly the plan's number is served, and is in the one ledger."""
    guest = hall.guest(plan)
    answers = race(ways(hall, guest), 30, script(n=3))
    assert statuses(answers) == {200: limit, 429: 30 - limit}
    eventually(lambda: hall.settled(guest, limit))
    assert len(one_ledger(hall, upstream, guest)) == limit
    told = [way.get("/v1/usage").json()["windows"] for way in by_key(hall, hall.key(guest))]
    assert [[one["used"] for one in of if (one["resource"], one["window"]) == ("requests", window)] for of in told] == [
        [limit],
        [limit],
    ]


def test_tokens_are_limited_over_all_processes(
    hall: SeveralHall, upstream: ScriptedUpstream, eventually: Eventually
) -> None:
    """However they race, what is granted never passes the limit, and is used up to less than one more call's hold."""
    guest = hall.guest("tokens")
    doors = ways(hall, guest)
    while 200 in statuses(answers := race(doors, 10, script(n=18))):
        assert set(statuses(answers)) <= {200, 429}
        eventually(lambda: hall.settled(guest, len(hall.rows(guest))))
    one_ledger(hall, upstream, guest)
    rows = mine(hall, guest)
    used = sum(row["prompt_tokens"] + row["completion_tokens"] for row in rows)
    hold = max(row["held_prompt"] + row["held_completion"] for row in rows)
    assert 600 - hold < used <= 600
    assert eventually(lambda: hall.agrees(guest))


def test_calls_at_once_are_limited_over_all_processes(
    hall: SeveralHall, upstream: ScriptedUpstream, eventually: Eventually
) -> None:
    """Of fifteen at once that take long, exactly three are served."""
    guest = hall.guest("few")
    answers = race(ways(hall, guest), 15, script(n=5, ttft_ms=8000))
    assert statuses(answers) == {200: 3, 429: 12}
    eventually(lambda: hall.settled(guest, 3))
    one_ledger(hall, upstream, guest)


def test_a_key_that_is_revoked_at_one_gateway_opens_no_other(hall: SeveralHall) -> None:
    """From the very next request on."""
    guest = hall.guest()
    first, second = by_key(hall, hall.key(guest, manages=True))
    made = requests.post(f"{first.url}/v1/key/generate", json={"name": "x"}, headers=first.headers, timeout=30).json()
    there = by_key(hall, made["key"])[1]
    assert there.chat().status_code == 200
    ended = requests.post(f"{first.url}/v1/key/revoke", json={"id": made["id"]}, headers=first.headers, timeout=30)
    assert ended.status_code == 200
    assert there.chat().status_code == 401
    assert second.chat().status_code == 200


def test_a_session_goes_on_at_the_other_gateway(
    hall: SeveralHall, upstream: ScriptedUpstream, eventually: Eventually
) -> None:
    """What was said at one is remembered at the other, once it is kept."""
    first, second = by_key(hall, hall.key(hall.guest()))
    begun = first.chat("I am Fran.", "assistants.butler").json()
    eventually(lambda: second.get(f"/v1/sessions/{begun['session_id']}").status_code == 200)
    second.chat("Who am I?", "assistants.butler", session_id=begun["session_id"])
    said = begun["choices"][0]["message"]["content"]
    assert [one["content"] for one in upstream.calls[-1].body["messages"][1:]] == ["I am Fran.", said, "Who am I?"]


def test_a_place_in_the_line_is_seen_from_the_other_gateway(hall: SeveralHall, eventually: Eventually) -> None:
    """Who waits at one asks the other how long; the seat goes from process to process."""
    first, second = by_key(hall, hall.key(hall.guest()))
    with first.chat(script(n=100, interval_ms=80), "models.narrow", stream=True) as seated:
        assert second.get(f"/v1/queue/{seated.headers['x-router-log-id']}").json()["state"] == "running"
        with first.chat(script(n=3), "models.narrow", stream=True) as waiting:
            id = waiting.headers["x-router-log-id"]
            place = second.get(f"/v1/queue/{id}").json()
            assert (place["state"], place["position"]) == ("waiting", 1)
            assert [one["state"] for one in second.get("/v1/queue").json()["data"]] == ["running", "waiting"]
            seated.close()
            assert b"[DONE]" in waiting.content
        assert eventually(lambda: second.get(f"/v1/queue/{id}").json()["state"] == "done")
    assert second.chat(script(n=3), "models.narrow").status_code == 200


def test_a_closed_house_is_closed_at_every_door(hall: SeveralHall) -> None:
    """`cli close` refuses the very next guest of each process, with its sentence; `cli open` lets them in."""
    doors = ways(hall, hall.guest())

    def cli(*words: str) -> None:
        done = CliRunner().invoke(app, [*words, "--house", str(hall.house.directory)])
        assert done.exit_code == 0, done.output

    cli("close", "We paint the walls.")
    try:
        refused = [way.chat() for way in doors]
        assert {answer.status_code for answer in refused} == {503}
        assert all("We paint the walls." in answer.text for answer in refused)
    finally:
        cli("open")
    assert statuses([way.chat() for way in doors]) == {200: len(doors)}


def test_a_gateway_that_is_killed_leaves_nothing_for_longer_than_a_lease(
    hall: SeveralHall, upstream: ScriptedUpstream, eventually: Eventually
) -> None:
    """Its rows end as lost, charged between what was relayed and the hold; the other's go on; the places are free."""
    guest = hall.guest("few")
    first, second = by_key(hall, hall.key(guest))
    text = script(n=150, interval_ms=50)
    with first.chat(text, stream=True) as lives, second.chat(text, stream=True), second.chat(text, stream=True):
        eventually(lambda: sum((row["relayed"] or 0) > 0 for row in mine(hall, guest)) == 3)
        hall.kill(SECOND)
        killed = time.time()
        try:
            still = [row for row in every_row(hall) if row["status"] == "open"]
            assert all(row["expires_at"].timestamp() - killed <= LEASE.total_seconds() + 1 for row in still)
            assert b"[DONE]" in lives.content
            rows = eventually(lambda: hall.settled(guest, 3), "rows stayed open")
            assert sorted(row["status"] for row in rows) == ["done", "lost", "lost"]
            one_ledger(hall, upstream, guest)
            for row in mine(hall, guest):
                least = row["relayed"] if row["status"] == "lost" else 150  # all of them, as the upstream counted
                assert least <= row["completion_tokens"] <= row["held_completion"]
                assert row["estimated"] == (row["status"] == "lost")
            assert statuses(race([first], 3, script(n=3))) == {200: 3}
            eventually(lambda: hall.agrees(guest), "something stayed held")
        finally:
            hall.start(SECOND)
    assert Way(second.url, second.headers).chat().status_code == 200
