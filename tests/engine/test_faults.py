"""The house's parts when they are full, empty, slow, closed or told another time, with guests in the middle of answers
and in the line: who was admitted is served, and the books agree."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import aiohttp
import pytest

from tests.engine.answers import DONE, error_in, script
from tests.engine.hall import Hall, resident
from tests.engine.seeded import seeded_hall
from tests.engine.servers import BARE, BOTH
from tests.engine.small_house import HOUSE
from tests.engine.troubles import TROUBLE, cut
from tests.raw_socket import RawAnswer
from tests.upstream import ScriptedUpstream

Eventually = Callable[..., Any]
Guest = dict[str, str]

#: One call at once, and a wait of a minute at most; and a provider without a line beside it.
NARROW = HOUSE
for _old, _new in {
    "max_turn_seconds: 20": "max_turn_seconds: 60",
    "    kind: openai\n": "    kind: openai\n    max_concurrent: 1\n    max_wait_seconds: 60\n",
    "prices:": "  beside:\n    kind: openai\n    base_url: {upstream}/v1\n"
    "    models: {{ plenty: {{ upstream: scripted }} }}\nprices:",
    "[scripted, small, ": "[scripted, small, plenty, ",
}.items():
    NARROW = NARROW.replace(_old, _new, 1)
CLOSED = "We are back at nine."


@pytest.fixture(scope="module")
def narrow_hall(tmp_path_factory: pytest.TempPathFactory, upstream: ScriptedUpstream) -> Iterator[Hall]:
    """A hall of its own, whose provider takes one call at once."""
    folder = tmp_path_factory.mktemp("narrow")
    with seeded_hall(folder, upstream.url, NARROW) as hall:
        hall.start("pipelines")
        yield hall


@pytest.fixture
def narrow(narrow_hall: Hall, server: str) -> Hall:
    """The same, as the server that a test asks for."""
    narrow_hall.become(bare=server == "bare")
    return narrow_hall


class Midst:
    """One guest in the middle of an answer of five seconds, another in the line behind it."""

    def __init__(self, hall: Hall, upstream: ScriptedUpstream, eventually: Eventually) -> None:
        self.hall, self.upstream = hall, upstream
        self.guests = [hall.guest(), hall.guest()]
        self.pool = ThreadPoolExecutor(2)
        before = len(upstream.calls)
        self.answers: list[Future[RawAnswer]] = [self.ask(0)]
        eventually(lambda: len(upstream.calls) > before and upstream.calls[before].deltas >= 5)
        self.answers.append(self.ask(1))
        eventually(lambda: len(self.waiting()) == 1)

    def ask(self, number: int) -> Future[RawAnswer]:
        """Fifty words, one every tenth of a second."""
        return self.pool.submit(self.hall.raw, self.guests[number], script(n=50, interval_ms=100))

    def waiting(self) -> tuple[Any, ...]:
        """Who is in the line."""
        return self.hall.ask(lambda books: books.lines())["scripted"].waiting

    def end(self, eventually: Eventually, agrees: Callable[[Guest], bool] | None = None) -> None:
        """Both have read all of it, both rows say so, and the windows agree."""
        agrees = agrees or self.hall.agrees
        for guest, answer in zip(self.guests, self.answers, strict=True):
            got = answer.result()
            assert (got.events[-1], got.body.count(b"word"), b'"error"' in got.body) == (DONE, 50, False)
            (row,) = eventually(lambda guest=guest: self.hall.settled(guest))
            assert (row["status"], row["completion_tokens"], row["estimated"]) == ("done", 50, False)
            eventually(lambda guest=guest: agrees(guest), "the windows are not what the ledger says")
        self.pool.shutdown()


@pytest.fixture
def midst(narrow: Hall, upstream: ScriptedUpstream, eventually: Eventually) -> Midst:
    """One is being answered, and one waits."""
    return Midst(narrow, upstream, eventually)


@pytest.mark.parametrize(("trouble", "serves"), TROUBLE.values(), ids=TROUBLE)
def test_trouble_in_the_middle_of_everything(
    midst: Midst, narrow: Hall, eventually: Eventually, trouble: Callable[[Hall], Any], serves: bool
) -> None:
    """Who is being answered reads on, who waits is served, who comes meanwhile is told; nothing is lost or counted
    twice, and nothing needs a restart."""
    log, guest = narrow.fresh_log(), narrow.guest()
    with trouble(narrow):
        told = narrow.chat(guest, model="models.plenty")
        assert (told.status_code, told.headers.get("retry-after")) == ((200, None) if serves else (503, "60"))
    midst.end(eventually)
    eventually(lambda: narrow.chat(guest, model="models.plenty").status_code == 200)
    eventually(lambda: narrow.agrees(guest))
    assert "Traceback" not in log()


@BOTH
def test_a_house_that_closes_in_the_middle_of_everything(midst: Midst, narrow: Hall, eventually: Eventually) -> None:
    """Running answers go on and those in the line are served; new turns, tasks and foreign models read the operator's
    sentence, until the house opens again."""
    guest = narrow.guest()
    narrow.ask(lambda books: books.close_house(CLOSED))
    try:
        for model in ("assistants.host", "models.scripted", "assistants.former"):
            refused = narrow.chat(guest, model=model)
            assert (refused.status_code, refused.json()["detail"]) == (503, CLOSED)
        assert error_in(narrow.raw(guest))["message"] == CLOSED
        midst.end(eventually)
    finally:
        narrow.ask(lambda books: books.close_house(None))
    assert narrow.chat(guest).status_code == 200
    assert len(narrow.rows(guest)) == 1


# ── another time ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def stepping(narrow: Hall) -> Iterator[Callable[[str], None]]:
    """Sets Postgres's clock by an interval."""
    narrow.execute("create schema clock; create table clock.step (by interval); insert into clock.step values ('0')")
    narrow.execute(
        "create function clock.clock_timestamp() returns timestamptz language sql volatile as"
        " $$ select pg_catalog.clock_timestamp() + by from clock.step $$"
    )
    narrow.execute("alter database maitre set search_path = clock, public, pg_catalog")
    cut(narrow)
    yield lambda by: narrow.execute(f"update clock.step set by = '{by}'")
    narrow.execute("alter database maitre reset search_path")
    narrow.execute("drop schema clock cascade")
    cut(narrow)


