"""The real Traefik loads what is rendered: who gets in where, and what is not there at all."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import encode_basic_auth, web

from compose.stack.settings import Stack, Tls
from tests.loopback import served
from tests.traefik.certificates import authority
from tests.traefik.front_door import BINARY, Door, front_door, places_in, said
from tests.traefik.routes import GATEWAY, LANGFUSE, OPEN_WEBUI, PIPELINES, PLAIN, at

#: “steward” with the password “open sesame”.
LOGINS = "steward:$2b$04$yD4BmaOlDDuteWTvUK8wiOXOwTiIIfs2SWTwUeCl1vWABKlCqgZPy\n"
STEWARD = {"Authorization": encode_basic_auth("steward", "open sesame")}
STRANGER = {"Authorization": encode_basic_auth("steward", "sesame")}


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """A server that says which path reached it, and with which header."""

    async def answer(request: web.Request) -> web.Response:
        return web.json_response(
            {"path": request.path, "headers": dict(request.headers)}, headers={"Server": "secret/1.0"}
        )

    async with served(answer) as url:
        yield int(url.rsplit(":", 1)[1])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Traefik's folder, with the logins."""
    (tmp_path / "logins").write_text(LOGINS, "utf-8")
    return tmp_path


async def faults(door: Door) -> list[str]:
    """What Traefik itself finds wrong with its files."""
    found = [line for line in door.lines if '"level":"error"' in line or '"level":"warn"' in line]
    for kind in ("routers", "services", "middlewares"):
        found += [f"{one['name']}: {one}" for one in await door.api(f"http/{kind}") if one["status"] != "enabled"]
    return found


@pytest.mark.parametrize("access", ["public", "allowlist", "basic_auth"])
@pytest.mark.parametrize(
    "stack",
    [
        PLAIN,
        replace(PLAIN, tls=Tls(kind="files")),
        replace(PLAIN, cloudflare=True),
        replace(PLAIN, tls=Tls(kind="files"), cloudflare=True),
    ],
    ids=["plain", "own certificate", "cloudflare", "cloudflare, own certificate"],
)
async def test_traefik_takes_every_file(folder: Path, port: int, stack: Stack, access: str) -> None:
    """No router, service or middleware of any kind of stack is disabled, and the log has no word of a mistake."""
    authority(folder, "chat.example")
    stack = replace(stack, allow=("10.8.0.0/24",))
    routes = at(port, GATEWAY, OPEN_WEBUI, PIPELINES, replace(LANGFUSE, access=access))
    async with front_door(folder, routes, stack) as door:
        assert await faults(door) == []
        names = {one["name"] for one in await door.api("http/routers")}
        assert {"api@file", "dashboard@file", "gateway@file", "gateway-internal@file", "langfuse@file"} <= names
        assert await door.answers(f"http://{door.places.traefik}/ping") == 200
        assert await door.answers(f"http://{door.places.internal['pipelines']}/any") == 200


#: Spellings of closed paths, some of which Open WebUI's own server would read as `/openai/…`.
CLOSED = (
    *("/openai", "/openai/", "/openai/chat/completions", "/openai?x=1", "//openai/x", "///openai//x", "/./openai/x"),
    *("/a/../openai/x", "/%6fpenai/x", "/%6Fpenai/x", "/%6f%70%65%6e%61%69/x", "/%2e/openai/x", "/a/%2e%2e/openai/x"),
    *("/openai/../openai/x", "/OpenAI/x", "/OPENAI", "/ollama/api/chat", "/ollama/v1/messages", "/%6fllama/x"),
)
#: Spellings that are refused before anything is routed.
REFUSED = ("/openai%2fx", "/%2fopenai/x", "/%2F%2Fopenai/x", "/a%2f..%2fopenai/x", "/openai%00/x", "/%5copenai/x")
#: What passes, and how it arrives.
OPEN = (
    *("/", "/api/chat/completions", "/api/v1/openai", "/openaix", "/_app/openai/x", "/x/openai", "/ollama-docs"),
    *("/ws/socket.io/", "/api/v1/files/a/content/100%25.pdf", "/a%20b", "/what%3F"),
)


async def test_what_open_webui_serves_around_its_filters_is_closed(folder: Path, port: int) -> None:
    """`/openai/…` and `/ollama/…` are not there, in no spelling that leads to them; everything else arrives as sent."""
    async with front_door(folder, at(port, OPEN_WEBUI), PLAIN) as door:
        for path in CLOSED:
            assert await door.status("chat.example", path) == 404, path
            assert await door.status("chat.example", path, method="POST", json={}) == 404, path
        for path in REFUSED:
            assert await door.status("chat.example", path) == 400, path
        for path in OPEN:
            async with door.get("chat.example", path) as answer:
                assert answer.status == 200, path
        # The absolute form, and a name in capitals, are the same request.
        for start, host in (("http://chat.example/openai/x", "chat.example"), ("/openai/x", "CHAT.example:80")):
            assert b" 404 " in await said(door, f"POST {start} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0")
        assert await door.status("chat.example.other", "/") == 404
        assert await door.status("127.0.0.1", "/") == 404


