"""The live windows in memory: the twin of the Valkey store, for tests and for one process without Valkey.

Nothing is blended here: what a subject holds is summed over the records of its live holds each time it is asked.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from maitre.billing.row import Totals
from maitre.quota.reservation import (
    BACKGROUND,
    TASKS_PER_REQUEST,
    Answer,
    Ask,
    Denied,
    Granted,
    Limit,
    Reading,
    Unloaded,
    near,
    room,
    standing,
)
from maitre.quota.store import Live
from maitre.quota.subject import Subject
from maitre.quota.window import MINUTE, SECOND, frees_at, is_total, seconds_of

#: So many counters by the second are kept before old ones are looked for.
MOST_SECONDS = 256


@dataclass(slots=True)
class _Record:
    """A hold. `lives` are its subjects, each with the life of it in which this store decided, or None where the
    ledger said so."""

    tokens: int
    money: int
    completion: int
    counted: bool
    later: bool
    kind: str
    turn: str
    account: Subject
    expires: datetime
    lives: dict[Subject, int | None]

    def held(self, resource: str) -> int:
        """How much of a resource it holds. Background work is no call: see `room`."""
        return {"tokens": self.tokens, "money": self.money, "calls": int(self.kind not in BACKGROUND)}.get(resource, 0)


@dataclass(slots=True)
class _Loaded:
    """A loaded subject. `life` is the generation that it was loaded at."""

    life: int
    day: str
    fields: Counter[str]
    minute: list[tuple[datetime, str]]  # sorted by time
    turns: Counter[str]
    holds: set[str]
    ever: bool

    def recent(self, now: datetime) -> list[datetime]:
        """When the counted requests of the last minute came. Those of the next one count, too: clocks differ a little,
        and whoever confirms a hold asks as of when it was taken. Later ones are from before the clock was set back."""
        return [at for at, _ in self.minute if now - MINUTE <= at <= now + MINUTE]

    def forget_old_seconds(self) -> None:
        """Drop tokens of more than two minutes ago, when there are many."""
        if len(self.fields) > MOST_SECONDS:
            seconds = {name: int(name.removeprefix(SECOND)) for name in self.fields if name.startswith(SECOND)}
            newest = max(seconds.values(), default=0)
            for name, second in seconds.items():
                if second < newest - 120:
                    del self.fields[name]


@dataclass(slots=True)
class _Diary:
    """Which holds of an unloaded subject ended since somebody began to load it: when (as a generation), and what was
    added, or which counters of requests are undone."""

    begun: int
    last: int
    ended: dict[str, tuple[int, Mapping[str, int] | tuple[str, ...]]]


class MemoryQuotaStore:
    """A QuotaStore in dictionaries."""

    def __init__(self) -> None:
        self._loaded: dict[Subject, _Loaded] = {}
        self._records: dict[str, _Record] = {}
        self._generations: dict[Subject, int] = {}
        self._diaries: dict[Subject, _Diary] = {}
        self._events = self._epoch = 1

    async def reserve(self, ask: Ask) -> Answer:
        record = self._records.get(ask.hold_id)
        if record is None or not all(self._decided(record, subject) for subject in ask.subjects):
            for subject in ask.subjects:
                loaded = self._loaded.get(subject)
                total = any(one.subject == subject and is_total(one.field) for one in ask.limits)
                lacking = loaded is not None and total and not loaded.ever
                if loaded and (loaded.day != ask.periods.day or lacking or self._expired(loaded, ask.now)):
                    self._unload(subject)
            missing = tuple(subject for subject in ask.subjects if subject not in self._loaded)
            if missing:
                return Unloaded(missing)
            self._undo(ask.hold_id, ask.periods.fields("requests"))
            verdict = self._decide(ask)
            if isinstance(verdict, Denied):
                return verdict
            record = verdict
        readings = [self._reading(ask, limit, record.counted) for limit in ask.limits]
        nearly_full = [n for n, limit in enumerate(ask.limits) if near(limit, readings[n])]
        return Granted(record.counted, record.later, record.completion, tuple(nearly_full))

    async def knows(self, hold_id: str, subjects: tuple[Subject, ...]) -> bool:
        record = self._records.get(hold_id)
        return record is not None and all(self._decided(record, subject) for subject in subjects)

    def _decided(self, record: _Record, subject: Subject) -> bool:
        loaded = self._loaded.get(subject)
        return loaded is not None and record.lives.get(subject) == loaded.life

    def _decide(self, ask: Ask) -> _Record | Denied:
        requests, tasks = ask.periods.fields("requests"), ask.periods.fields("tasks")[0]
        account = self._loaded[ask.account]
        counted, later = ask.stands or standing(
            ask.kind, account.fields[requests[0]], account.fields[tasks], account.turns[ask.turn_id]
        )
        completion = ask.completion_tokens
        for limit in ask.limits:
            most = room(ask, limit, self._reading(ask, limit, counted), counted)
            if most is None:
                return Denied(counted, tuple(self._reading(ask, one, counted) for one in ask.limits))
            completion = min(completion, most)

        record = self._records[ask.hold_id] = _Record(
            tokens=ask.prompt_tokens + completion,
            money=ask.money(completion),
            completion=completion,
            counted=counted,
            later=later,
            kind=ask.kind,
            turn=ask.turn_id,
            account=ask.account,
            expires=ask.expires_at,
            lives={subject: self._loaded[subject].life for subject in ask.subjects},
        )
        for subject in ask.subjects:
            loaded = self._loaded[subject]
            loaded.holds.add(ask.hold_id)
            if counted:
                loaded.fields.update(requests)
                # What left the minute is kept for another one: requests of several processes come out of order.
                loaded.minute = [one for one in loaded.minute if one[0] >= ask.now - 2 * MINUTE]
                insort(loaded.minute, (ask.now, ask.hold_id))
        if ask.kind == "task":
            # A task that counts as a request uses up the tasks which that request would bring along.
            account.fields[tasks] += TASKS_PER_REQUEST if counted else 1
        if ask.kind == "turn":
            account.turns[ask.turn_id] += 1
        return record

    def _reading(self, ask: Ask, limit: Limit, counted: bool) -> Reading:
        loaded = self._loaded[limit.subject]
        if limit.window.span != "minute":
            return Reading(loaded.fields[limit.field], self._held(loaded, limit.window.resource))
        if limit.window.resource == "tokens":
            seconds = seconds_of(loaded.fields, ask.now)
            used = sum(tokens for _, tokens in seconds)
            over = used + ask.prompt_tokens + ask.least_tokens - limit.limit
            leaves = frees_at(seconds, over, ask.now) if over > 0 else None
            return Reading(used, self._held(loaded, "tokens"), leaves)
        recent = loaded.recent(ask.now)
        over = len(recent) - limit.limit
        if not counted or over < 0:
            return Reading(len(recent), 0)
        return Reading(len(recent), 0, (recent[over] if over < len(recent) else ask.now) + MINUTE)

    def _expired(self, loaded: _Loaded, now: datetime) -> bool:
        return any(self._records[hold].expires < now for hold in loaded.holds)

    def _held(self, loaded: _Loaded, resource: str) -> int:
        return sum(self._records[hold].held(resource) for hold in loaded.holds)

    async def settle(self, hold_id: str, subjects: tuple[Subject, ...], spent: Mapping[str, int]) -> bool:
        record = self._records.pop(hold_id, None)
        done = False
        for subject in dict.fromkeys([*(record.lives if record else ()), *subjects]):
            loaded = self._loaded.get(subject)
            if record and loaded and hold_id in loaded.holds:
                loaded.holds.remove(hold_id)
                loaded.fields.update(spent)
                loaded.forget_old_seconds()
                done = True
            elif loaded:
                self._unload(subject)
            else:
                self._note(subject, hold_id, dict(spent))
        return done

    async def release(self, hold_id: str, subjects: tuple[Subject, ...], requests: tuple[str, ...]) -> bool:
        record = self._records.get(hold_id)
        for subject in dict.fromkeys([*(record.lives if record else ()), *subjects]):
            if subject not in self._loaded:
                self._note(subject, hold_id, requests)
        return self._undo(hold_id, requests)

    def _undo(self, hold_id: str, requests: tuple[str, ...]) -> bool:
        record = self._records.pop(hold_id, None)
        done = False
        for subject in record.lives if record else ():
            loaded = self._loaded.get(subject)
            if record is None or loaded is None or hold_id not in loaded.holds:
                continue
            loaded.holds.remove(hold_id)
            done = True
            if record.counted:
                loaded.fields.subtract(requests)
                loaded.minute = [one for one in loaded.minute if one[1] != hold_id]
            if subject == record.account and record.kind == "task":
                tasks = requests[0].replace("requests", "tasks", 1)
                loaded.fields[tasks] -= TASKS_PER_REQUEST if record.counted else 1
            if subject == record.account and record.kind in ("turn", "tool") and loaded.turns[record.turn] > 0:
                loaded.turns[record.turn] -= 1
        return done

    async def beat(self, holds: Iterable[str], expires_at: datetime) -> None:
        for hold_id in holds:
            record = self._records.get(hold_id)
            if record is not None:
                record.expires = max(record.expires, expires_at)

    def _note(self, subject: Subject, hold_id: str, end: Mapping[str, int] | tuple[str, ...]) -> None:
        diary = self._diaries.get(subject)
        if diary is None or diary.last != self._generation(subject) or hold_id in diary.ended:
            self._unload(subject)
            return
        self._events += 1
        self._generations[subject] = diary.last = self._events
        diary.ended[hold_id] = (self._events, end)

    async def generation(self, subject: Subject) -> int:
        seen = self._generation(subject)
        diary = self._diaries.get(subject)
        if subject not in self._loaded and (diary is None or diary.last != seen):
            self._diaries[subject] = _Diary(seen, seen, {})
        return seen

    def _generation(self, subject: Subject) -> int:
        return max(self._epoch, self._generations.get(subject, 0))

    def _ended(
        self, subject: Subject, generation: int
    ) -> Mapping[str, tuple[int, Mapping[str, int] | tuple[str, ...]]] | None:
        """Which holds ended since; None when anything else happened."""
        seen, diary = self._generation(subject), self._diaries.get(subject)
        if seen == generation:
            return {}
        if diary is None or diary.last != seen or diary.begun > generation:
            return None
        return {hold_id: end for hold_id, end in diary.ended.items() if end[0] > generation}

    async def load(self, subject: Subject, day: str, totals: Totals, generation: int) -> bool:
        ended = self._ended(subject, generation)
        # One that was not open in the ledger may be in its sums already, or not yet.
        if subject in self._loaded or ended is None or not ended.keys() <= totals.holds.keys():
            return False
        self._loaded[subject] = _Loaded(
            life=generation,
            day=day,
            fields=Counter(totals.fields),
            minute=sorted((at, hold_id) for hold_id, at in totals.recent.items()),
            turns=Counter(totals.turns),
            holds=set(totals.holds),
            ever=totals.ever,
        )
        for hold_id, hold in totals.holds.items():
            record = self._records.setdefault(
                hold_id,
                _Record(
                    tokens=hold.prompt_tokens + hold.completion_tokens,
                    money=hold.money,
                    completion=hold.completion_tokens,
                    counted=hold.counted,
                    later=hold.kind == "tool",
                    kind=hold.kind,
                    turn=hold.turn_id,
                    account=hold.subjects[0],
                    expires=hold.expires_at,
                    lives={},
                ),
            )
            record.expires = max(record.expires, hold.expires_at)
            record.lives[subject] = None
        for hold_id, (_, end) in ended.items():
            if isinstance(end, tuple):
                self._undo(hold_id, end)
            else:
                self._loaded[subject].holds.remove(hold_id)
                self._loaded[subject].fields.update(end)
                del self._records[hold_id]
        self._diaries.pop(subject, None)
        return True

    async def unload(self, subjects: Iterable[Subject] | None = None) -> int:
        if subjects is None:
            count = len(self._loaded)
            self._loaded.clear()
            self._events += 1
            self._epoch = self._events
            return count
        return sum([self._unload(subject) for subject in subjects])

    def _unload(self, subject: Subject) -> bool:
        self._events += 1
        self._generations[subject] = self._events
        self._diaries.pop(subject, None)
        return self._loaded.pop(subject, None) is not None

    async def live(self, subject: Subject, now: datetime) -> Live | None:
        loaded = self._loaded.get(subject)
        if loaded is None or self._expired(loaded, now):
            return None
        recent, seconds = loaded.recent(now), seconds_of(loaded.fields, now)
        return Live(
            fields={
                name: amount
                for name, amount in loaded.fields.items()
                if amount and (loaded.ever or not is_total(name)) and not name.startswith(SECOND)
            },
            minute=len(recent),
            minute_frees_at=recent[0] + MINUTE if recent else None,
            held={resource: self._held(loaded, resource) for resource in ("tokens", "money", "calls")},
            minute_tokens=sum(tokens for _, tokens in seconds),
            minute_tokens_free_at=frees_at(seconds, 1, now) if seconds else None,
        )
