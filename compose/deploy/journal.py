"""The releases on the house's disk: `.maitre/releases/<id>/` with the rendered files, `release.json`, and which
copies of secrets its services read (`copies.json`; no values).

The file `current` names the release that runs, and moving it is the one write that ends a deploy well: before it the
older release is the current one and the new one is unfinished, after it the new one is current and done, whatever its
own record says yet. So a crash at any point leaves one answer, and the clock, which ids are made of, has no part in it.
What comes after (the record, expired releases) cannot make a deploy fail that has ended well: the log says what did not
succeed, and the next deploy tries it again.
"""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import asdict, replace
from pathlib import Path

from compose.deploy.releases import Contents, Release, expired, unfinished
from compose.render.secret_copy import Copy
from devstack.places import folder, state_folder, write_private
from maitre.errors import HouseError
from provisioning.durable import rename_whole

log = logging.getLogger(__name__)

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
        every = [_read(record) for record in self._records()]
        if not any(one.outcome == "begun" for one in every):
            return tuple(every)
        current = self.current()
        return tuple(
            replace(one, outcome="done") if (one.id, one.outcome) == (current, "begun") else one for one in every
        )

    def current(self) -> str | None:
        """The id of the release that runs; None before the first and after `forget`. Raises HouseError when the file
        `current` is there and does not tell: that is no house without a release."""
        try:
            named = self._pointer.read_text("utf-8").strip("\0 \n")  # a power loss leaves zeros
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as spoilt:
            raise HouseError(f"{self._pointer} cannot be read ({spoilt}). {self._mended()}") from spoilt
        kept = self._kept()
        if not named or (kept and named not in kept):
            what = f"names the release “{named}”, which is not kept" if named else "is empty"
            raise HouseError(f"{self._pointer} {what}. {self._mended()}")
        return named

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
        """Write down how far a release is, or how it ended. Raises OSError; one that is `done` has then not become the
        current one."""
        if release.outcome != "done":
            self._record(release)
            return
        self._point(release.id)
        try:
            self._record(release)
            self._expire(release.id)
        except (OSError, HouseError) as fault:
            log.warning("Release %s runs, but its journal could not be put in order: %s", release.id, fault)

    def forget(self) -> None:
        """No release runs any more, not half of one either; the record of the earlier ones stays."""
        if cut := unfinished(self.all()):
            self._record(replace(cut, outcome="undone"))
        self._pointer.unlink(missing_ok=True)

    @property
    def _pointer(self) -> Path:
        return self.folder / "current"

    def _records(self) -> list[Path]:
        return sorted(self.folder.glob(f"[0-9]*/{_RECORD}"))

    def _kept(self) -> list[str]:
        return [record.parent.name for record in self._records()]

    def _record(self, release: Release) -> None:
        write_private(self.folder / release.id / _RECORD, json.dumps(asdict(release), indent=2) + "\n")

    def _point(self, id: str) -> None:
        before = self.current()
        try:
            write_private(self._pointer, id + "\n")
        except OSError:
            # It may have its name, and only the folder not have come to the disk. The house goes back, so it does too.
            if before is None:
                self._pointer.unlink(missing_ok=True)
            elif self.current() != before:
                self._pointer.write_text(before + "\n", "utf-8")
            raise

    def _expire(self, current: str) -> None:
        # Half a release is none: it loses its name first.
        for id in expired(self.all(), current):
            (self.folder / id).rename(self.folder / f".{id}")
        for left in self.folder.glob(".[0-9]*"):
            shutil.rmtree(left)

    def _mended(self) -> str:
        well = [one.id for one in map(_read, self._records()) if one.outcome == "done"]
        if not well:
            return "No release that is kept has ended well; if none runs, remove that file."
        return (
            f"`echo {well[-1]} > {self._pointer}` mends it, if that release runs: it is the last one that ended well."
        )


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