def total(hall: Hall, guest: Guest) -> bool:
    """Whether the window that knows no calendar says what the ledger says; the rows may be of another day."""
    spent = sum(row["prompt_tokens"] + row["completion_tokens"] for row in hall.rows(guest))
    tokens = hall.windows(guest)["tokens", "total"]
    return bool((tokens["used"], tokens["held"]) == (spent, 0))


@pytest.mark.parametrize("by", ["5 minutes", "26 hours", "-5 minutes", "-26 hours", "40 days"])
def test_a_clock_that_is_set_in_the_middle_of_everything(
    narrow: Hall,
    upstream: ScriptedUpstream,
    eventually: Eventually,
    stepping: Callable[[str], None],
    by: str,
) -> None:
    """Postgres's clock, and the house's with it, steps by minutes, hours or days while one is answered and one waits:
    both are served and settled with their own numbers, and the books agree in the new time and in the old."""
    midst, log, guest = Midst(narrow, upstream, eventually), narrow.fresh_log(), narrow.guest("free")
    stepping(by)
    eventually(lambda: "clock was set by" in log(), "nobody noticed")
    midst.end(eventually, lambda one: total(narrow, one))
    for _ in range(5):
        assert narrow.chat(guest).status_code == 200
    assert narrow.chat(guest).status_code == 429
    eventually(lambda: narrow.agrees(guest))
    stepping("0")
    eventually(lambda: log().count("clock was set by") == 2)
    assert narrow.chat(guest).status_code == 200, "its requests are of another minute"
    eventually(lambda: total(narrow, guest))
    assert {row["status"] for row in narrow.rows(guest)} == {"done"}
    assert "Traceback" not in log()


# ── too much ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_thousand_requests_of_one_guest_at_once(
    narrow: Hall, upstream: ScriptedUpstream, eventually: Eventually
) -> None:
    """One runs, as many as may wait do, the others are told at once; memory stays bounded, and another guest is served
    after one of them at most."""
    guest, other, pid = narrow.guest(), narrow.guest(), narrow.who["pipelines"].pid
    small, before = resident(pid), len(upstream.calls)

    async def flood() -> list[int]:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=60)) as http:

            async def ask(who: Guest, text: str) -> int:
                body, url = narrow.body(who, text), f"{narrow.url}/v1/chat/completions"
                async with http.post(url, json=body, headers=narrow.headers(who)) as answer:
                    await answer.read()
                    return answer.status

            many = [asyncio.create_task(ask(guest, script(n=3, ttft_ms=1500))) for _ in range(1000)]
            while sum(task.done() for task in many) < 995:  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.05)
            assert await ask(other, "hello") == 200
            served_first = len(upstream.calls) - before
            assert served_first <= 3
            return list(await asyncio.gather(*many))

    codes = asyncio.run(flood())
    assert (codes.count(200), codes.count(429)) == (5, 995)
    assert resident(pid) - small < 150 * 1024 * 1024
    for one in (guest, other):
        eventually(lambda one=one: narrow.agrees(one))
    assert len(narrow.rows(guest)) == 5


@BARE
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_tool_list_of_200_megabytes_without_a_host(hall: Hall, upstream: ScriptedUpstream, stream: bool) -> None:
    """The bare server reads all of it; the engine refuses it in one sentence, and others are served meanwhile."""
    guest, other, before = hall.guest(), hall.guest(), len(upstream.calls)
    tool = {"type": "function", "function": {"name": "f", "description": "x" * 100_000}}
    one = json.dumps(tool)
    body = json.dumps(hall.body(guest, stream=stream, model="models.scripted"))[:-1].encode()
    with ExitStack() as open_things:
        pool = open_things.enter_context(ThreadPoolExecutor(1))
        connection = http.client.HTTPConnection("127.0.0.1", hall.ports["pipelines"], timeout=60)
        open_things.callback(connection.close)
        tools = (", ".join([one] * 2000)).encode()
        whole = body + b', "tools": [' + tools + b"]}"
        assert len(whole) > 200_000_000
        sending = pool.submit(
            connection.request,
            "POST",
            "/v1/chat/completions",
            whole,
            {**hall.headers(guest), "Content-Type": "application/json"},
        )
        sending.result()
        assert hall.chat(other).status_code == 200
        answer = connection.getresponse()
        text = answer.read().decode()
    assert answer.status == (200 if stream else 400)
    assert "too long" in text
    assert len(upstream.calls) == before + 1
    assert hall.rows(guest) == []
