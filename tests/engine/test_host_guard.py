"""The host from outside: nothing without the key, no path but upstream's own, no guest's word in the log."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from devstack.places import ROOT, environment
from gateway.paths import CHAT, HEALTH, READY, Route
from tests.engine.answers import DONE, script
from tests.engine.hall import Hall, resident
from tests.raw_socket import raw_chat
from tests.upstream import ScriptedUpstream
from tests.user_jwt import mint

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
#: What answers without the key, and what it says.
OPEN = {HEALTH: "ok", READY: "ready"}

#: Prints the routes of the unmodified server, from its own application.
ENUMERATE = """
import json
from gateway.upstream_server import UpstreamServer
from maitre.pipelines_server import server_folder
routes = UpstreamServer(server_folder(), "key").routes
print(json.dumps([[route.path, sorted(route.methods)] for route in routes]))
"""


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> list[Route]:
    """Every route of the upstream server."""
    env = environment(PYTHONPATH=str(ROOT), PIPELINES_DIR=str(tmp_path_factory.mktemp("plugins")))
    run = subprocess.run([sys.executable, "-c", ENUMERATE], env=env, capture_output=True, check=True, text=True)
    found = [Route(path, frozenset(methods)) for path, methods in json.loads(run.stdout.splitlines()[-1])]
    assert len(found) > 20
    assert {route.path for route in found} > CHAT
    return found


def paths_of(routes: list[Route]) -> list[str]:
    """A path for every route, with a plugin that is there, and for some that lead nowhere."""
    known = sorted({route.path.replace("{pipeline_id}", "quota_filter") for route in routes})
    assert not [path for path in known if "{" in path], "a route has a name that this test does not know"
    return [*known, HEALTH, READY, "/nowhere", "/v1/nowhere", "/v1/healthz", "/favicon.ico"]


def ask(hall: Hall, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> tuple[int, bytes]:
    """A request whose path leaves as it is written."""
    connection = http.client.HTTPConnection("127.0.0.1", hall.ports["pipelines"], timeout=30)
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        assert answer.status < 300 or answer.status >= 400, "nothing is redirected"
        return answer.status, answer.read()
    finally:
        connection.close()


def test_nothing_but_the_health_check_answers_without_the_key(hall: Hall, routes: list[Route]) -> None:
    """Every route of the upstream server and of ours, by every method, with no key and with wrong ones: 401."""
    key = hall.house.secret("pipelines_key")
    wrong = [{}, {"Authorization": "Bearer 0p3n-w3bu!"}, {"Authorization": key}, {"Authorization": f"Bearer {key}x"}]
    wrong += [{"Cookie": f"token={key}"}, {"X-Api-Key": key}]
    for path in paths_of(routes):
        for method in METHODS:
            for headers in wrong:
                status, body = ask(hall, method, path, headers)
                told = OPEN.get(path) if method == "GET" else None
                assert status == (200 if told else 401), f"{method} {path} {headers}"
                assert not told or json.loads(body) == {"status": told}


def test_a_websocket_is_refused(hall: Hall) -> None:
    """With a wrong key by a 401, with the key because nothing here speaks it."""
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    upgrade["Sec-WebSocket-Key"] = "dGhlIHNhbXBsZSBub25jZQ=="
    assert ask(hall, "GET", "/models", upgrade)[0] == 401
    assert ask(hall, "GET", "/nowhere", {**upgrade, **hall.headers()})[0] == 404


def test_management_is_closed_with_the_key_too(hall: Hall, routes: list[Route]) -> None:
    """Nobody loads code or reads the plan of the server over HTTP, unless the operator opens it."""
    closed = [route.path for route in routes if route.management]
    assert {"/docs", "/openapi.json", "/v1/pipelines/upload", "/pipelines/reload", "/pipelines/delete"} < set(closed)
    for path in closed:
        for method in METHODS:
            assert ask(hall, method, path, hall.headers())[0] == 404, f"{method} {path}"


def test_a_route_takes_its_own_methods_only(hall: Hall, routes: list[Route]) -> None:
    """OPTIONS and HEAD are not answered for it by a layer that asks for nothing."""
    for route in routes:
        if not route.management:
            path = route.path.replace("{pipeline_id}", "quota_filter")
            taken = {method for one in routes for method in one.methods if one.leads(path)}
            for method in set(METHODS) - taken:
                assert ask(hall, method, path, hall.headers())[0] == 405, f"{method} {path}"


TRICKS = [
    "/models/", "//models", "/v1//models", "/./models", "/v1/../models", "/%6dodels", "/models%2f", "/models%00",
    "/v1%2fmodels", "/models;x", "/MODELS", "/quota_filter/valves/", "/quota_filter%2Fvalves", "/a%2Fb/valves",
    "/x/..;/quota_filter/valves", "/quota_filter\\valves", "/pipelines/%72eload", "/pipelines//reload",
    "/%70ipelines/reload", "/v1/pipelines/./reload", "/docs/", "/openapi.json/", "/chat/completions/",
    "/chat//completions", "/v1/%63hat/completions", "/healthz/", "/healthz/../models", "http://127.0.0.1/../models",
]  # fmt: skip


@pytest.mark.parametrize("path", TRICKS)
def test_a_path_has_one_spelling(hall: Hall, path: str) -> None:
    """Encoded, doubled, dotted and trailing spellings lead nowhere with the key, and are 401 without it."""
    for method in ("GET", "POST", "DELETE"):
        assert ask(hall, method, path, hall.headers(), b"{}")[0] in (400, 404), path
        assert ask(hall, method, path, {}, b"{}")[0] in (400, 401), path


def test_a_forged_user_gets_nothing(hall: Hall, upstream: ScriptedUpstream) -> None:
    """Over a real connection: no token, a token by another secret, plain headers, somebody else's name."""
    guest, victim, before = hall.guest(), hall.guest(), len(upstream.calls)
    forged = mint("x" * 43, victim)
    for headers, body in (
        (hall.headers(), hall.body(victim)),
        ({**hall.headers(), "X-OpenWebUI-User-Id": victim["id"]}, hall.body(victim)),
        ({**hall.headers(), "X-OpenWebUI-User-Jwt": forged}, hall.body(victim)),
        (hall.headers(guest), hall.body(victim)),
        ({**hall.headers(guest), "X-OpenWebUI-User-Id": victim["id"]}, hall.body(guest)),
    ):
        for stream in (False, True):
            sent = json.dumps({**body, "stream": stream}).encode()
            assert ask(hall, "POST", "/chat/completions", headers, sent)[0] == 401
    assert len(upstream.calls) == before
    assert hall.rows(victim) == hall.rows(guest) == []


