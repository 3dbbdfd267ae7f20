"""Readers who leave, stall, or lose their server: the upstream is told, and the row is settled."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
import requests

from devstack.process import start, stop, wait_until
from maitre.settings import Endpoint
from tests.engine.answers import DONE, error_in, script
from tests.engine.hall import Hall, resident
from tests.engine.servers import BARE, BOTH
from tests.raw_socket import RawAnswer, split_events
from tests.upstream import Call, ScriptedUpstream

Eventually = Callable[..., Any]
Guest = dict[str, str]


@contextmanager
def reading(hall: Hall, guest: Guest, text: str, *, stream: bool = True, window: int = 0) -> Iterator[socket.socket]:
    """An open socket on which a chat completion comes in. `window`: the most that the kernel keeps, in bytes."""
    body = json.dumps(hall.body(guest, text, stream=stream)).encode()
    with socket.socket() as reader:
        if window:
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        reader.settimeout(60)
        reader.connect(("127.0.0.1", hall.ports["pipelines"]))
        head = f"POST /chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in hall.headers(guest).items())
        reader.sendall(head.encode() + b"Content-Type: application/json\r\n\r\n" + body)
        yield reader


def newest(upstream: ScriptedUpstream, before: int) -> Call | None:
    """The first call after so many, as soon as it is there."""
    return upstream.calls[before] if len(upstream.calls) > before else None


@BOTH
@pytest.mark.parametrize("answer", [{"n": 2000, "interval_ms": 20}, {"n": 5, "hang_after": 3}], ids=["flow", "hang"])
def test_a_reader_who_leaves_ends_the_call(
    hall: Hall, upstream: ScriptedUpstream, eventually: Eventually, answer: dict[str, Any]
) -> None:
    """The upstream sees its client go, the row counts what came, and nothing is held. In the bare server an API client
    who leaves while the upstream is silent is noticed only by the turn's own limit: it tells nobody."""
    guest, before = hall.guest(), len(upstream.calls)
    with reading(hall, guest, script(**answer)) as reader:
        while b"word1" not in reader.recv(65536):
            continue
    eventually(lambda: newest(upstream, before).ended == "client gone")  # type: ignore[union-attr]
    (row,) = eventually(lambda: hall.settled(guest))
    status = hall.manners.silent_leaver if "hang_after" in answer else "stopped"
    assert (row["status"], row["estimated"]) == (status, True)
    assert 0 < row["completion_tokens"] < 2000
    eventually(lambda: hall.agrees(guest))


@BOTH
def test_many_who_leave_at_once(hall: Hall, upstream: ScriptedUpstream, eventually: Eventually) -> None:
    """Thirty guests close their browsers in the same second: thirty rows are stopped, nobody is blocked."""
    count = min(30, hall.manners.at_once)
    guests, before = [hall.guest() for _ in range(count)], len(upstream.calls)

    def leave(guest: Guest) -> None:
        with reading(hall, guest, script(n=2000, interval_ms=50)) as reader:
            while b"word1" not in reader.recv(65536):
                continue

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(leave, guests))
    assert hall.chat(hall.guest()).status_code == 200
    eventually(lambda: [call.ended for call in upstream.calls[before:]].count("client gone") == count)
    for guest in guests:
        eventually(lambda guest=guest: hall.agrees(guest))
        assert [row["status"] for row in hall.rows(guest)] == ["stopped"]


@BOTH
def test_a_reader_who_stops_reading_costs_little_and_is_let_go(
    hall: Hall, upstream: ScriptedUpstream, eventually: Eventually
) -> None:
    """A client that takes nothing off its socket cannot make us keep a long answer, nor hold its tokens for long."""
    guest, before, pid = hall.guest(), len(upstream.calls), hall.who["pipelines"].pid
    small = resident(pid)
    with reading(hall, guest, script(n=100_000), window=4096) as reader:
        eventually(lambda: newest(upstream, before), "the upstream was not called")
        most = small

        def gone() -> bool:
            nonlocal most
            most = max(most, resident(pid))
            return upstream.calls[before].ended == "client gone"

        eventually(gone, "the stalled reader is still served")
        assert most - small < 30_000_000
        (row,) = eventually(lambda: hall.settled(guest))
        assert row["status"] == "stopped"
        eventually(lambda: hall.agrees(guest))
        reader.settimeout(10)
        assert reader.recv(100).startswith(b"HTTP/1.1 200")


