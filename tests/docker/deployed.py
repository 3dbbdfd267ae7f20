"""A house that `cli deploy` has deployed on the tests' own engine, as an operator does: its files are written, its
secrets made, and the documented command is run. The tests reach it through Traefik only, over TLS.

    with deployed(engine, folder, say) as house:
        house.guest("open_webui").get("/health")     # https://chat.localhost:PORT, by the tests' own authority
        house.cli("deploy", "--yes")
"""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
import yaml
from requests.adapters import HTTPAdapter

from benchmarks.servers import free_port
from compose.render.versions import image_versions
from devstack import scaffold
from devstack.places import ROOT, write_private
from devstack.process import last_lines
from maitre.errors import HouseError
from maitre.settings import House, load_house
from tests.docker.engine import Engine
from tests.docker.images import Say, build_ours
from tests.docker.programs import program
from tests.traefik.certificates import authority

PROJECT = "inn"
#: Browsers lead any name below it to loopback by themselves.
DOMAIN = "localhost"
HOSTS = {"open_webui": f"chat.{DOMAIN}", "gateway": f"api.{DOMAIN}", "dashboard": f"traefik.{DOMAIN}"}
TIMEOUT = (10, 120)  # seconds: to connect, to wait for a piece of an answer
OLLAMA = "http://ollama:11434/v1"
#: One more provider, which is there when a test starts it (busy.py), and its one model.
SCRIPTED, SCRIPTED_PORT = "scripted", 9000


