"""The shared connection, against a server that behaves and then does not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from maitre.errors import StoreDown, ValkeyError
from maitre.valkey import redis_connection
from maitre.valkey.redis_wire import REFUSED, Script, Valkey
from tests.maitre.valkey.fake_server import Answer, FakeServer, Guest, Words, echo, fake_server, outcome, until

PATIENT = 20.0  # seconds: never reached where a test holds
SHORT = 0.3


@asynccontextmanager
async def both(answer: Answer = echo, *, patience: float = PATIENT) -> AsyncIterator[tuple[FakeServer, Valkey]]:
    """A fake server and a client of it."""
    async with fake_server(answer) as fake:
        valkey = Valkey(fake.url, timeout=patience)
        try:
            yield fake, valkey
        finally:
            await valkey.close()


def first_time(misbehave: Callable[[Guest], bytes | None]) -> Answer:
    """An answer that misbehaves on the first connection and echoes afterwards."""
    return lambda guest, words: misbehave(guest) if guest.number == 1 else echo(guest, words)


async def test_calls_of_a_tick_travel_in_one_write() -> None:
    """However many callers ask at once, the server reads them all together, in order."""
    async with both() as (fake, valkey):
        assert await valkey.call("ECHO", "first") == b"first"
        assert await asyncio.gather(*(valkey.call("ECHO", n) for n in range(200))) == [b"%d" % n for n in range(200)]
        assert fake.guests[0].reads[-1] == [[b"ECHO", b"%d" % n] for n in range(200)]
        assert len(fake.guests) == 1


async def test_greeting(tmp_path: Path) -> None:
    """A connection signs in, chooses its database and says its name before anything else; on a Unix socket too."""
    async with fake_server(path=str(tmp_path / "s")) as fake:
        valkey = Valkey(fake.url.replace("unix://", "unix://maitre:p%40ss@") + "?db=3")
        await asyncio.gather(valkey.call("ECHO", "x"), valkey.call("ECHO", b"y"))
        await valkey.close()
    assert [words for read in fake.guests[0].reads for words in read] == [
        [b"AUTH", b"maitre", b"p@ss"],
        [b"SELECT", b"3"],
        [b"CLIENT", b"SETNAME", b"maitre"],
        [b"ECHO", b"x"],
        [b"ECHO", b"y"],
    ]


async def test_replies_in_pieces() -> None:
    """A reply that comes byte by byte is whole in the end, and of the types that the protocol knows."""
    reply = b"*5\r\n$3\r\na\r\n\r\n:-7\r\n$-1\r\n+OK\r\n*1\r\n$0\r\n\r\n"

    async with both(lambda guest, words: None) as (fake, valkey):
        asked = asyncio.ensure_future(valkey.call("GET", "x"))
        await until(lambda: len(fake.asked) == 1)
        for at in range(len(reply)):
            fake.guests[0].writer.write(reply[at : at + 1])
            await fake.guests[0].writer.drain()
            await asyncio.sleep(0)
        assert await asked == [b"a\r\n", -7, None, b"OK", [b""]]


async def test_an_error_is_its_own_callers() -> None:
    """An error reply reaches the one who asked; the neighbours in the same write get their answers."""

    def answer(guest: Guest, words: Words) -> bytes:
        return b"-WRONGTYPE no list\r\n" if words[-1] == b"1" else echo(guest, words)

    async with both(answer) as (_, valkey):
        zero, one, two = await asyncio.gather(*(valkey.call("X", n) for n in range(3)), return_exceptions=True)
        assert (zero, two) == (b"0", b"2")
        assert isinstance(one, ValkeyError)
        assert str(one) == "WRONGTYPE no list"


async def test_a_script_is_loaded_where_it_is_not_known() -> None:
    """NOSCRIPT makes the client load the script and ask again; other errors are not repeated."""
    known: set[bytes] = set()

    def answer(guest: Guest, words: Words) -> bytes:
        if words[0] == b"SCRIPT":
            known.add(script.sha1.encode())
            return b"+OK\r\n"
        return echo(guest, words) if words[1] in known else b"-NOSCRIPT No matching script.\r\n"

    script = Script("return ARGV[1]")
    async with both(answer) as (fake, valkey):
        assert await asyncio.gather(*(valkey.run(script, ["k"], [n]) for n in range(3))) == [b"0", b"1", b"2"]
        assert fake.asked[-1] == [b"EVALSHA", script.sha1.encode(), b"1", b"k", b"2"]
        fake.answer = lambda guest, words: b"-ERR user_script:1: oh\r\n"
        before = len(fake.asked)
        assert isinstance(await outcome(valkey.run(script, [], [])), ValkeyError)
        assert len(fake.asked) == before + 1


async def test_callers_that_leave() -> None:
    """A cancelled call is not sent if it was not sent yet; its late reply is nobody else's."""
    async with both(lambda guest, words: None) as (fake, valkey):
        calls = [asyncio.ensure_future(valkey.call("ECHO", n)) for n in range(10)]
        await until(lambda: len(fake.asked) == 10)
        unsent = asyncio.ensure_future(valkey.call("ECHO", "unsent"))
        await asyncio.sleep(0)
        for call in [*calls[::2], unsent]:
            call.cancel()
        for words in list(fake.asked):
            fake.guests[0].writer.write(echo(fake.guests[0], words))
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert answers[1::2] == [b"1", b"3", b"5", b"7", b"9"]
        assert all(isinstance(answer, asyncio.CancelledError) for answer in answers[::2])
        fake.answer = echo
        assert await valkey.call("ECHO", "after") == b"after"
        assert [b"ECHO", b"unsent"] not in fake.asked