@BARE
def test_a_stream_that_we_end_says_so(hall: Hall, upstream: ScriptedUpstream) -> None:
    """A reader who is still there when the engine ends a turn (here: the server reloads its plugins) can tell
    from a whole answer: by an error event, or by a stream without its end."""
    guest, before = hall.guest(), len(upstream.calls)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(hall.raw, guest, script(n=100, interval_ms=50))
        assert wait_until(lambda: (call := newest(upstream, before)) is not None and call.deltas >= 5, 10)
        requests.post(f"{hall.url}/pipelines/reload", headers=hall.headers(), timeout=30).raise_for_status()
        got = answer.result()
    assert got.body.count(b"word") < 100
    assert not got.whole or got.events[-1] != DONE or b'"error"' in got.events[-2]


@BARE
def test_a_reload_of_the_plugins_settles_and_serves_on(
    hall: Hall, upstream: ScriptedUpstream, eventually: Eventually
) -> None:
    """The server's own reload closes the engine and opens it again: open turns are settled, new ones are served."""
    guest, before = hall.guest(), len(upstream.calls)
    with reading(hall, guest, script(n=1000, interval_ms=50)) as reader:
        while b"word1" not in reader.recv(65536):
            continue
        requests.post(f"{hall.url}/pipelines/reload", headers=hall.headers(), timeout=30).raise_for_status()
        eventually(lambda: upstream.calls[before].ended == "client gone")
    eventually(lambda: hall.chat(guest).status_code == 200)
    eventually(lambda: hall.agrees(guest))
    assert [row["status"] for row in hall.rows(guest)] == ["done", "stopped"]


@BOTH
def test_stopping_the_server_settles_open_turns(
    hall: Hall, upstream: ScriptedUpstream, eventually: Eventually, capsys: pytest.CaptureFixture[str]
) -> None:
    """The server ends within ten seconds of its signal with guests in mid-answer, and their rows are settled."""
    with eight_answers(hall, upstream, eventually) as (guests, answers):
        stopped = hall.stop("pipelines")
    with capsys.disabled():
        print(f"\nwith eight open turns: stopped in {stopped:.1f} s")
    assert [one for one in answers() if one.whole and b'"error"' not in one.body] == []
    for guest in guests:
        eventually(lambda guest=guest: hall.agrees(guest))
        assert [row["status"] for row in hall.rows(guest)] == ["stopped"]


@BOTH
@pytest.mark.parametrize(
    ("fault", "name"),
    [
        ("down", "postgres"),
        ("down", "valkey"),
        pytest.param("hung", "postgres"),
        ("hung", "valkey"),
    ],
)
def test_stopping_the_server_without_a_store(
    hall: Hall, upstream: ScriptedUpstream, eventually: Eventually, fault: str, name: Endpoint
) -> None:
    """The server ends within ten seconds of its signal though nothing can be settled; the hold stays in the ledger."""
    with eight_answers(hall, upstream, eventually) as (guests, _):
        if fault == "hung":
            with hall.frozen(name):
                hall.stop("pipelines")
        else:
            hall.stop(name)
            hall.stop("pipelines")
            hall.start(name)
    for guest in guests:
        assert [row["status"] in ("open", "stopped") for row in hall.rows(guest)] == [True]


@contextmanager
def eight_answers(
    hall: Hall, upstream: ScriptedUpstream, eventually: Eventually
) -> Iterator[tuple[list[Guest], Callable[[], list[RawAnswer]]]]:
    """Within, eight guests are being answered; afterwards what they read can be asked for."""
    guests, before = [hall.guest() for _ in range(8)], len(upstream.calls)
    text = script(n=2000, interval_ms=50)
    with ThreadPoolExecutor(8) as pool:
        reads = [pool.submit(hall.raw, guest, text) for guest in guests]
        eventually(lambda: len(upstream.calls) == before + 8 and all(c.deltas > 3 for c in upstream.calls[before:]))
        yield guests, lambda: [read.result() for read in reads]


@BOTH
def test_a_crash_in_mid_stream_costs_what_was_relayed_once(
    hall: Hall, upstream: ScriptedUpstream, eventually: Eventually
) -> None:
    """kill -9: the row stays open with its hold until that expires, then it is `lost` and charged what was relayed at
    the last checkpoint, once, by whichever of several servers looks first."""
    guest, before = hall.guest(), len(upstream.calls)
    with reading(hall, guest, script(n=2000, interval_ms=20)) as reader:
        while b"word150" not in reader.recv(65536):
            continue
        hall.kill("pipelines")
    eventually(lambda: upstream.calls[before].ended == "client gone")
    (row,) = hall.rows(guest)
    assert row["status"] == "open"
    held = hall.windows(guest)["tokens", "total"]["held"]
    assert held > 0
    hall.start("pipelines")
    assert hall.chat(guest).status_code == 200
    eventually(
        lambda: hall.windows(guest)["tokens", "total"]["held"] == held, "the hold does not live until it expires"
    )
    # As if the time had passed: Valkey knows the hold by its old expiry, so it must ask the ledger anew.
    hall.execute("update ledger set expires_at = now() - interval '1 second' where request_id = $1", row["request_id"])
    hall.kill("valkey")
    hall.forget("valkey")
    hall.start("valkey")
    eventually(lambda: hall.settled(guest, 2))
    done, lost = hall.rows(guest)
    assert (done["status"], lost["status"], lost["estimated"]) == ("done", "lost", True)
    assert 50 < lost["completion_tokens"] < lost["prompt_tokens"] + lost["completion_tokens"] < held
    assert hall.chat(guest).status_code == 200
    eventually(lambda: hall.agrees(guest))


