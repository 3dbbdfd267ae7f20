"""The releases on the house's disk: `.maitre/releases/<id>/` with the rendered files, `release.json`, and which
copies of secrets its services read (`copies.json`; no values)."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path

from compose.deploy.releases import Contents, Release, expired
from compose.render.secret_copy import Copy
from devstack.places import folder, state_folder, write_private
from maitre.errors import HouseError
from provisioning.durable import rename_whole

_RECORD = "release.json"
_COPIES = "copies.json"
_FILES = "stack"


class Journal:
    """The releases of one house. Implements `compose.deploy.releases.Releases`."""

    def __init__(self, state: Path) -> None:
        self.folder = state / "releases"
        self._state = state

    def all(self) -> tuple[Release, ...]:
        """Every release that is kept, the oldest first."""
        return tuple(_read(record) for record in sorted(self.folder.glob(f"[0-9]*/{_RECORD}")))

    def current(self) -> str | None:
        """The id of the release that runs."""
        try:
            return (self.folder / "current").read_text("utf-8").strip() or None
        except FileNotFoundError:
            return None

    def path(self, id: str) -> Path:
        """Where the rendered files of a release are kept."""
        return self.folder / id / _FILES

    def files(self, id: str) -> dict[str, str]:
        """The rendered files of a release, by their path."""
        top = self.path(id)
        if not top.is_dir():
            kept = ", ".join(one.id for one in self.all()) or "none"
            raise HouseError(f"There is no release “{id}” (kept: {kept}).")
        return {
            str(file.relative_to(top)): file.read_text("utf-8") for file in sorted(top.rglob("*")) if file.is_file()
        }

    def contents(self, id: str) -> Contents:
        """What a release brought."""
        return Contents(self.files(id), _copies(self.folder / id / _COPIES))

    def begin(self, release: Release, contents: Contents) -> None:
        """Keep a release with what it brings: written aside, then renamed, so that it is there whole or not at all."""
        state_folder(self._state)
        aside = folder(self.folder) / f".{release.id}"
        shutil.rmtree(aside, ignore_errors=True)
        for name, text in contents.files.items():
            file = aside / _FILES / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")
        folder(aside)
        copies = {path: asdict(copy) for path, copy in contents.copies.items()}
        write_private(aside / _COPIES, json.dumps(copies, indent=2) + "\n")
        write_private(aside / _RECORD, json.dumps(asdict(release), indent=2) + "\n")
        rename_whole(aside, self.folder / release.id)

    def note(self, release: Release) -> None:
        """Write down how far a release is, or how it ended."""
        write_private(self.folder / release.id / _RECORD, json.dumps(asdict(release), indent=2) + "\n")
        if release.outcome == "done":
            write_private(self.folder / "current", release.id + "\n")
            for id in expired(self.all(), release.id):
                shutil.rmtree(self.folder / id)

    def forget(self) -> None:
        """No release runs any more; the record of the earlier ones stays."""
        (self.folder / "current").unlink(missing_ok=True)


def _copies(table: Path) -> dict[str, Copy]:
    try:
        return {path: Copy(**told) for path, told in json.loads(table.read_text("utf-8")).items()}
    except (OSError, ValueError, AttributeError, TypeError) as spoilt:
        raise HouseError(f"{table} cannot be read ({spoilt}); go back to another release.") from spoilt


def _read(record: Path) -> Release:
    try:
        told = json.loads(record.read_text("utf-8"))
        return Release(**{**told, "reached": tuple(told["reached"]), "migrations": tuple(told["migrations"])})
    except (OSError, ValueError, KeyError, TypeError) as spoilt:
        raise HouseError(f"{record} cannot be read ({spoilt}); move its folder away, then deploy again.") from spoilt