async def test_an_idle_connection_that_the_server_ended() -> None:
    """The next call is made on a new connection and nobody notices."""
    async with both() as (fake, valkey):
        await valkey.call("ECHO", 1)
        fake.guests[0].close()
        assert await valkey.call("ECHO", 2) == b"2"
        fake.guests[1].close()
        await asyncio.sleep(0.05)
        assert await asyncio.gather(*(valkey.call("ECHO", n) for n in range(5))) == [b"%d" % n for n in range(5)]
        assert len(fake.guests) == 3


async def test_a_connection_that_dies_under_its_calls() -> None:
    """Calls without a reply are sent once more, in order; one that dies twice is StoreDown, not sent a third time."""

    def dies(guest: Guest, words: Words) -> bytes | None:
        if words[-1] == b"poison" or (guest.number == 1 and words[-1] == b"4"):
            guest.close()
            return b""
        return echo(guest, words) if guest.number > 1 or int(words[-1]) < 4 else None

    async with both(dies) as (fake, valkey):
        assert await asyncio.gather(*(valkey.call("ECHO", n) for n in range(8))) == [b"%d" % n for n in range(8)]
        assert len(fake.guests) == 2
        with pytest.raises(StoreDown, match="Valkey does not answer: "):
            await valkey.call("ECHO", "poison")
        assert fake.asked.count([b"ECHO", b"poison"]) == 2
        assert await valkey.call("ECHO", "7") == b"7"


async def test_a_frozen_server() -> None:
    """Whoever waits reads one sentence; later calls go to a new connection, never to the one that is out of step."""
    async with both(first_time(lambda guest: None), patience=SHORT) as (fake, valkey):
        for answer in await asyncio.gather(*(valkey.call("ECHO", n) for n in range(50)), return_exceptions=True):
            assert isinstance(answer, StoreDown)
            assert str(answer) == "Valkey does not answer: no reply within 0.3 seconds."
        assert await valkey.call("ECHO", "after") == b"after"
        assert len(fake.guests) == 2


