"""A server that speaks Valkey's protocol and misbehaves as told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from hiredis import Reader

Words = list[bytes]
#: What to write for a command: bytes, or None to write nothing. It may close the connection.
Answer = Callable[["Guest", Words], "bytes | None"]


@dataclass(eq=False)
class Guest:
    """One connection, as the server sees it."""

    writer: asyncio.StreamWriter
    number: int  # the first is 1
    reads: list[list[Words]] = field(default_factory=list)  # the commands of each read

    def close(self) -> None:
        """End the connection, whatever was asked."""
        self.writer.transport.abort()


@dataclass(eq=False)
class FakeServer:
    """What connected, and all that was asked besides the greeting."""

    answer: Answer
    url: str = ""
    guests: list[Guest] = field(default_factory=list)
    asked: list[Words] = field(default_factory=list)
    greets: bool = True  # whether it answers a greeting with OK by itself
    reading: asyncio.Event = field(default_factory=asyncio.Event)  # unset: it does not read

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection until it ends."""
        guest = Guest(writer, len(self.guests) + 1)
        self.guests.append(guest)
        protocol = Reader()
        try:
            while True:
                await self.reading.wait()
                if not (data := await reader.read(1 << 20)):
                    break
                protocol.feed(data)
                guest.reads.append([])
                while (words := protocol.gets()) is not False:
                    guest.reads[-1].append(words)
                    if self.greets and words[0] in (b"AUTH", b"SELECT", b"CLIENT"):
                        writer.write(b"+OK\r\n")
                        continue
                    self.asked.append(words)
                    if answer := self.answer(guest, words):
                        writer.write(answer)
        except ConnectionError:
            pass  # the client left, which many tests are about
        finally:
            writer.close()


def echo(guest: Guest, words: Words) -> bytes:
    """The last word of a command."""
    return b"$%d\r\n%s\r\n" % (len(words[-1]), words[-1])


@asynccontextmanager
async def fake_server(answer: Answer = echo, *, path: str = "", greets: bool = True) -> AsyncIterator[FakeServer]:
    """A fake on loopback, or on a Unix socket where `path` says so."""
    fake = FakeServer(answer, greets=greets)
    fake.reading.set()
    if path:
        server = await asyncio.start_unix_server(fake.serve, path)
        fake.url = f"unix://{path}"
    else:
        server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
        fake.url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
    try:
        yield fake
    finally:
        server.close()
        for guest in fake.guests:
            guest.close()


async def until(holds: Callable[[], bool], within: float = 10) -> None:
    """Let the loop go on until something holds. TimeoutError after `within` seconds."""
    async with asyncio.timeout(within):
        while not holds():  # noqa: ASYNC110 # nobody sets an event for what is watched from outside
            await asyncio.sleep(0.002)


async def outcome(call: Awaitable[object]) -> object:
    """What a call returned, or the error that it raised."""
    return (await asyncio.gather(call, return_exceptions=True))[0]
