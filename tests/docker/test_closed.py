"""What of a deployed house is open to the world: Traefik's two ports, and no more behind them than is meant."""

from __future__ import annotations

import json
import re
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from compose.render.secret_files import value_of
from devstack.process import wait_until
from tests.docker.base import TAG
from tests.docker.deployed import HOSTS, PROJECT, Deployed
from tests.traefik.test_doors import CLOSED, REFUSED

#: Run as root: a job without a network that gives volumes to their owners, and ends (compose/services/volumes.yaml).
ROOT_MAY = {"volumes"}
READ = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=20).read().decode())"
#: The status of each URL, asked with an API key and a forged address.
FORGE = """\
import sys, urllib.error, urllib.request as r
key, forged, *urls = sys.argv[1:]
for url in urls:
    asked = r.Request(url, headers={"Authorization": "Bearer " + key, "X-Forwarded-For": forged})
    try:
        print(r.urlopen(asked, timeout=20).status)
    except urllib.error.HTTPError as refused:
        print(refused.code)
"""
WHO = "wide@maitre.example"


def near(house: Deployed, url: str) -> str:
    """What a container on the house's network reads at an internal address."""
    return run_near(house, READ, url)


def run_near(house: Deployed, program: str, *words: str) -> str:
    """What a Python program prints in a container on the house's network."""
    return house.engine.docker("run", "--rm", "--network", f"{PROJECT}_edge", TAG, "python", "-c", program, *words)


def children(pid: int) -> Iterator[int]:
    """The pids of a process's descendants."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield int(child)
            yield from children(int(child))


def test_only_traefik_publishes_ports(house: Deployed) -> None:
    """The engine publishes two ports for Traefik, on loopback as maitre.yaml says, and none for anybody else."""
    wanted = {("traefik", "80/tcp", "127.0.0.1", house.http), ("traefik", "443/tcp", "127.0.0.1", house.https)}
    found: set[tuple[str, str, str, int]] = set()
    asked: set[tuple[str, str, str, int]] = set()
    for one in house.containers().values():
        service = one["Config"]["Labels"]["com.docker.compose.service"]
        for where, into in ((found, one["NetworkSettings"]["Ports"]), (asked, one["HostConfig"]["PortBindings"])):
            for inside, outside in (into or {}).items():
                where |= {(service, inside, held["HostIp"], int(held["HostPort"])) for held in outside or ()}
        assert one["HostConfig"]["NetworkMode"] != "host", service
        assert not one["HostConfig"]["PublishAllPorts"], service
    assert found == asked == wanted


def test_a_scan_finds_two_ports(house: Deployed) -> None:
    """Of all ports of loopback, only those two are held by the engine or any process of it, containers included."""
    held = sockets_of({house.engine.pid, *children(house.engine.pid)})
    answering = set()
    for port in range(1, 65_536):
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                answering.add(port)
    listening = {port for port, inode in listeners() if inode in held}
    assert listening == {house.http, house.https}
    assert listening <= answering


def listeners() -> Iterator[tuple[int, str]]:
    """The listening TCP sockets of this machine: port, inode."""
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A":  # LISTEN
                yield int(words[1].rpartition(":")[2], 16), words[9]


def sockets_of(pids: set[int]) -> set[str]:
    """The inodes of the sockets that the processes hold."""
    found = set()
    for pid in pids:
        try:
            for file in Path(f"/proc/{pid}/fd").iterdir():
                if match := re.fullmatch(r"socket:\[(\d+)\]", str(file.readlink())):
                    found.add(match[1])
        except OSError:
            continue  # it ended in between
    return found


def test_http_leads_to_https(house: Deployed) -> None:
    """The plain port knows nothing but the way to the other one."""
    for path in ("/", "/openai/config", "/api/rawdata", "/v1/models"):
        for host in (*HOSTS.values(), "other.localhost"):
            for method, moved in (("GET", 301), ("POST", 308)):
                with socket.create_connection(("127.0.0.1", house.http), 20) as line:
                    assert ask(line, host, method, path) == (moved, f"https://{host}:{house.https}{path}")


def test_the_dashboard_needs_a_login(house: Deployed) -> None:
    """401 without the login and with a wrong one, its pages and its API with it."""
    stranger = house.guest("dashboard")
    for path in ("/", "/dashboard/", "/api/rawdata", "/api/http/routers"):
        assert stranger.get(path).status_code == 401, path
    assert stranger.get("/dashboard/", auth=("admin", "admin")).status_code == 401
    login = ("admin", value_of(house.house, "dashboard_password"))
    assert stranger.get("/dashboard/", auth=login).status_code == 200
    assert stranger.get("/api/rawdata", auth=login).status_code == 200


@pytest.mark.parametrize("path", [*CLOSED, "/OPENAI/chat/completions", "/openai"])
def test_what_is_around_the_filters_is_closed(house: Deployed, path: str) -> None:
    """Open WebUI's pass-through routes are not there, in no spelling, with no method."""
    host = HOSTS["open_webui"]
    for method in ("GET", "POST"):
        assert status(house, host, method, path) == 404, method