async def test_what_the_gateway_tells_the_house_only(folder: Path, port: int) -> None:
    """Measures and health are for neighbours: not there by the public name, there at the internal entry point."""
    async with front_door(folder, at(port, GATEWAY), PLAIN) as door:
        for path in ("/metrics", "/healthz", "/readyz", "/%6detrics", "//metrics"):
            assert await door.status("api.example", path) == 404, path
        assert await door.status("api.example", "/v1/models") == 200
        assert await door.answers(f"http://{door.places.internal['gateway']}/metrics") == 200


async def test_the_dashboard_needs_a_login(folder: Path, port: int) -> None:
    """Its pages and its API ask for a login; a wrong one and a foreign network are refused."""
    async with front_door(folder, at(port, GATEWAY), PLAIN) as door:
        for path in ("/", "/dashboard/", "/api/rawdata", "/api/http/routers"):
            assert await door.status("traefik.example", path) == 401, path
        assert await door.status("traefik.example", "/dashboard/", headers=STRANGER) == 401
        assert await door.status("traefik.example", "/dashboard/", headers=STEWARD) == 200
        async with door.get("traefik.example", "/api/rawdata", headers=STEWARD) as answer:
            assert "$2b$" not in await answer.text()
        assert await door.answers(f"http://{door.places.traefik}/dashboard/") == 404
    async with front_door(folder, at(port, GATEWAY), replace(PLAIN, allow=("127.0.0.8",))) as door:
        assert await door.status("traefik.example", "/dashboard/", headers=STEWARD) == 403
        assert await door.status("traefik.example", "/dashboard/", headers=STEWARD, source="127.0.0.8") == 200
        assert await door.status("traefik.example", "/dashboard/", source="127.0.0.8") == 401


async def test_who_gets_in(folder: Path, port: int) -> None:
    """An allow-list looks at the connection and not at a header; a login does not travel on to the service."""
    stack = replace(PLAIN, allow=("127.0.0.8/29",))
    routes = at(port, replace(GATEWAY, access="allowlist"), LANGFUSE)
    async with front_door(folder, routes, stack) as door:
        assert await door.status("api.example", "/v1/models", headers={"X-Forwarded-For": "127.0.0.9"}) == 403
        assert await door.status("api.example", "/v1/models", source="127.0.0.9") == 200
        assert await door.status("langfuse.example", "/") == 401
        async with door.get("langfuse.example", "/", headers=STEWARD) as answer:
            assert answer.status == 200
            assert "Authorization" not in (await answer.json())["headers"]


async def test_https(folder: Path, port: int) -> None:
    """Own certificates serve every name; plain HTTP leads there with path and query; browsers are told to stay."""
    trusted = ssl.create_default_context(cafile=authority(folder, "chat.example"))
    places = places_in(folder)
    stack = replace(PLAIN, tls=Tls(kind="files"), https_port=int(places.websecure.split(":")[1]))
    async with front_door(folder, at(port, OPEN_WEBUI), stack, places) as door:
        async with door.get("chat.example", "/a/b?c=d&e") as moved:
            assert moved.status in (301, 308)
            assert moved.headers["Location"] == f"https://chat.example:{stack.https_port}/a/b?c=d&e"
        async with door.get("chat.example", "/a", tls=trusted) as answer:
            assert answer.status == 200
            headers = answer.headers
            assert headers["Strict-Transport-Security"] == "max-age=31536000"
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["X-Frame-Options"] == "SAMEORIGIN"
            assert headers["Referrer-Policy"] == "strict-origin-when-cross-origin"
            assert not headers.keys() & {"Server", "X-Powered-By"}
        assert await door.status("chat.example", "/openai/x", tls=trusted) == 404
        async with door.get("traefik.example", "/", method="POST", data=b"x") as moved:
            assert moved.status in (301, 308)


async def test_https_at_its_usual_port_is_not_named(folder: Path, port: int) -> None:
    """A browser that is led to port 443 reads a plain address."""
    authority(folder, "chat.example")
    stack = replace(PLAIN, tls=Tls(kind="files"))
    async with (
        front_door(folder, at(port, OPEN_WEBUI), stack) as door,
        door.get("chat.example", "/a", method="POST", data=b"x") as moved,
    ):
        assert (moved.status, moved.headers["Location"]) == (308, "https://chat.example/a")


async def test_docker_learns_that_traefik_is_well(folder: Path, port: int) -> None:
    """The check of the container reads the same file, and ends well while Traefik answers."""
    async with front_door(folder, at(port, GATEWAY), PLAIN):
        words = (str(BINARY), "healthcheck", f"--configFile={folder / 'traefik.yaml'}")
        asked = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.DEVNULL)
        assert await asked.wait() == 0


async def test_the_log_has_no_secret_of_a_guest(folder: Path, port: int) -> None:
    """A line of JSON for each request, with its guest, without its query or its key."""
    async with front_door(folder, at(port, GATEWAY), PLAIN) as door:
        headers = {"Authorization": "Bearer mtr-hidden", "Cookie": "token=hidden", "Referer": "http://x/?hidden"}
        assert await door.status("api.example", "/v1/models?key=hidden", headers=headers) == 200
        (line,) = await door.accessed(1)
        assert (line["RequestPath"], line["ClientHost"], line["DownstreamStatus"]) == ("/v1/models", "127.0.0.1", 200)
        assert "hidden" not in "".join(door.lines)