@dataclass(frozen=True)
class Deployed:
    """The house. `folder`: where its maitre.yaml lies; `http` and `https`: Traefik's two ports on 127.0.0.1; `trust`:
    the file of the authority that signed its certificate."""

    engine: Engine
    folder: Path
    http: int
    https: int
    trust: str

    @property
    def house(self) -> House:
        """Its settings, read anew."""
        return load_house(self.folder)

    def url(self, service: str) -> str:
        """The address of a public host, as a browser has it."""
        return f"https://{HOSTS[service]}:{self.https}"

    def guest(self, service: str, **headers: str) -> Guest:
        """Somebody from outside, at a public host."""
        return Guest(self.url(service), self.trust, headers)

    def secure(self) -> ssl.SSLSocket:
        """A connection to Traefik over TLS, on which a request can be written as one likes."""
        trusting = ssl.create_default_context(cafile=self.trust)
        line = socket.create_connection(("127.0.0.1", self.https), TIMEOUT[0])
        return trusting.wrap_socket(line, server_hostname=HOSTS["open_webui"])

    def cli(
        self, *words: str, told: Say | None = None, root: Path = ROOT, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run `cli WORDS` for this house to its end, whatever that is. `told` hears each line as it is printed; `root`:
        the folder of the sources that it is run from."""
        with self.begun(*words, root=root, **environment) as running:
            assert running.stdout
            lines = []
            for line in running.stdout:
                lines.append(line)
                if told:
                    told(f"  {line.rstrip()}")
        return subprocess.CompletedProcess(words, running.returncode, "".join(lines))

    def begun(self, *words: str, root: Path = ROOT, **environment: str) -> subprocess.Popen[str]:
        """Begin `cli WORDS`; what it says of mistakes is among what it prints."""
        return subprocess.Popen(
            [sys.executable, "-u", str(root / "cli.py"), *words, "--house", str(self.folder)],
            env={**self.engine.environment, "COLUMNS": "160", **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def asked(self, *words: str) -> Any:
        """What `cli WORDS --json` answers. Raises HouseError when it fails."""
        done = self.cli(*words, "--json")
        if done.returncode:
            raise HouseError(f"cli {' '.join(words)} ended with {done.returncode}: {done.stdout[-2000:]}")
        return json.loads(done.stdout)

    def deploy(self, say: Say | None = None) -> str:
        """`cli deploy --yes`; what it printed. Raises HouseError with all that helps when it fails."""
        done = self.cli("deploy", "--yes", told=say)
        if done.returncode:
            log = last_lines(self.folder / ".maitre" / "logs" / "deploy.log", 40)
            shown = ("ps", "--all", "--format", "{{.Names}}\t{{.Status}}")
            there = self.engine.docker(*shown)
            raise HouseError("\n".join((f"cli deploy ended with {done.returncode}:", done.stdout, *log, there)))
        return done.stdout

    def containers(self) -> dict[str, dict[str, Any]]:
        """Everything that the engine says of the house's containers, by name."""
        ids = self.engine.docker("ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.project={PROJECT}")
        done = self.engine.run(program("docker"), "inspect", *ids.split())  # fails for a job that has just ended
        found = json.loads(done.stdout) if ids else []
        return {str(one["Name"]).lstrip("/"): one for one in found}

    def of(self, service: str) -> list[str]:
        """The names of a service's containers that run."""
        return sorted(
            name
            for name, one in self.containers().items()
            if one["State"]["Running"] and one["Config"]["Labels"]["com.docker.compose.service"] == service
        )

    def inside(self, service: str, *words: str) -> str:
        """What a program prints in a service's container."""
        return self.engine.docker("exec", self.of(service)[0], *words)

    def psql(self, statement: str, database: str = "maitre") -> str:
        """What Postgres answers."""
        words = ("psql", "-Atq", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", database, "-c", statement)
        return self.inside("postgres", *words)

    def change(self, how: Callable[[dict[str, Any]], None]) -> None:
        """Write another maitre.yaml; nothing is deployed by that."""
        file = self.folder / "maitre.yaml"
        told = yaml.safe_load(file.read_text("utf-8"))
        how(told)
        file.write_text(yaml.safe_dump(told, allow_unicode=True), "utf-8")


class Guest(requests.Session):
    """A client of one public host, which is found on 127.0.0.1 whatever the machine's DNS says."""

    def __init__(self, url: str, trust: str, headers: Mapping[str, str]) -> None:
        super().__init__()
        self.url, self.verify, self.trust_env = url, trust, False
        self.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
        self.mount(url, Loopback(str(urlsplit(url).hostname)))

    def request(self, method: Any, url: Any, **how: Any) -> requests.Response:  # type: ignore[override]
        """A request by path."""
        return super().request(method, self.url + url, **{"timeout": TIMEOUT, "allow_redirects": False, **how})


class Loopback(HTTPAdapter):
    """Connects to 127.0.0.1, and asks there for the host."""

    def __init__(self, host: str) -> None:
        self.host = host
        super().__init__()

    def init_poolmanager(self, *args: Any, **how: Any) -> None:
        """With the host's name in TLS, and in its certificate."""
        super().init_poolmanager(*args, **how, server_hostname=self.host, assert_hostname=self.host)

    def send(self, request: requests.PreparedRequest, *args: Any, **how: Any) -> requests.Response:
        """Send it there."""
        assert request.url
        told = urlsplit(request.url)
        request.headers.setdefault("Host", told.netloc)
        request.url = told._replace(netloc=f"127.0.0.1:{told.port}").geturl()
        return super().send(request, *args, **how)


def settings(http: int, https: int) -> dict[str, Any]:
    """The example house, for containers on a machine of two cores."""
    told: dict[str, Any] = yaml.safe_load((ROOT / "config" / "maitre.yaml").read_text("utf-8"))
    told["domain"] = DOMAIN
    local, embedder = told["providers"]["local"], told["providers"]["embedder"]
    local |= {"kind": "openai", "base_url": OLLAMA}
    embedder["base_url"] = OLLAMA
    embedder["models"]["e5"]["context"] = 512  # as Ollama's context_length, which is for all models alike
    told["plans"]["wide"] = {"name": "Wide", "price": 0, "max_answer_tokens": 1024, "models": ["smollm2"]}
    told["users"].append({"email": "wide@maitre.example", "name": "Wil Wide", "plan": "wide", "demo": True})
    _scripted(told)
    told["stack"] = {
        "project": PROJECT,
        "bind": "127.0.0.1",
        "http_port": http,
        "https_port": https,
        "tls": {"kind": "files"},
        "drain_timeout": 60,
        "services": {"ollama": {"cpus": "2", "memory": "2g"}},
    }
    return told


def _scripted(told: dict[str, Any]) -> None:
    """Every plan has the scripted model, and guests whom nobody gave a plan may ask it as much as they like."""
    base = f"http://upstream:{SCRIPTED_PORT}/v1"
    told["providers"][SCRIPTED] = {"kind": "openai", "base_url": base, "models": {SCRIPTED: {"name": "Scripted"}}}
    told["prices"]["models"][SCRIPTED] = {"input": "1", "output": "2"}
    for plan in told["plans"].values():
        if "models" in plan:
            plan["models"].append(SCRIPTED)
    told["default_plan"] = "wide"


def write_house(folder: Path, http: int, https: int, **changed: Any) -> str:
    """Write a house as `cli init` does, for containers; the authority's file. `changed`: other sections."""
    folder.chmod(0o755)
    scaffold.copy_example(folder)
    told = {**settings(http, https), **changed}
    (folder / "maitre.yaml").write_text(yaml.safe_dump(told, allow_unicode=True), "utf-8")
    scaffold.make_secrets(folder)
    scaffold.make_logins(load_house(folder))
    signed = folder.parent / f"{folder.name}-tls"
    signed.mkdir()
    trust = authority(signed, *HOSTS.values())
    for secret, file in (("tls_certificate", "certificate.pem"), ("tls_key", "key.pem")):
        write_private(folder / ".maitre" / "secrets" / secret, (signed / file).read_text())
    return trust


def build_sources(engine: Engine, say: Say) -> None:
    """Our images under the tags that a deploy asks for: a build of its own has no way to this machine's package index,
    which is told to these by arguments."""
    for name, version in image_versions(ROOT).items():
        build_ours(engine, name, f"maitre/{name}:{version}", say)


@contextmanager
def deployed(engine: Engine, folder: Path, say: Say) -> Iterator[Deployed]:
    """The house until the end of the block; then `cli destroy` has removed it, its data too."""
    http, https = free_port("http"), free_port("https")
    house = Deployed(engine, folder, http, https, write_house(folder, http, https))
    build_sources(engine, say)
    try:
        house.deploy(say)
        yield house
    finally:
        gone = house.cli("destroy", "--volumes", "--yes")
        if gone.returncode and not os.environ.get("PYTEST_CURRENT_TEST"):
            say(f"cli destroy ended with {gone.returncode}: {gone.stdout[-1000:]}")