@BOTH
def test_two_servers_share_one_set_of_windows(hall: Hall, upstream: ScriptedUpstream, eventually: Eventually) -> None:
    """Sixty requests at once through two servers: a limit of five gives five, and one dying server harms no other."""
    (port,) = free_ports(1)
    part = hall.server(port)
    who = start(part.command, hall.log("pipelines").with_name("second.log"))
    try:
        assert wait_until(part.healthy, 30)
        guest, before = hall.guest("free"), len(upstream.calls)
        urls = [hall.url, part.url] * 30

        def chat(url: str) -> int:
            return hall.post(hall.body(guest), guest, url).status_code

        with ThreadPoolExecutor(30) as pool:
            codes = list(pool.map(chat, urls))
        assert (codes.count(200), codes.count(429)) == (5, 55)
        assert len(upstream.calls) == before + 5
        eventually(lambda: hall.agrees(guest))
        stop(who, signal.SIGKILL, 5)
        assert hall.chat(hall.guest()).status_code == 200
    finally:
        stop(who, signal.SIGKILL, 5)


@BOTH
def test_a_new_guest_may_send_many_first_messages(hall: Hall, eventually: Eventually) -> None:
    """Nobody knows the guest yet and thirty messages come at once: one account, and the default plan's limit."""
    new = {**hall.guest(), "id": "a-stranger", "email": "stranger@maitre.example"}
    with ThreadPoolExecutor(30) as pool:
        codes = list(pool.map(lambda _: hall.chat(new).status_code, range(30)))
    assert (codes.count(200), codes.count(429)) == (5, 25)
    eventually(lambda: hall.agrees(new))
    assert {row["plan"] for row in hall.rows(new)} == {"free"}


@BOTH
def test_a_pipelined_second_request_is_served_too(hall: Hall) -> None:
    """Two requests on one connection are two whole answers, one after the other."""
    guest = hall.guest()
    with requests.Session() as session:
        for _ in range(2):
            answer = session.post(
                f"{hall.url}/chat/completions",
                json=hall.body(guest, stream=True),
                headers=hall.headers(guest),
                timeout=30,
            )
            assert split_events(answer.content)[-1] == DONE


def free_ports(count: int) -> list[int]:
    """Ports on which nobody listens now."""
    with_sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in with_sockets]
    for one in with_sockets:
        one.close()
    return ports


@BOTH
def test_a_stream_after_an_error_is_a_stream_again(hall: Hall) -> None:
    """An error event ends one answer, not the guest's next one."""
    guest = hall.guest()
    assert error_in(hall.raw(guest, script(status=500)))
    assert hall.raw(guest).events[-1] == DONE


@BARE
def test_the_bare_server_lets_only_so_many_wait(hall: Hall, upstream: ScriptedUpstream) -> None:
    """Each that waits holds one of its forty threads: the next ones are refused at once, whole and streamed, and its
    list of models, which needs a thread too, is still served."""
    guests, before = [hall.guest() for _ in range(8)], len(upstream.calls)
    with ThreadPoolExecutor(hall.manners.at_once) as pool:
        waiting = [
            pool.submit(hall.raw, guests[number % 8], script(ttft_ms=6000)) for number in range(hall.manners.at_once)
        ]
        assert wait_until(lambda: len(upstream.calls) == before + hall.manners.at_once, 10)
        whole, streamed = hall.chat(guests[0]), hall.raw(guests[0])
        listed = requests.get(f"{hall.url}/models", headers=hall.headers(), timeout=30)
        assert not any(one.done() for one in waiting), "they were all still waiting"
    assert (whole.status_code, whole.headers["retry-after"], listed.status_code) == (429, "10", 200)
    assert error_in(streamed)["message"].startswith("The house is full just now")
    assert error_in(streamed)["type"] == "rate_limit_error"
    assert {one.result().events[-1] for one in waiting} == {DONE}
    assert hall.chat(guests[0]).status_code == 200
