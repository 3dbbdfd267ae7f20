"""The journal of calls that Postgres missed, as lines: how one is written, read, and what a run of them comes to.

A line is JSON: the version of this format, the checksum of the entry's text, the entry. A line that a crash cut
off, that a disk spoilt, or that another version wrote, is known by that, and is never taken for something else.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from maitre.billing.row import Call, Settlement, Words

VERSION = 1


@dataclass(frozen=True, slots=True)
class Opened:
    """The call was admitted."""

    call: Call


@dataclass(frozen=True, slots=True)
class Beaten:
    """The calls live on; so much of each was relayed."""

    relayed: Mapping[str, int | None]
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Settled:
    """The call ended. The call is told once more, so that the line needs no other one."""

    call: Call
    settlement: Settlement
    words: Words | None


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """The call was never made."""

    request_id: str


Entry = Opened | Beaten | Settled | Withdrawn


@dataclass(slots=True)
class Fate:
    """All that a journal says about one call."""

    request_id: str
    call: Call | None = None
    relayed: int | None = None
    expires_at: datetime | None = None
    settled: Settled | None = None
    withdrawn: bool = False
    lines: list[bytes] = field(default_factory=list)


def line(entry: Entry) -> bytes:
    """The entry as a line."""
    match entry:
        case Opened(call):
            told: list[Any] = ["opened", _plain(call)]
        case Beaten(relayed, expires_at):
            told = ["beaten", dict(relayed), expires_at.isoformat()]
        case Settled(call, settlement, words):
            told = ["settled", _plain(call), _plain(settlement), None if words is None else _plain(words)]
        case Withdrawn(request_id):
            told = ["withdrawn", request_id]
    text = json.dumps(told, separators=(",", ":")).encode("ascii")
    return b'[%d,"%08x",%s]\n' % (VERSION, zlib.crc32(text), text)


def entry(written: bytes) -> Entry | None:
    """The entry of a line, its end included; None when it is not one that `line` wrote."""
    head, quote, rest = written.partition(b'",')
    text = rest.removesuffix(b"]\n")
    if not quote or text == rest or head != b'[%d,"%08x' % (VERSION, zlib.crc32(text)):
        return None
    try:
        return _entry(json.loads(text))
    except (ValueError, TypeError, KeyError):
        return None


def _entry(told: Any) -> Entry | None:
    match told:
        case ["opened", call]:
            return Opened(Call(**_moments(call, "at", "expires_at")))
        case ["beaten", relayed, expires_at]:
            return Beaten(relayed, datetime.fromisoformat(expires_at))
        case ["settled", call, settlement, words]:
            return Settled(
                Call(**_moments(call, "at", "expires_at")),
                Settlement(**_moments(settlement, "ended_at")),
                None if words is None else Words(**_moments(words, "delete_at")),
            )
        case ["withdrawn", request_id]:
            return Withdrawn(request_id)
    return None


def read(data: bytes) -> tuple[list[Fate], list[bytes]]:
    """What a run of lines says about each of its calls, in the order in which they are first named; and the lines
    that cannot be read."""
    fates: dict[str, Fate] = {}
    spoilt: list[bytes] = []
    for written in data.splitlines(keepends=True):
        found = entry(written)
        if found is None:
            spoilt.append(written)
        else:
            _tell(fates, found, written)
    return list(fates.values()), spoilt


def _tell(fates: dict[str, Fate], found: Entry, written: bytes) -> None:
    def fate(request_id: str) -> Fate:
        return fates.setdefault(request_id, Fate(request_id))

    match found:
        case Opened(call):
            known = fate(call.request_id)
            known.call = known.call or call
            known.lines.append(written)
        case Beaten(relayed, expires_at):
            for id, tokens in relayed.items():
                known = fate(id)
                known.relayed = max((n for n in (known.relayed, tokens) if n is not None), default=None)
                known.expires_at = max(known.expires_at or expires_at, expires_at)
        case Settled(call):
            known = fate(call.request_id)
            known.call = known.call or call
            known.settled = known.settled or found
            known.lines.append(written)
        case Withdrawn(request_id):
            fate(request_id).withdrawn = True


def opening(fate: Fate) -> tuple[Call, int] | None:
    """The row to write for the call, and what was relayed already; None when there is none to write: its line was
    read before, or the call was never made."""
    if fate.call is None or fate.withdrawn:
        return None
    expires_at = max(fate.call.expires_at, fate.expires_at or fate.call.expires_at)
    return replace(fate.call, expires_at=expires_at), fate.relayed or 0


def beats(fates: Iterable[Fate]) -> dict[datetime, dict[str, int | None]]:
    """Until when the calls that are not over live, and what each has relayed."""
    found: dict[datetime, dict[str, int | None]] = {}
    for fate in fates:
        if fate.expires_at is not None and fate.settled is None and not fate.withdrawn:
            found.setdefault(fate.expires_at, {})[fate.request_id] = fate.relayed
    return found


def _plain(value: Call | Settlement | Words) -> dict[str, Any]:
    parts = {name: getattr(value, name) for name in value.__slots__}
    return {name: part.isoformat() if isinstance(part, datetime) else part for name, part in parts.items()}


def _moments(value: dict[str, Any], *names: str) -> dict[str, Any]:
    return {**value, **{name: datetime.fromisoformat(value[name]) for name in names}}
