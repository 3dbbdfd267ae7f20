"""The upstream Pipelines server, unmodified, serving a copy of `pipelines/`: in our hardened host, or bare."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from devstack.part import Part
from devstack.places import PLUGINS, ROOT, environment, folder
from devstack.probe import http_json
from devstack.process import Command
from maitre.errors import HouseError
from maitre.pipelines_server import copy_plugins, server_folder
from maitre.settings import Endpoint, House


def part(
    house: House, port: int, urls: Mapping[Endpoint, str], handed_on: Mapping[str, str], *, bare: bool = False
) -> Part:
    """The house's Pipelines server. `urls`: the parts it talks to; `handed_on`: more of its environment; `bare`:
    without our host around it."""
    home = house.state / "pipelines"
    path, well = ("/", True) if bare else ("/healthz", "ok")
    return Part(
        name="pipelines",
        title="Pipelines server",
        port=port,
        url=f"http://127.0.0.1:{port}",
        needs=tuple(urls),
        command=Command(
            _bare(port) if bare else served(port, "gateway.pipelines_host:app"),
            house.state,
            engine_environment(
                house,
                urls,
                handed_on,
                PIPELINES_DIR=str(home),
                PIPELINES_API_KEY=house.secret("pipelines_key"),
                GLOBAL_LOG_LEVEL="WARNING",  # at INFO the server logs whole answers
            ),
        ),
        prepare=lambda: copy_plugins(PLUGINS, folder(home)),
        healthy=lambda: http_json(port, path) == {"status": well},
        check=lambda: _all_loaded(home),
        grace=6,
        watches=sources_digest(house),
    )


def engine_environment(
    house: House, urls: Mapping[Endpoint, str], handed_on: Mapping[str, str], **own: str
) -> dict[str, str]:
    """The environment of a server with an engine. `urls`: the parts it talks to; `handed_on`: the operator's."""
    return environment(
        **handed_on,
        **own,
        PYTHONPATH=str(ROOT),
        MAITRE_HOUSE=str(house.directory),
        **{f"MAITRE_{name.upper()}_URL": url for name, url in urls.items()},
    )


def served(port: int, app: str) -> tuple[str, ...]:
    """The command line of a server of ours. `app`: its module and name."""
    return (sys.executable, "-m", "maitre.http.http_server", app, "--port", str(port))


def _bare(port: int) -> tuple[str, ...]:
    return (
        # The server's modules (main, config, utils) are found through --app-dir, which goes before PYTHONPATH.
        *(sys.executable, "-m", "uvicorn", "main:app", "--app-dir", str(server_folder())),
        *("--host", "127.0.0.1", "--port", str(port), "--loop", "uvloop", "--http", "httptools"),
        *("--log-level", "warning", "--no-access-log", "--no-server-header", "--no-proxy-headers"),
        *("--timeout-graceful-shutdown", "2", "--timeout-keep-alive", "75"),
    )


def digest(files: Iterable[Path]) -> str:
    """A digest of names and contents: the server reads all of them only once, when it starts."""
    told = hashlib.sha256()
    for file in sorted(files):
        told.update(f"{file.name}\0".encode() + file.read_bytes() + b"\0")
    return told.hexdigest()


def sources_digest(house: House) -> str:
    """Changes with every file that a server of ours reads only once."""
    return digest(_sources(house))


def _sources(house: House) -> list[Path]:
    # Not the assistants: they come from Maitre's database, where `cli seed` puts them.
    secrets = (house.state / "secrets").glob("*")
    ours = [*(ROOT / "maitre").rglob("*"), *(ROOT / "gateway").rglob("*")]
    shared = (file for file in ours if file.suffix in {".py", ".sql", ".lua"})
    return [house.directory / "maitre.yaml", *secrets, *PLUGINS.glob("*.py"), *shared]


def _all_loaded(home: Path) -> None:
    if failed := sorted(file.name for file in home.glob("failed/*.py")):
        raise HouseError(f"The Pipelines server could not load {', '.join(failed)}.")