@pytest.mark.parametrize("path", REFUSED)
def test_what_could_be_read_in_two_ways_is_refused(house: Deployed, path: str) -> None:
    """An encoded slash, backslash or zero."""
    assert status(house, HOSTS["open_webui"], "GET", path) == 400


def test_what_the_gateway_tells_the_house_only(house: Deployed) -> None:
    """Measures and health are not there by the public name; a neighbour reads them."""
    for path in ("/metrics", "/healthz", "/readyz", "//metrics", "/%6detrics", "/HEALTHZ"):
        assert status(house, HOSTS["gateway"], "GET", path) == 404, path
    assert status(house, HOSTS["gateway"], "GET", "/v1/models") == 401
    assert json.loads(near(house, "http://traefik:8000/readyz")) == {"status": "ready"}


def test_an_api_key_goes_by_the_address_that_traefik_saw(house: Deployed) -> None:
    """A key for that address opens to its guest; one for another is opened neither by a guest from outside who forges
    that address, nor by a container that forges it to the gateway itself or to Traefik's internal entry point."""
    seen, elsewhere = seen_by_traefik(house), "203.0.113.7"
    here, there, anywhere = key_for(house, seen), key_for(house, elsewhere), key_for(house)
    for key, status in ((here, 200), (there, 403)):
        guest = house.guest("gateway", Authorization=f"Bearer {key}")
        assert guest.get("/v1/models").status_code == status
        for forged in (elsewhere, f"{elsewhere}, {seen}"):
            assert guest.get("/v1/models", headers={"X-Forwarded-For": forged}).status_code == status, forged
    doors = [f"http://{name}:8000/v1/models" for name in (*house.of("gateway"), "traefik")]
    for key, forged, told in ((anywhere, seen, "200"), (here, seen, "403"), (there, elsewhere, "403")):
        assert run_near(house, FORGE, key, forged, *doors).split() == [told] * len(doors), forged


def seen_by_traefik(house: Deployed) -> str:
    """The address of a guest from outside, as Traefik logs it."""
    path, (traefik,) = f"/v1/{uuid.uuid4().hex}", house.of("traefik")
    assert house.guest("gateway").get(path).status_code == 404

    def logged() -> list[str]:
        lines = house.engine.docker("logs", "--tail", "1000", traefik).splitlines()
        found = [json.loads(line) for line in lines if path in line]
        return [str(one["ClientHost"]) for one in found]

    assert wait_until(lambda: bool(logged()), 20, every=0.2), f"{path} is not in Traefik's log"
    return logged()[0]


def key_for(house: Deployed, *networks: str) -> str:
    """A new API key that is for these networks only."""
    words = [word for network in networks for word in ("--allow", network)]
    return str(house.asked("key", "create", WHO, "--name", "of-an-address", *words)["key"])


def test_other_names_lead_nowhere(house: Deployed) -> None:
    """Neither the address nor a service's own name is a host."""
    for host in ("127.0.0.1", "localhost", "pipelines", "rag", f"{PROJECT}-gateway-1", "rag.localhost"):
        for path in ("/", "/v1/models", "/metrics", "/api/rawdata"):
            assert status(house, host, "GET", path) == 404, (host, path)


def status(house: Deployed, host: str, method: str, path: str) -> int:
    """Traefik's answer to a request whose path leaves as it is written."""
    with house.secure() as line:
        return ask(line, host, method, path)[0]