async def test_a_reply_that_came_while_the_loop_was_held_up() -> None:
    """A loop that was busy for longer than the time-out does not take its own lateness for the server's."""
    async with both(patience=SHORT) as (fake, valkey):
        await valkey.call("ECHO", 1)
        asked = asyncio.ensure_future(valkey.call("ECHO", 2))
        await until(lambda: len(fake.asked) == 2)
        time.sleep(SHORT * 2)  # noqa: ASYNC251 # the loop is what must be held up
        assert await asked == b"2"
        assert len(fake.guests) == 1


@pytest.mark.parametrize(
    ("garbage", "sentence"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "not its protocol"),
        (b"\x15\x03\x01\x00\x02\x02", "not its protocol"),
        (b"+OK\r\n+OK\r\n+OK\r\n", "nobody had asked"),
    ],
)
async def test_garbage(garbage: bytes, sentence: str) -> None:
    """Bytes that are no reply end the connection with a sentence; the next call gets a new one."""
    async with both(first_time(lambda guest: garbage)) as (fake, valkey):
        answers = [*await asyncio.gather(valkey.call("X"), valkey.call("Y"), return_exceptions=True)]
        if isinstance(answers[1], StoreDown):
            assert sentence in str(answers[1])
        else:  # both were answered, and then came one more
            assert answers == [b"OK", b"OK"]
        await until(lambda: valkey._connection is None)
        assert await valkey.call("ECHO", "after") == b"after"
        assert len(fake.guests) == 2


async def test_a_demoted_primary_is_left() -> None:
    """After READONLY the next call looks for the primary again."""
    async with both(first_time(lambda guest: b"-READONLY You can't write.\r\n")) as (fake, valkey):
        with pytest.raises(StoreDown, match="read-only replica"):
            await valkey.call("SET", "a", 1)
        assert await valkey.call("SET", "a", 1) == b"1"
        assert len(fake.guests) == 2


@pytest.mark.parametrize(
    ("reply", "sentence"),
    [
        (b"-ERR max number of clients reached\r\n", "as many clients"),
        (b"-WRONGPASS invalid username-password pair\r\n", "refuses the house's password"),
        (b"-LOADING Valkey is loading\r\n", "loading its data"),
        (b"+OK\r\n+OK\r\n+OK\r\n", "nobody had asked"),
        (b"?", "not its protocol"),
        (b"", "closed the connection"),
        (None, "no connection within 0.3 seconds"),
    ],
)
async def test_a_greeting_that_fails(reply: bytes | None, sentence: str) -> None:
    """Whoever waits for the connection reads why there is none; nothing is sent unsigned."""

    def refuse(guest: Guest, words: Words) -> bytes | None:
        if reply is not None:
            guest.writer.write(reply)
            guest.writer.close()
        return None

    async with fake_server(refuse, greets=False) as fake:
        valkey = Valkey(fake.url.replace("//", "//:secret@"), timeout=SHORT)
        for answer in await asyncio.gather(*(valkey.call("ECHO", n) for n in range(3)), return_exceptions=True):
            assert isinstance(answer, StoreDown)
            assert sentence in str(answer)
        await valkey.close()
        assert [b"ECHO", b"0"] not in fake.asked


async def test_nobody_there(tmp_path: Path) -> None:
    """A refused connection, an unknown host and a missing socket are sentences, at once, each time."""
    for url in ("redis://127.0.0.1:9", "redis://nowhere.invalid", f"unix://{tmp_path}/none", "redis://" + "a" * 70):
        valkey = Valkey(url, timeout=PATIENT)
        for _ in range(2):
            with pytest.raises(StoreDown, match=r"Valkey does not answer: .+\."):
                await valkey.call("PING")
        await valkey.close()


async def test_tls_with_a_server_that_has_none() -> None:
    """What fails in the handshake is a sentence too."""
    async with fake_server() as fake:
        valkey = Valkey(fake.url.replace("redis://", "rediss://"), timeout=SHORT)
        with pytest.raises(StoreDown, match="Valkey does not answer: "):
            await valkey.call("PING")
        await valkey.close()


