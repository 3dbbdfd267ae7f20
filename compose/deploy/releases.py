"""What a release is, and how the earlier ones say where the house stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, Protocol

from compose.render.secret_copy import Copy

#: begun: without an end, it was cut off; undone: rolled back by itself; stopped: by the operator, between two steps.
Outcome = Literal["begun", "done", "undone", "failed", "stopped"]

#: So many releases that ended well are kept, and all that are newer than the first of them.
KEPT = 10


@dataclass(frozen=True, slots=True)
class Release:
    """One deploy. `images` by service; `digests` by rendered file, of what a deploy does not make different by itself;
    `jobs` with the `mark` that they last ran by, empty for one that has begun and did not end well; `migrations`: those
    that it or the ones before it have applied."""

    id: str
    who: str
    at: str  # when it began, UTC
    what: str  # deploy, or rollback to RELEASE
    images: Mapping[str, str] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    jobs: Mapping[str, str] = field(default_factory=dict)
    migrations: tuple[str, ...] = ()
    outcome: Outcome = "begun"
    reached: tuple[str, ...] = ()  # the steps that ended well
    ended: str | None = None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a release brings: the rendered files by their path, and the services' copies of their secrets by theirs."""

    files: Mapping[str, str]
    copies: Mapping[str, Copy]


class Releases(Protocol):
    """The releases of a house, on its disk."""

    def all(self) -> tuple[Release, ...]:
        """Every release that is kept, the oldest first. Raises HouseError when one cannot be read."""
        ...

    def current(self) -> str | None:
        """The id of the release that runs; None before the first."""
        ...

    def contents(self, id: str) -> Contents:
        """What a release brought. Raises HouseError when it is not kept."""
        ...

    def begin(self, release: Release, contents: Contents) -> None:
        """Keep a release with what it brings before anything changes."""
        ...

    def note(self, release: Release) -> None:
        """Write down how far it is, or how it ended; one that is `done` becomes the current one."""
        ...


def release_id(now: datetime, digit: str) -> str:
    """An id that sorts by time: 2026-11-21T20-40-05-4f1a2b, whose last digits are the microseconds and a random
    hexadecimal `digit`."""
    return f"{now.astimezone(UTC):%Y-%m-%dT%H-%M-%S}-{now.microsecond:05x}{digit}"


def unfinished(releases: Sequence[Release]) -> Release | None:
    """The newest release when it was cut off or stopped in the middle."""
    last = releases[-1] if releases else None
    return last if last and last.outcome in ("begun", "stopped", "failed") else None


def sentence(release: Release) -> str:
    """Where an unfinished release stopped."""
    at = f"after “{release.reached[-1]}”" if release.reached else "before its first step had ended"
    how = {"begun": "was cut off", "stopped": "was stopped", "failed": "failed"}[release.outcome]
    return f"The {release.what} {release.id} of {release.who} {how} {at}."


def finishing(release: Release) -> str:
    """The command that finishes an unfinished release: a rollback is finished by going to the same release again."""
    verb, _, id = release.what.partition(" to ")
    return f"cli rollback {id}" if verb == "rollback" else "cli deploy"


def previous(releases: Sequence[Release], current: str | None) -> Release | None:
    """The last release that ended well before the current one and brought something else: one of a secret's rotation
    brings what was there before."""
    now = next((one.digests for one in releases if one.id == current), {})
    earlier = [one for one in releases if one.outcome == "done" and (current is None or one.id < current)]
    return next((one for one in reversed(earlier) if not now or one.digests != now), None)


def applied(releases: Sequence[Release], current: str | None) -> tuple[str, ...]:
    """The migrations that the current release, or one before it, has applied."""
    return next((one.migrations for one in releases if one.id == current), ())


def expired(releases: Sequence[Release], current: str | None) -> tuple[str, ...]:
    """The ids of the releases that need not be kept: those before the last KEPT that ended well."""
    kept = [number for number, one in enumerate(releases) if one.outcome == "done"][-KEPT:]
    return tuple(one.id for one in releases[: kept[0] if kept else 0] if one.id != current)
