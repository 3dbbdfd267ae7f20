"""The real Traefik on loopback, with the very files that the stack renders."""

from __future__ import annotations

import asyncio
import json
import random
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from yarl import URL

from compose.stack.settings import Stack
from devstack.ports import RANGE, choose, free
from traefik.dynamic import dynamic
from traefik.places import INTERNAL, Places
from traefik.routed import Routed
from traefik.static import static

PATIENCE = aiohttp.ClientTimeout(total=60, sock_read=20)  # seconds

BINARY = Path(sys.executable).parent / "traefik"


def places_in(folder: Path, **more: Any) -> Places:
    """Free ports, and files below the folder."""
    names = ("web", "websecure", "traefik", *INTERNAL)
    taken = choose(names, {}, free, lambda: random.choice(RANGE))
    ports = [f"127.0.0.1:{port}" for port in taken.values()]
    return replace(
        Places(web=ports[0], websecure=ports[1], traefik=ports[2]),
        internal=dict(zip(INTERNAL, ports[3:], strict=True)),
        dynamic=str(folder / "dynamic"),
        acme=str(folder / "acme.json"),
        logins=str(folder / "logins"),
        certificate=str(folder / "certificate.pem"),
        key=str(folder / "key.pem"),
        **more,
    )


@dataclass
class Door:
    """A running Traefik."""

    stack: Stack
    places: Places
    folder: Path
    session: aiohttp.ClientSession
    lines: list[str] = field(default_factory=list)  # of its log and its access log
    process: asyncio.subprocess.Process | None = None

    async def stopped(self) -> int:
        """Stop it as Docker does; how it ended."""
        assert self.process is not None
        self.process.terminate()
        async with asyncio.timeout(20):
            return await self.process.wait()

    def write(self, routes: Sequence[Routed]) -> None:
        """Write the dynamic files as a rollout does: aside, then renamed."""
        folder = Path(self.places.dynamic)
        folder.mkdir(exist_ok=True)
        for name, content in dynamic(routes, self.stack, self.places).items():
            aside = folder / f".{name}.new"
            aside.write_text(yaml.safe_dump(content), "utf-8")
            aside.rename(folder / name)

    async def api(self, path: str) -> Any:
        """What Traefik's own API says."""
        async with self.session.get(f"http://{self.places.traefik}/api/{path}") as answer:
            return await answer.json()

    async def moved(self, route: Routed) -> None:
        """Write a route anew, and wait until Traefik says that its servers are these."""
        self.write([route])
        wanted = {f"http://{name}:{route.port}" for name in route.servers}

        async def there() -> bool:
            balancer = (await self.api(f"http/services/{route.service}@file"))["loadBalancer"]
            return {one["url"] for one in balancer["servers"]} == wanted

        await until(there, "the new servers")

    async def answers(self, url: str) -> int:
        """The status of an answer at an entry point for neighbours."""
        async with self.session.get(url) as answer:
            return answer.status

    @asynccontextmanager
    async def get(
        self,
        host: str,
        path: str,
        *,
        method: str = "GET",
        tls: ssl.SSLContext | None = None,
        source: str = "",
        **options: Any,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Ask by a public name for a path, spelled exactly so. `source`: the address of loopback to ask from."""
        address = self.places.websecure if tls else self.places.web
        url = URL(f"{'https' if tls else 'http'}://{address}{path}", encoded=True)
        headers = {"Host": host, "Accept-Encoding": "identity", **options.pop("headers", {})}
        if tls:
            options |= {"ssl": tls, "server_hostname": host}
        connector = aiohttp.TCPConnector(local_addr=(source, 0) if source else None)
        async with (
            aiohttp.ClientSession(connector=connector, auto_decompress=False) as session,
            session.request(method, url, headers=headers, allow_redirects=False, timeout=PATIENCE, **options) as answer,
        ):
            yield answer

    async def status(self, host: str, path: str, **options: Any) -> int:
        """The status of such an answer."""
        async with self.get(host, path, **options) as answer:
            return answer.status

    async def accessed(self, count: int) -> list[Mapping[str, Any]]:
        """The lines of the access log of so many requests by public names, once all are written."""

        def found() -> list[Mapping[str, Any]]:
            lines = [line for text in self.lines if "DownstreamStatus" in (line := json.loads(text))]
            return [line for line in lines if line["entryPointName"] in ("web", "websecure")]

        await until(lambda: len(found()) >= count, "the access log is written")
        return found()


@asynccontextmanager
async def front_door(
    folder: Path, routes: Sequence[Routed], stack: Stack, places: Places | None = None, **changes: Any
) -> AsyncIterator[Door]:
    """A Traefik that has loaded its files. `changes`: of the static file, for limits that a test cannot wait for."""
    places = places or places_in(folder)
    (folder / "traefik.yaml").write_text(yaml.safe_dump(static(stack, places) | changes), "utf-8")
    async with aiohttp.ClientSession(timeout=PATIENCE) as session:
        door = Door(stack, places, folder, session)
        door.write(routes)
        process = await asyncio.create_subprocess_exec(
            *(str(BINARY), f"--configFile={folder / 'traefik.yaml'}"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        door.process = process
        reading = asyncio.create_task(_read(process.stdout, door.lines))
        try:
            await until(lambda: _loaded(door, process), "Traefik is there")
            yield door
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
            await reading


async def said(door: Door, request: str) -> bytes:
    """The status line for a request as it is written."""
    host, port = door.places.web.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"{request}\r\nConnection: close\r\n\r\n".encode())
    line = await reader.readline()
    writer.close()
    return line


async def _read(stream: asyncio.StreamReader | None, lines: list[str]) -> None:
    assert stream is not None
    async for line in stream:
        lines.append(line.decode())


async def _loaded(door: Door, process: asyncio.subprocess.Process) -> bool:
    assert process.returncode is None, "".join(door.lines)
    try:
        return any(one["provider"] == "file" for one in await door.api("http/routers"))
    except (aiohttp.ClientError, ValueError):
        return False


async def until(condition: Callable[[], Any], what: str) -> Any:
    """Wait for a condition, which may be awaited, and give what it gave."""
    async with asyncio.timeout(20):
        while True:
            found = condition()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return found
            await asyncio.sleep(0.02)
    raise AssertionError(what)