async def test_no_more_than_so_many_calls_on_the_wire(monkeypatch: pytest.MonkeyPatch) -> None:
    """Further calls wait on our side, and are sent in order as replies come."""
    monkeypatch.setattr(redis_connection, "MOST_CALLS", 10)
    async with both(lambda guest, words: None) as (fake, valkey):
        calls = asyncio.gather(*(valkey.call("ECHO", n) for n in range(35)))
        done = 0
        for more in (0, 4, 6, 10, 10, 5):
            for words in fake.asked[done : done + more]:
                fake.guests[0].writer.write(echo(fake.guests[0], words))
            done += more
            most = min(35, done + 10)
            await until(lambda most=most: len(fake.asked) >= most)  # type: ignore[misc]
            await asyncio.sleep(0.02)  # in which too many would come
            assert len(fake.asked) == most
        assert await calls == [b"%d" % n for n in range(35)]


async def test_a_server_that_does_not_read() -> None:
    """Our buffer stays bounded while it does not read; afterwards every call is answered."""
    async with both() as (fake, valkey):
        await valkey.call("ECHO", 1)
        fake.reading.clear()
        word = b"x" * 100_000
        calls = asyncio.gather(*(valkey.call("ECHO", word) for _ in range(400)))
        connection = valkey._connection
        assert connection is not None
        await until(lambda: connection._paused)
        await asyncio.sleep(0.05)
        most = 2 * redis_connection.MOST_BYTES + len(word)
        assert connection._transport.get_write_buffer_size() <= most
        assert len(valkey._queued) > 100
        fake.reading.set()
        assert await calls == [word] * 400


async def test_close() -> None:
    """Whoever waits reads that we closed; no task is left; later calls say the same, and twice is fine."""
    async with fake_server(lambda guest, words: None) as fake:
        before = asyncio.all_tasks()
        valkey = Valkey(fake.url, timeout=PATIENT)
        await valkey.close()
        valkey = Valkey(fake.url, timeout=PATIENT)
        calls = [asyncio.ensure_future(valkey.call("ECHO", n)) for n in range(3)]
        await until(lambda: len(fake.asked) == 3)
        late = asyncio.ensure_future(valkey.call("ECHO", "late"))
        await asyncio.sleep(0)
        await valkey.close()
        await valkey.close()
        for call in [*calls, late, valkey.call("ECHO", "after")]:
            with pytest.raises(StoreDown, match="closed by us"):
                await call
        await until(lambda: fake.guests[0].writer.is_closing())
        await until(lambda: asyncio.all_tasks() == before)


async def test_close_while_connecting() -> None:
    """A connection in the making is given up."""
    async with fake_server(lambda guest, words: None, greets=False) as fake:
        before = asyncio.all_tasks()
        valkey = Valkey(fake.url, timeout=PATIENT)
        call = asyncio.ensure_future(valkey.call("PING"))
        await until(lambda: len(fake.asked) == 1)
        await valkey.close()
        with pytest.raises(StoreDown, match="closed by us"):
            await call
        await until(lambda: asyncio.all_tasks() == before)


@pytest.mark.parametrize("command", sorted(REFUSED))
async def test_commands_that_a_shared_connection_must_not_carry(command: str) -> None:
    """They are mistakes of ours, told before anything is sent."""
    with pytest.raises(ValueError, match="shared connection"):
        await Valkey("redis://127.0.0.1:9").call(command.lower(), "x")


def test_another_loop() -> None:
    """A client that is used from a second event loop says so instead of hanging."""
    valkey = Valkey("redis://127.0.0.1:9", timeout=SHORT)
    assert isinstance(asyncio.run(outcome(valkey.call("PING"))), StoreDown)
    assert isinstance(asyncio.run(outcome(valkey.call("PING"))), RuntimeError)
