"""The shared connection on a real Valkey: in order under load, and clear when the server goes away."""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from maitre.errors import StoreDown, ValkeyError
from maitre.valkey.redis_wire import Script, Valkey
from tests.contract.valkey.own_valkey import OwnValkey

pytestmark = pytest.mark.contract

#: Adds only once for each id, so that sending it twice is sending it once.
ADD = Script("""
if redis.call('SADD', KEYS[1], ARGV[1]) == 1 then redis.call('INCR', KEYS[2]) end
return {ARGV[1], redis.call('GET', KEYS[2])}
""")


async def test_a_thousand_callers_at_once(valkey: Valkey) -> None:
    """Each gets its own reply, whatever its size and kind, on one connection."""
    words = [b"%d:" % n + b"x" * (n * 37 % 5000) for n in range(1000)]
    answers = await asyncio.gather(
        *(valkey.call("ECHO", word) if n % 3 else valkey.call("LPOS", "none", word) for n, word in enumerate(words))
    )
    assert answers == [word if n % 3 else None for n, word in enumerate(words)]
    assert (await valkey.call("CLIENT", "LIST")).count(b"name=maitre") == 1


async def test_racers_on_one_key(valkey: Valkey) -> None:
    """What a script counts for racing callers is exact."""
    await valkey.call("DEL", "ids", "count")
    await asyncio.gather(*(valkey.run(ADD, ["ids", "count"], [n % 200]) for n in range(1000)))
    assert await valkey.call("GET", "count") == b"200"


async def test_scripts_are_loaded_again_after_a_flush(valkey: Valkey) -> None:
    """A server that has forgotten its scripts gets them again, under load as well."""
    await valkey.call("DEL", "ids", "count")
    for _ in range(3):
        await valkey.call("SCRIPT", "FLUSH")
        answers = await asyncio.gather(*(valkey.run(ADD, ["ids", "count"], [n]) for n in range(300)))
        assert [answer[0] for answer in answers] == [b"%d" % n for n in range(300)]
    assert await valkey.call("GET", "count") == b"300"
    assert await valkey.call("SCRIPT", "EXISTS", ADD.sha1) == [1]


async def test_an_error_of_a_script_is_told(valkey: Valkey) -> None:
    """A script that fails, or is none, is an error of ours and not a server that is down."""
    for source in ("return redis.call('INCR', KEYS[1], 1)", "this is no Lua", "return redis.error_reply('MY words')"):
        with pytest.raises(ValkeyError):
            await valkey.run(Script(source), ["k"], [])
    assert await valkey.call("PING") == b"PONG"


async def test_a_restart_between_two_calls(valkey: Valkey, server: OwnValkey) -> None:
    """The first call afterwards works, though the server has forgotten the script."""
    await valkey.run(ADD, ["ids", "count"], ["before"])
    server.kill()
    server.start()
    assert (await valkey.run(ADD, ["ids", "count"], ["after"]))[0] == b"after"


async def test_a_kill_under_load(valkey: Valkey, server: OwnValkey) -> None:
    """Every caller gets a reply or StoreDown; after a restart all go on, and what was sent twice counted once."""
    await valkey.call("DEL", "ids", "count")
    for turn in range(5):
        server.start()
        calls = [asyncio.ensure_future(valkey.run(ADD, ["ids", "count"], [f"{turn}-{n}"])) for n in range(500)]
        await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
        more = [asyncio.ensure_future(valkey.run(ADD, ["ids", "count"], [f"{turn}-{n}"])) for n in range(500, 2000)]
        await asyncio.sleep(0)
        await asyncio.to_thread(server.kill)
        for n, answer in enumerate(await asyncio.gather(*calls, *more, return_exceptions=True)):
            if isinstance(answer, BaseException):
                assert isinstance(answer, StoreDown)
                assert "does not answer" in str(answer)
            else:
                assert answer[0] == f"{turn}-{n}".encode()
        server.start()
        await asyncio.gather(*(valkey.run(ADD, ["ids", "count"], [f"{turn}-{n}"]) for n in range(2000)))
        assert await valkey.call("GET", "count") == b"%d" % (2000 * (turn + 1))