def ask(line: socket.socket, host: str, method: str, path: str) -> tuple[int, str]:
    """The answer to such a request: its status, and where it leads."""
    body = "Content-Length: 0\r\n" if method == "POST" else ""
    line.sendall(f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{body}Connection: close\r\n\r\n".encode())
    with line.makefile("rb") as answer:
        code = int(answer.readline().split()[1])
        headers = (one.partition(b":") for one in iter(answer.readline, b"\r\n"))
        told = {name.lower(): value.strip().decode() for name, _, value in headers}
    return code, told.get(b"location", "")


def test_traefik_has_loaded_everything(house: Deployed) -> None:
    """Its own API shows no router that is not enabled, and one for each service that has a route."""
    routers = json.loads(near(house, "http://traefik:8080/api/http/routers?per_page=1000"))
    assert {one["name"]: one["status"] for one in routers if one["status"] != "enabled"} == {}
    assert not [one["name"] for one in routers if one.get("error")]
    names = {one["name"].partition("@")[0] for one in routers}
    assert names >= {"open_webui", "gateway", "gateway-internal", "pipelines-internal", "rag-internal", "dashboard"}


def test_no_secret_can_be_read_beside_its_file(house: Deployed) -> None:
    """No value of a secret stands in the rendered files, in what the engine tells of a container or an image, in the
    journal of releases or in the log of the deploy."""
    state = house.folder / ".maitre"
    names = [file.name for file in (state / "secrets").iterdir()]
    values = {name: value_of(house.house, name).strip() for name in names}
    values |= {one["email"]: one["password"] for one in json.loads((state / "logins.json").read_text())}
    told = {name: json.dumps(one) for name, one in house.containers().items()}
    for image in {one["Image"] for one in house.containers().values()}:
        told[image] = house.engine.docker("image", "inspect", image) + house.engine.docker(
            "history", "--no-trunc", image
        )
    apart = state / "stack" / "secrets"
    for top in ("stack", "releases", "logs"):
        for file in (state / top).rglob("*"):
            if file.is_file() and apart not in file.parents:
                told[str(file)] = file.read_text("utf-8", "replace")
    assert any(name.endswith("compose.yaml") for name in told)
    for name, value in values.items():
        signs = [line for line in (value, *value.splitlines()[1:-1]) if len(line) >= 12]  # a PEM's lines, too
        assert signs, name
        for where, text in told.items():
            assert not any(sign in text for sign in signs), f"{name} in {where}"


def test_nobody_has_rights(house: Deployed) -> None:
    """No container is privileged, is root, has a capability, can get one, sees the engine's socket or a device, or
    can write where it has no volume; each has its limits and a log that ends."""
    services: dict[str, Any] = {}
    for one in house.containers().values():
        name, host = one["Config"]["Labels"]["com.docker.compose.service"], one["HostConfig"]
        services[name] = host
        assert not host["Privileged"], name
        assert host["CapDrop"] == ["ALL"], name
        assert "no-new-privileges:true" in host["SecurityOpt"], name
        assert host["ReadonlyRootfs"], name
        assert host["Memory"] > 0, name
        assert host["NanoCpus"] > 0, name
        assert host["PidsLimit"], name
        assert host["LogConfig"]["Config"].keys() >= {"max-size", "max-file"}, name
        assert not host["PidMode"], name
        assert host["IpcMode"] != "host", name
        assert not host["Devices"], name
        assert not [mount for mount in one["Mounts"] if "docker.sock" in mount["Source"]], name
        if name in ROOT_MAY:
            assert host["NetworkMode"] == "none", name
            continue
        assert not host["CapAdd"], name
        assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", one["Config"]["User"]), name
    assert services.keys() >= {
        "traefik",
        "open_webui",
        "gateway",
        "pipelines",
        "rag",
        "rag_worker",
        "postgres",
        "valkey",
    }


def test_the_stores_have_no_way_out(house: Deployed) -> None:
    """Their network is internal, and they are in no other one."""
    network = json.loads(house.engine.docker("network", "inspect", f"{PROJECT}_data"))[0]
    assert network["Internal"]
    for service in ("postgres", "valkey"):
        (name,) = house.of(service)
        assert list(house.containers()[name]["NetworkSettings"]["Networks"]) == [f"{PROJECT}_data"]
