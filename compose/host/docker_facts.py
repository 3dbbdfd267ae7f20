"""The facts of a deploy's machine, from the engine and the host."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from docker.errors import DockerException
from requests.exceptions import RequestException

from compose.deploy.docker_engine import client, plainly
from compose.deploy.wanted import is_here
from compose.host import host
from compose.host.facts import Asked, Facts
from maitre.errors import HouseError


def gather(asked: Asked, secrets: Iterable[Path], project: str) -> Facts:
    """Ask everything. Never raises: what is not there is a fact."""
    try:
        engine = client()
        told: dict[str, Any] = engine.info()
    except (HouseError, DockerException, RequestException) as away:
        return Facts(None, str(away).removeprefix("Docker does not answer: "))
    here = frozenset(
        name for one in engine.api.images() for name in (*(one["RepoTags"] or ()), *(one["RepoDigests"] or ()))
    )
    missing = sorted(image for image in asked.images if not is_here(image, here))
    with ThreadPoolExecutor(8) as together:
        asked_for = zip(missing, together.map(lambda name: _unpullable(engine, name), missing), strict=True)
        unpullable = {name: why for name, why in asked_for if why}
    published = _published(engine.api.containers())
    found = find_compose()
    return Facts(
        engine=told["ServerVersion"],
        engine_apart=apart(told, engine.api.base_url),
        compose=found[1] if found else None,
        architecture=told["Architecture"],
        cpus=told["NCPU"],
        memory=told["MemTotal"],
        disk_free=_free(Path(told["DockerRootDir"])),
        images=here,
        unpullable=unpullable,
        busy={where: who for where in asked.ports if (who := _holder(*where, published, project)) is not None},
        addresses=host.addresses(),
        names=host.resolved(asked.hosts),
        secret_modes=host.modes(secrets),
    )


def apart(told: Mapping[str, Any], url: str) -> str:
    """What keeps an engine from this machine, by its `GET /info` and the URL that the client asks; else empty."""
    if "name=rootless" in (told.get("SecurityOptions") or ()):
        return "rootless"
    if str(told.get("OperatingSystem", "")).startswith("Docker Desktop"):
        return "Docker Desktop, which runs in a machine of its own"
    asked = urlsplit(url).hostname or ""  # a Unix socket's is localhost, the one of ssh:// is ssh
    here = asked in ("localhost", "::1") or asked.startswith("127.")
    return "" if here else f"on another machine ({asked})"


def find_compose() -> tuple[tuple[str, ...], str] | None:
    """The command that is Compose v2 or later, with its version; None when there is none."""
    beside = Path(sys.executable).parent / "docker-compose"
    for command in (("docker", "compose"), ("docker-compose",), (str(beside),)):
        if shutil.which(command[0]) is None:
            continue
        done = subprocess.run([*command, "version", "--short"], capture_output=True, text=True, check=False)
        version = done.stdout.strip().removeprefix("v")
        if done.returncode == 0 and not version.startswith("1."):
            return command, version
    return None


def _free(folder: Path) -> int:
    """Free bytes of the disk that the folder is, or will be, on."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _unpullable(engine: Any, name: str) -> str:
    try:
        engine.api.inspect_distribution(name)
    except (DockerException, RequestException) as refused:
        return last_words(plainly(refused))
    return ""


def last_words(text: str) -> str:
    """The end of an engine's sentence, which says the cause: `Get "https://…": dial tcp: lookup …: no such host`."""
    plain = re.sub(r'\(?"?https?(\+docker)?://\S*', ": ", text).strip(" .:")
    return plain.rpartition(": ")[2].strip() or plain


def _published(containers: list[dict[str, Any]]) -> dict[int, tuple[str, str]]:
    """Who publishes each port: the container's name and its project."""
    return {
        port["PublicPort"]: (one["Names"][0].removeprefix("/"), one["Labels"].get("com.docker.compose.project", ""))
        for one in containers
        for port in one["Ports"]
        if "PublicPort" in port
    }


def _holder(address: str, port: int, published: dict[int, tuple[str, str]], project: str) -> str | None:
    name, of = published.get(port, ("", ""))
    if name:
        return None if of == project else f"the container {name}"
    return host.holder(address, port)