async def test_a_frozen_server(server: OwnValkey) -> None:
    """Those who wait read one sentence, those who connect as well; when it goes on, the same client serves."""
    server.start()
    valkey = Valkey(server.url, timeout=0.3)
    await valkey.call("PING")
    server.freeze()
    try:
        for sentence in ("no reply within 0.3 seconds", "no connection within 0.3 seconds"):
            for answer in await asyncio.gather(*(valkey.call("PING") for _ in range(100)), return_exceptions=True):
                assert str(answer) == f"Valkey does not answer: {sentence}."
                assert isinstance(answer, StoreDown)
    finally:
        server.thaw()
    async with asyncio.timeout(20):
        while (await asyncio.gather(valkey.call("ECHO", 7), return_exceptions=True))[0] != b"7":
            pass  # it may still be busy with what was asked before
    await valkey.close()


async def test_connections_that_the_server_ends(valkey: Valkey, server: OwnValkey) -> None:
    """A server that closes idle connections, or all of them under load, is not noticed."""
    other = Valkey(server.url)
    for _ in range(20):
        calls = [asyncio.ensure_future(valkey.call("ECHO", n)) for n in range(100)]
        await asyncio.sleep(0)
        await other.call("CLIENT", "KILL", "SKIPME", "yes")
        assert await asyncio.gather(*calls) == [b"%d" % n for n in range(100)]
    await other.close()


async def test_passwords(server: OwnValkey) -> None:
    """A wrong password, none where one is wanted, and a user who does not exist are told in a sentence."""
    server.start()
    place = f"127.0.0.1:{server.port}"
    for url, sentence in {
        f"redis://:wrong@{place}": "Valkey refuses the house's password.",
        f"redis://nobody:wrong@{place}": "Valkey refuses the house's password.",
        f"redis://{place}": "Valkey wants a password, and the house has none.",
        f"{server.url.removesuffix('/0')}/99": "Valkey has no database of that number.",
    }.items():
        valkey = Valkey(url)
        for _ in range(2):
            with pytest.raises(StoreDown) as caught:
                await valkey.call("GET", "x")
            assert str(caught.value) == sentence
        await valkey.close()


async def test_databases(valkey: Valkey, server: OwnValkey) -> None:
    """The database of the URL is used."""
    second = Valkey(server.url.removesuffix("0") + "2")
    await second.call("SET", "where", "two")
    await valkey.call("DEL", "where")
    assert await second.call("GET", "where") == b"two"
    await second.close()


async def test_too_many_clients(valkey: Valkey, server: OwnValkey) -> None:
    """A server that takes no further client says so; when it does again, the same client serves."""
    await valkey.call("CONFIG", "SET", "maxclients", 1)
    late = Valkey(server.url)
    with pytest.raises(StoreDown, match="as many clients|does not answer"):
        await late.call("PING")
    await valkey.call("CONFIG", "SET", "maxclients", 100)
    assert await late.call("PING") == b"PONG"
    await late.close()


async def test_full_memory(valkey: Valkey) -> None:
    """A server without room is down for writers, in a sentence, and answers readers."""
    await valkey.call("CONFIG", "SET", "maxmemory", 1)
    try:
        with pytest.raises(StoreDown, match="memory is full"):
            await valkey.run(ADD, ["ids", "count"], ["x"])
        assert await valkey.call("PING") == b"PONG"
    finally:
        await valkey.call("CONFIG", "SET", "maxmemory", 0)


async def test_callers_that_leave(valkey: Valkey) -> None:
    """Half of the callers leave, some before and some after their call was sent; the others get their own replies."""
    for _ in range(20):
        calls = [asyncio.ensure_future(valkey.call("ECHO", n)) for n in range(200)]
        for call in calls[::4]:
            call.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for call in calls[2::4]:
            call.cancel()
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert answers[1::2] == [b"%d" % n for n in range(1, 200, 2)]
        assert all(isinstance(answer, asyncio.CancelledError) for answer in answers[::2])


async def test_large_words(valkey: Valkey) -> None:
    """20 MB in one word go there and back whole, with small neighbours."""
    large = hashlib.sha256(b"x").digest() * (20_000_000 // 32)
    before, stored, read, after = await asyncio.gather(
        valkey.call("ECHO", "a"), valkey.call("SET", "large", large), valkey.call("GET", "large"), valkey.call("PING")
    )
    assert (before, stored, after) == (b"a", b"OK", b"PONG")
    assert read == large
    await valkey.call("DEL", "large")
