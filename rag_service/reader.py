"""A worker's reader of files: a child process with limits of time and memory, begun anew after each that it broke."""

from __future__ import annotations

import asyncio
import json
import os
import struct
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maitre.errors import MaitreError
from rag_service.chunk import Piece
from rag_service.errors import DOCLING_DOWN, Unreadable

MEMORY = 2 * 2**30  # bytes of address space
SECONDS = 120.0  # for a file
DOCLING_SECONDS = 900.0  # for a file that a server elsewhere reads
MAX_ANSWER = 512 * 2**20  # bytes
ROOT = str(Path(__file__).resolve().parent.parent)
#: What the child may see of the worker's environment.
SHOWN = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "NO_PROXY", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR")


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file holds. `title` is its own, if it has one."""

    title: str
    pages: int | None
    pieces: tuple[Piece, ...]


class ReaderDown(MaitreError):
    """The server that reads files is away; later it may read this one."""


class Reader:
    """Reads one file at a time; others wait. Close it at the end."""

    def __init__(
        self, largest: int, docling: str | None = None, *, seconds: float | None = None, memory: int = MEMORY
    ) -> None:
        """`largest`: bytes of a file; `docling`: the URL of a server that reads instead; `seconds` for a file, `memory`
        in bytes."""
        self._docling, self._largest, self._memory = docling, largest, memory
        self._seconds = seconds or (DOCLING_SECONDS if docling else SECONDS)
        self._turn = asyncio.Lock()
        self._child: asyncio.subprocess.Process | None = None

    async def close(self) -> None:
        """End the process."""
        async with self._turn:
            await self._end()

    async def read(self, name: str, data: bytes, media_type: str) -> Contents:
        """What is in the file. Raises Unreadable, or ReaderDown when it may be read later."""
        request = {"name": name, "media_type": media_type, "docling": self._docling, "largest": self._largest}
        async with self._turn:
            whole = False
            try:
                async with asyncio.timeout(self._seconds):
                    told = await self._ask(json.dumps(request).encode(), data)
                whole = told.get("code") not in ("broken", "too_large")
            except TimeoutError:
                raise Unreadable("broken", f"The file could not be read in {self._seconds:.0f} seconds.") from None
            finally:
                if not whole:
                    await self._end()
        if told.get("code") == DOCLING_DOWN:
            raise ReaderDown(told["sentence"])
        if "code" in told:
            raise Unreadable(told["code"], told["sentence"])
        return Contents(told["title"], told["pages"], tuple(Piece(*piece) for piece in told["pieces"]))

    async def _ask(self, request: bytes, data: bytes) -> Mapping[str, Any]:
        if self._child is None or self._child.returncode is not None:
            self._child = await self._begin()
        source, sink = self._child.stdin, self._child.stdout
        assert source is not None
        assert sink is not None
        try:
            source.write(struct.pack(">QQ", len(request), len(data)) + request)
            source.write(data)
            await source.drain()
            (size,) = struct.unpack(">Q", await sink.readexactly(8))
            if size > MAX_ANSWER:
                raise Unreadable("too_large", "The file has too much text.")
            told: dict[str, Any] = json.loads(await sink.readexactly(size))
        except (asyncio.IncompleteReadError, ConnectionError):
            code = await self._child.wait()
            raise Unreadable("broken", f"The file cannot be read: its reader ended with code {code}.") from None
        return told

    async def _begin(self) -> asyncio.subprocess.Process:
        shown = {name: os.environ[name] for name in SHOWN if name in os.environ}
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "rag_service.reading", str(self._memory)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**shown, "PYTHONPATH": ROOT},
        )

    async def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None and child.returncode is None:
            child.kill()
            await child.wait()
