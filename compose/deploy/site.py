"""The house's folder of rendered files, `.maitre/stack/`, read and written. Implements `compose.deploy.deploy.Site`."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from compose.deploy.course import Target
from compose.deploy.releases import Contents, Release
from compose.deploy.servers import redirected
from compose.deploy.wanted import WATCHED, digest, stamped, unstamped, wanted
from compose.layout import COMPOSE, SECRETS
from compose.render.secret_copy import Copy
from compose.running import Running
from compose.text import yaml_text
from devstack.places import folder, state_folder
from maitre.errors import HouseError
from provisioning.durable import write_whole


class Folder:
    """The rendered files of one house. `secret` tells a secret's value, of which only a digest keyed with `key` goes
    further; `write_copies` writes the copies of secrets, `remove_copies` removes all others, `amiss_copies` tells those
    that are not there or not closed."""

    def __init__(
        self,
        state: Path,
        project: str,
        *,
        before: Mapping[str, str],
        last: Release | None,
        migrations: Mapping[str, tuple[str, ...]],
        secret: Callable[[str], str],
        key: str,
        write_copies: Callable[[Mapping[str, Copy]], object],
        remove_copies: Callable[[Mapping[str, Copy]], object],
        amiss_copies: Callable[[Mapping[str, Copy]], Iterable[str]],
    ) -> None:
        self.path = state / "stack"
        self._state, self._project = state, project
        self._write_copies, self._remove_copies, self._amiss_copies = write_copies, remove_copies, amiss_copies
        self._before = services_of(before)
        self._done = dict(last.jobs) if last else {}
        self._migrations = migrations
        self._secret, self._key = secret, key.encode()

    def target(self, contents: Contents, running: Running) -> Target:
        """What a release of these contents aims at, their Compose file with our labels."""
        files = contents.files
        document = yaml.safe_load(files[COMPOSE])
        digests = {
            f"{SECRETS}/{path}": (copy.source, self._digest(copy.source)) for path, copy in contents.copies.items()
        }
        services = wanted(document, files, digests, folder=str(self.path))
        whole = {**files, COMPOSE: yaml_text(stamped(document, services))}
        watched = {name: "traefik" for name in _watched(whole) if self._differs(name, whole[name], running)}
        amiss = (
            *(name for name in whole if name not in _watched(whole) and _text(self.path / name) != whole[name]),
            *(f"{SECRETS}/{path}" for path in self._amiss_copies(contents.copies)),
        )
        return Target(whole, contents.copies, services, self._before, self._done, watched, self._migrations, amiss)

    def write(self, target: Target, running: Running) -> None:
        """Put the files and the copies of secrets where the containers read them. Files that are no longer rendered go;
        older copies stay."""
        files = target.files
        state_folder(self._state)
        top = folder(self.path, 0o711)
        for name, text in files.items():
            _write(top, name, self._addressed(name, text, running))
        for file in [one for one in top.rglob("*") if one.is_file()]:
            name = str(file.relative_to(top))
            if name not in files and not name.startswith(f"{SECRETS}/"):
                file.unlink()
        self._write_copies(target.copies)

    def clear(self, target: Target) -> None:
        """Remove the copies of secrets that the target does not read."""
        self._remove_copies(target.copies)

    def _digest(self, name: str) -> str:
        return hmac.new(self._key, self._secret(name).encode(), "sha256").hexdigest()[:12]

    def _differs(self, name: str, text: str, running: Running) -> bool:
        there = _text(self.path / name)
        return there is None or bool(yaml.safe_load(there) != yaml.safe_load(self._addressed(name, text, running)))

    def _addressed(self, name: str, text: str, running: Running) -> str:
        if name not in _watched({name: text}):
            return text
        document = yaml.safe_load(text) or {}
        addressed = redirected(document, running.serving, self._project)
        return text if addressed == document else yaml_text(addressed)


def digests(files: Mapping[str, str], project: str) -> dict[str, str]:
    """A digest of each file of a release, in which neither our labels nor the numbers of containers count: both change
    with a rotation or a rollout that brings nothing new."""
    container = re.compile(rf"\b({re.escape(project)}-[a-z0-9_]+)-\d+\b")
    plain = {
        name: container.sub(r"\1", text) if name in _watched({name: text}) else text for name, text in files.items()
    }
    plain[COMPOSE] = yaml_text(unstamped(yaml.safe_load(files[COMPOSE])))
    return {name: digest(text) for name, text in sorted(plain.items())}


def services_of(files: Mapping[str, str]) -> Mapping[str, Mapping[str, Any]]:
    """The services of the Compose file among rendered files; none when there is none."""
    if COMPOSE not in files:
        return {}
    found: Mapping[str, Mapping[str, Any]] = yaml.safe_load(files[COMPOSE])["services"]
    return found


def _watched(files: Mapping[str, str]) -> list[str]:
    return [name for name in files if name.startswith(tuple(f"{one}/" for one in WATCHED))]


def _text(file: Path) -> str | None:
    try:
        return file.read_text("utf-8")
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
        return None


def _write(top: Path, name: str, text: str) -> None:
    """Write a file in one step. Containers' users read it, so others may; secrets are not among these files."""
    file = top / name
    file.parent.mkdir(parents=True, exist_ok=True)
    for parent in file.relative_to(top).parents[:-1]:
        (top / parent).chmod(0o755)  # mkdir's mode is cut by the umask
    top.chmod(0o711)
    if file.is_file() and file.read_text("utf-8") == text:
        return  # the same inode stays, which a container may have mounted
    try:
        write_whole(file, text, 0o755 if file.suffix == ".sh" else 0o644)
    except OSError as refused:
        raise HouseError(f"{file} cannot be written: {refused.strerror}.") from refused