def test_a_forged_outlet_moves_nothing_of_ours(hall: Hall, eventually: Callable[..., Any]) -> None:
    """Whatever usage a guest's outlet tells of a turn that we served, the ledger keeps the upstream's."""
    guest = hall.guest()
    assert hall.chat(guest).status_code == 200
    (row,) = eventually(lambda: hall.settled(guest))
    usage = {"input_tokens": -999_999, "output_tokens": 0, "total_tokens": -999_999}
    for model in ("assistants.host", "gpt-plain"):
        message = {"role": "assistant", "content": "x", "usage": usage}
        form = {"user": guest, "body": {"model": model, "chat_id": "c", "id": row["turn_id"], "messages": [message]}}
        url = f"{hall.url}/quota_filter/filter/outlet"
        requests.post(url, json=form, headers=hall.headers(), timeout=30).raise_for_status()
    assert hall.rows(guest) == [row]
    assert hall.agrees(guest)


def test_a_tool_list_of_200_megabytes_is_refused_and_costs_no_memory(hall: Hall) -> None:
    """With its length declared and without: a 413, and the server's memory does not follow the request's size."""
    guest, pid = hall.guest(), hall.who["pipelines"].pid
    small, total = resident(pid), 200 * 1024 * 1024
    piece = b"x" * 65_536

    def pour(chunked: bool) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", hall.ports["pipelines"], timeout=30)
        connection.putrequest("POST", "/v1/chat/completions")
        for name, value in hall.headers(guest).items():
            connection.putheader(name, value)
        connection.putheader(*(("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(total))))
        try:
            connection.endheaders(b'{"tools": ["' if not chunked else None)
            for _ in range(total // len(piece)):
                connection.send(b"10000\r\n" + piece + b"\r\n" if chunked else piece)
        except OSError:
            pass  # it has heard enough: its answer waits for us
        answer = connection.getresponse()
        assert json.loads(answer.read())["error"]["code"] == answer.status
        connection.close()
        return answer.status

    assert [pour(chunked) for chunked in (False, True)] == [413, 413]
    assert resident(pid) - small < 80 * 1024 * 1024
    assert hall.chat(guest).status_code == 200


def test_no_word_of_a_guest_gets_into_the_log(hall: Hall, upstream: ScriptedUpstream) -> None:
    """After answers, refusals, errors and failures of every kind the log has not a guest's word, nor a token."""
    log, word, guest, poor = hall.fresh_log(), f"secret-{uuid.uuid4().hex}", hall.guest(), hall.guest("free")
    token = hall.headers(guest)["X-OpenWebUI-User-Jwt"]
    accidents: list[dict[str, Any]] = [
        {},
        {"status": 500},
        {"cut_after": 0},
        {"error_after": 2},
        {"raw": ["data: {\n\n"]},
    ]
    for accident in accidents:
        hall.raw(guest, f"{word} {script(**accident)}")
        hall.chat(guest, f"{word} {script(**accident)}")
    for kind in ("text", "pieces", "object", "raises", "raises-late", "answers-raise"):
        hall.raw(guest, word, model=f"neighbour.{kind}")
        hall.chat(guest, word, model=f"neighbour.{kind}")
    for model in ("assistants.host", "neighbour.text", word):
        for messages in (word, [word], [{"role": word, "content": word}], [{"role": "user", "content": {"a": word}}]):
            hall.post({**hall.body(guest), "model": model, "messages": messages}, guest)
    for _ in range(7):
        hall.chat(poor, word)
    hall.raw_post(word.encode(), guest)
    hall.raw_post(b'{"a": "' + word.encode(), guest)
    for path in ("/neighbour/filter/inlet", "/neighbour.text/filter/inlet", "/quota_filter/filter/inlet"):
        form = {"user": guest, "body": {"model": "neighbour.text", "messages": [{"role": "user", "content": word}]}}
        ask(hall, "POST", path, {**hall.headers(), "Content-Type": "application/json"}, json.dumps(form).encode())
    ask(hall, "POST", "/quota_filter/valves/update", hall.headers(), json.dumps({"priority": word}).encode())
    for headers in ({}, hall.headers(), {**hall.headers(), "X-OpenWebUI-User-Jwt": word}):
        ask(hall, "POST", f"/{word}", headers, word.encode())
        ask(hall, "POST", "/chat/completions", headers, json.dumps(hall.body(guest, word)).encode())
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: raw_leaving(hall, guest, word), range(4)))
    hall.stop("pipelines")
    written = log()
    assert word not in written
    assert token not in written
    assert "Traceback" not in written
    assert "ValueError at neighbour.py" in written, "that a plugin failed is written down, and where"


def raw_leaving(hall: Hall, guest: dict[str, str], word: str) -> None:
    """A guest who leaves in the middle."""
    body = hall.body(guest, f"{word} {script(n=500, interval_ms=10)}", stream=True)
    raw_chat(hall.url, body, headers=hall.headers(guest), leave_after=3)


def test_two_hundred_who_wait_hold_up_nobody(hall: Hall, upstream: ScriptedUpstream) -> None:
    """Two hundred streams wait for a first token; the list of models, a filter, a plugin and other
    guests' answers are served meanwhile; then everybody is."""
    guests, other, before = [hall.guest() for _ in range(20)], hall.guest(), len(upstream.calls)
    with ThreadPoolExecutor(200) as pool:
        waiting = [pool.submit(hall.raw, guests[number % 20], script(ttft_ms=8000)) for number in range(200)]
        while len(upstream.calls) < before + 200:
            assert not any(one.done() for one in waiting), "one of them did not wait"
        assert hall.raw(other).events[-1] == DONE
        assert hall.chat(other).status_code == 200
        assert hall.chat(other, model="neighbour.text").status_code == 200
        assert requests.get(f"{hall.url}/v1/models", headers=hall.headers(), timeout=30).status_code == 200
        form = {"user": other, "body": hall.body(other)}
        url = f"{hall.url}/quota_filter/filter/inlet"
        assert requests.post(url, json=form, headers=hall.headers(), timeout=30).status_code == 200
        assert not any(one.done() for one in waiting), "they were all still waiting"
        assert {one.result().events[-1] for one in waiting} == {DONE}


def test_a_host_without_a_store_lives_but_is_not_ready(hall: Hall, eventually: Callable[..., Any]) -> None:
    """A deploy waits for it, and nothing restarts it."""
    url = f"http://127.0.0.1:{hall.ports['pipelines']}"
    hall.stop("valkey")
    try:
        eventually(lambda: requests.get(f"{url}{READY}", timeout=30).status_code == 503, "it went on being ready")
        assert requests.get(f"{url}{HEALTH}", timeout=30).status_code == 200
    finally:
        hall.start("valkey")
    eventually(lambda: requests.get(f"{url}{READY}", timeout=30).status_code == 200, "it did not become ready again")
