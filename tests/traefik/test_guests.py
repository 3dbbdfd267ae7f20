"""Whom the real Traefik takes a request for: limits, lists and the log see the guest, and nobody says who he is."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from tests.loopback import served
from tests.traefik.front_door import Door, front_door, places_in, until
from tests.traefik.routes import GATEWAY, OPEN_WEBUI, PLAIN, at

#: Stands for Cloudflare on loopback.
CLOUDFLARE = "127.0.0.2"
BEHIND = replace(PLAIN, cloudflare=True)


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """A server that says whom it was told the request comes from."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=request.headers.get("X-Forwarded-For", ""))

    async with served(answer) as url:
        yield int(url.rsplit(":", 1)[1])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Traefik's folder, where nobody has a login."""
    (tmp_path / "logins").write_text("", "utf-8")
    return tmp_path


async def flood(door: Door, forwarded: Callable[[int], str], source: str = "", path: str = "/v1/models") -> bool:
    """Ask very often at once; whether somebody was told to wait."""
    asking = [
        door.status("api.example", path, headers={"X-Forwarded-For": forwarded(number)}, source=source)
        for number in range(200)
    ]
    found = Counter(await asyncio.gather(*asking))
    assert found.keys() <= {200, 429}
    return bool(found[429])


async def told(door: Door, forwarded: str, source: str = "") -> tuple[int, str]:
    """The answer to one request: its status, and whom the server was told it comes from."""
    async with door.get("api.example", "/", headers={"X-Forwarded-For": forwarded}, source=source) as answer:
        return answer.status, await answer.text()


async def test_a_guest_who_asks_too_often_waits_alone(folder: Path, port: int) -> None:
    """The limit is of an address, whatever the header says; another address is served at once."""
    async with front_door(folder, at(port, GATEWAY), PLAIN) as door:
        await until(lambda: flood(door, lambda number: f"203.0.113.{number}"), "too many")
        assert await door.status("api.example", "/v1/models", source="127.0.0.9") == 200


async def test_the_files_of_a_page_come_at_once(folder: Path, port: int) -> None:
    """A page's unchanging files, which a browser asks for all at once, do not use the limit up."""
    async with front_door(folder, at(port, OPEN_WEBUI), PLAIN) as door:
        asking = [door.status("chat.example", f"/_app/immutable/{number}.js") for number in range(300)]
        assert set(await asyncio.gather(*asking)) == {200}


async def test_only_cloudflare_is_believed(folder: Path, port: int) -> None:
    """Through Cloudflare the server and the log learn the guest; whoever comes around it is who he is."""
    places = places_in(folder, cloudflare=(f"{CLOUDFLARE}/32",))
    async with front_door(folder, at(port, GATEWAY), BEHIND, places) as door:
        assert await told(door, "203.0.113.7", CLOUDFLARE) == (200, f"203.0.113.7, {CLOUDFLARE}")
        assert await told(door, "203.0.113.7", "127.0.0.9") == (200, "127.0.0.9")
        lines = await door.accessed(2)
        assert sorted(line["ClientHost"] for line in lines) == ["127.0.0.9", "203.0.113.7"]


@pytest.mark.parametrize(
    ("flooding", "other"),
    [
        (lambda number: "203.0.113.7", "203.0.113.8"),
        (lambda number: f"198.51.100.{number}, 203.0.113.7", "203.0.113.8"),
        (lambda number: f"2001:db8:1:2::{number:x}", "2001:db8:1:3::1"),
    ],
    ids=["one address", "with made-up hops before it", "one site of IPv6"],
)
async def test_limits_behind_cloudflare(folder: Path, port: int, flooding: Callable[[int], str], other: str) -> None:
    """The limit is of the guest that Cloudflare names last, and not of Cloudflare."""
    places = places_in(folder, cloudflare=(f"{CLOUDFLARE}/32",))
    async with front_door(folder, at(port, GATEWAY), BEHIND, places) as door:
        await until(lambda: flood(door, flooding, CLOUDFLARE), "too many")
        assert (await told(door, other, CLOUDFLARE))[0] == 200
        assert (await told(door, other, "127.0.0.9"))[0] == 200


@pytest.mark.parametrize(
    ("forwarded", "source", "status"),
    [
        ("203.0.113.7", CLOUDFLARE, 200),
        ("198.51.100.1, 203.0.113.7", CLOUDFLARE, 200),
        ("203.0.113.7, 198.51.100.1", CLOUDFLARE, 403),
        ("198.51.100.1", CLOUDFLARE, 403),
        ("203.0.113.7", "127.0.0.8", 403),
        ("198.51.100.1", "127.0.0.9", 200),
    ],
    ids=["listed", "listed, made-up hop", "made-up listed hop", "not listed", "around, made up", "around, listed"],
)
async def test_the_allow_list_behind_cloudflare(
    folder: Path, port: int, forwarded: str, source: str, status: int
) -> None:
    """The list sees the guest behind Cloudflare, and who comes around it, as a WireGuard network does, as he is."""
    places = places_in(folder, cloudflare=(f"{CLOUDFLARE}/32",))
    stack = replace(BEHIND, allow=("203.0.113.0/24", "127.0.0.9"))
    async with front_door(folder, at(port, replace(GATEWAY, access="allowlist")), stack, places) as door:
        assert (await told(door, forwarded, source))[0] == status
