"""The live windows, behind a Protocol: Valkey's in a house, the in-memory twin's in tests. One contract suite
(`tests/contract/test_quota_store.py`) holds both to the same behaviour.

Everything in a store can be rebuilt from the ledger. Per subject it keeps counters by period, the times of the last
minute's requests, and which holds are live; an account also how many calls each recent turn has made. Each hold is a
record of its own with an expiry. A subject is *unloaded* when the store has never seen it, has lost it, last loaded it
on another day, finds a hold that outlived its expiry, or is asked for a total that it was loaded without: then
`reserve` says so, and `maitre.quota.admission` loads it from the ledger.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from maitre.billing.row import Totals
from maitre.quota.reservation import Answer, Ask
from maitre.quota.subject import Subject


@dataclass(frozen=True, slots=True)
class Live:
    """What a subject has used and holds right now, for `cli quota explain`. `held` is by resource."""

    fields: Mapping[str, int]
    minute: int
    minute_frees_at: datetime | None  # when the oldest request of the last minute leaves it
    held: Mapping[str, int]
    minute_tokens: int = 0  # of calls that began in the last minute
    minute_tokens_free_at: datetime | None = None  # when the oldest of them leave it


class QuotaStore(Protocol):
    """The live windows of all subjects."""

    async def reserve(self, ask: Ask) -> Answer:
        """Check every window of every subject at once and take the hold, or change nothing.

        Twice with one hold id is once, as long as no subject was unloaded since. Otherwise what is left of the hold,
        or what the ledger put back of it, is removed, and it is decided anew: so a caller confirms a hold after its
        row was written.
        """

    async def knows(self, hold_id: str, subjects: tuple[Subject, ...]) -> bool:
        """Whether none of these subjects was unloaded since the hold was taken: `reserve` would then only grant it once
        more. It costs far less to ask."""

    async def settle(self, hold_id: str, subjects: tuple[Subject, ...], spent: Mapping[str, int]) -> bool:
        """Replace the hold by what was used, added to the named counters of its subjects; whether one of them knew it.

        `subjects` are all to whom the call belongs (Call.subjects). Those that do not know the hold are unloaded, so
        that the ledger decides, in which the row is closed before this is called. Only the first call adds anything.
        """

    async def release(self, hold_id: str, subjects: tuple[Subject, ...], requests: tuple[str, ...]) -> bool:
        """Undo a reservation whose upstream call was never made: the hold, the request or task, the turn's call.

        Its row is withdrawn before this is called. `requests` are the counters of requests, the day's first.
        `subjects` that are unloaded hear of it, so that a load which began before is not believed.
        """

    async def beat(self, holds: Iterable[str], expires_at: datetime) -> None:
        """Let these holds live until then, at least. Those that the store does not know are passed over."""

    async def generation(self, subject: Subject) -> int:
        """A number that changes whenever something happened to an unloaded subject, and that never comes again. Who
        asks is about to read the ledger: until the load the store remembers which holds of the subject end."""

    async def load(self, subject: Subject, day: str, totals: Totals, generation: int) -> bool:
        """Load an unloaded subject, unless its generation changed since, before the ledger was read.

        If nothing happened but that holds were settled or released which the totals still have, that is done to them
        once more: a busy subject would never be loaded otherwise. Any other hold's end may be in the totals or not.
        """

    async def unload(self, subjects: Iterable[Subject] | None = None) -> int:
        """Forget these subjects, or all; each is loaded from the ledger when it is next asked for. How many."""

    async def live(self, subject: Subject, now: datetime) -> Live | None:
        """What the subject has used and holds, or None when it is unloaded or a hold of it has expired."""
