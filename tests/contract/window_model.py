"""The live windows once more, in the simplest way: each subject is the list of what happened to it, and everything
that a store knows is a sum over that list."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from maitre.billing.row import Hold, Totals
from maitre.quota.reservation import Answer, Ask, Denied, Granted, Limit, Reading, Unloaded, near, room, standing
from maitre.quota.store import Live
from maitre.quota.subject import Subject

MINUTE = timedelta(seconds=60)


@dataclass(frozen=True)
class Taken:
    """A call as it was granted."""

    ask: Ask
    granted: Granted

    @property
    def hold(self) -> Hold:
        """As a row of the ledger would tell it."""
        ask, granted = self.ask, self.granted
        return Hold(
            ask.prompt_tokens,
            granted.completion_tokens,
            ask.money(granted.completion_tokens),
            ask.expires_at,
            granted.counted,
            "tool" if granted.later else ask.kind,
            ask.turn_id,
            ask.subjects,
        )

    def counters(self, sign: int = 1) -> dict[str, int]:
        """What it counts in every subject's windows."""
        return {name: sign for name in self.ask.periods.fields("requests") if self.granted.counted}

    def tasks(self, sign: int = 1) -> dict[str, int]:
        """What it counts in its account's windows only."""
        tasks = self.ask.periods.fields("tasks")[0]
        return {tasks: sign * (4 if self.granted.counted else 1)} if self.ask.kind == "task" else {}


@dataclass
class Story:
    """What happened to a subject since it was loaded."""

    subject: Subject
    day: str
    loaded: Totals
    happened: list[tuple[str, Taken, Mapping[str, int]]] = field(default_factory=list)  # take | end | undo

    def used(self) -> Counter[str]:
        """All counters."""
        total = Counter(self.loaded.fields)
        for _, _, counters in self.happened:
            total.update(counters)
        return total

    def lacks(self, ask: Ask) -> bool:
        """Whether it does not know a total that the call is limited by."""
        totals = {limit.subject for limit in ask.limits if limit.window.span == "total"}
        return self.subject in totals and not self.loaded.ever

    def undone(self, taken: Taken) -> dict[str, int]:
        """What undoing a call takes back here."""
        return {**taken.counters(-1), **(taken.tasks(-1) if self.subject == taken.ask.account else {})}

    def holds(self) -> dict[str, Hold]:
        """Those that were put back or taken and have not ended, as they were then."""
        found = dict(self.loaded.holds)
        for what, taken, _ in self.happened:
            if what == "take":
                found[taken.ask.hold_id] = taken.hold
            else:
                found.pop(taken.ask.hold_id, None)
        return found

    def decided(self, hold_id: str) -> bool:
        """Whether the hold was taken here, and not put back from the ledger."""
        last = [what for what, taken, _ in self.happened if taken.ask.hold_id == hold_id]
        return bool(last) and last[-1] == "take"

    def recent(self, now: datetime) -> list[datetime]:
        """The counted requests of the last minute."""
        found = dict(self.loaded.recent)
        for what, taken, _ in self.happened:
            if what == "take" and taken.granted.counted:
                found[taken.ask.hold_id] = taken.ask.now
            elif what == "undo" and taken.granted.counted:
                found.pop(taken.ask.hold_id, None)
        return sorted(at for at in found.values() if at >= now - MINUTE)

    def seconds(self, now: datetime) -> list[tuple[int, int]]:
        """The tokens of the last minute and the next one, by the second in which their calls began."""
        first = math.floor(now.timestamp() - 60)
        prefix = "tokens:second:"
        found = {int(name[len(prefix) :]): n for name, n in self.used().items() if name.startswith(prefix) and n}
        return sorted((second, n) for second, n in found.items() if 0 <= second - first <= 120)

    def calls(self, turn: str) -> int:
        """Of a turn."""
        count = self.loaded.turns.get(turn, 0)
        for what, taken, _ in self.happened:
            if taken.ask.turn_id == turn and taken.ask.kind == "turn" and what != "end":
                count = count + 1 if what == "take" else max(0, count - 1)
        return count

    def held(self, resource: str) -> int:
        """How much of a resource."""
        holds = self.holds().values()
        return {
            "tokens": sum(hold.prompt_tokens + hold.completion_tokens for hold in holds),
            "money": sum(hold.money for hold in holds),
            "calls": sum(hold.kind not in ("task", "summary") for hold in holds),
        }.get(resource, 0)


class Model:
    """What a store must answer."""

    def __init__(self) -> None:
        self.stories: dict[Subject, Story] = {}
        self.taken: dict[str, Taken] = {}
        self.expiries: dict[str, datetime] = {}
        self.log: dict[Subject, list[tuple[str, str, Mapping[str, int]]]] = {}  # what unloaded subjects heard

    def stale(self, story: Story, now: datetime) -> bool:
        """Whether a hold outlived its expiry."""
        return any(self.expiries[name] < now for name in story.holds())

    def reserve(self, ask: Ask) -> Answer:
        """Decide, purely from the stories."""
        for_all = [self.stories.get(subject) for subject in ask.subjects]
        if not all(story and story.decided(ask.hold_id) for story in for_all):
            for story in for_all:
                if story and (story.day != ask.periods.day or story.lacks(ask) or self.stale(story, ask.now)):
                    self.unload([story.subject])
            missing = tuple(subject for subject in ask.subjects if subject not in self.stories)
            if missing:
                return Unloaded(missing)
            self._end("undo", ask.hold_id, {})
            denied = self._decide(ask)
            if denied:
                return denied
        taken = self.taken[ask.hold_id]
        readings = self._readings(ask, taken.granted.counted)
        close = tuple(n for n, limit in enumerate(ask.limits) if near(limit, readings[n]))
        return replace(taken.granted, near=close)

    def knows(self, ask: Ask) -> bool:
        """Whether it stands as it was taken."""
        stories = [self.stories.get(subject) for subject in ask.subjects]
        return all(story is not None and story.decided(ask.hold_id) for story in stories)

    def _decide(self, ask: Ask) -> Denied | None:
        account = self.stories[ask.account]
        used = account.used()
        requests, tasks = ask.periods.fields("requests")[0], ask.periods.fields("tasks")[0]
        counted, later = ask.stands or standing(ask.kind, used[requests], used[tasks], account.calls(ask.turn_id))
        readings = self._readings(ask, counted)
        rooms = [room(ask, limit, reading, counted) for limit, reading in zip(ask.limits, readings, strict=True)]
        if None in rooms:
            return Denied(counted, readings)
        largest = min([ask.completion_tokens, *(one for one in rooms if one is not None)])
        taken = self.taken[ask.hold_id] = Taken(ask, Granted(counted, later, largest))
        self.expiries[ask.hold_id] = ask.expires_at
        for subject in ask.subjects:
            counters = {**taken.counters(), **(taken.tasks() if subject == ask.account else {})}
            self.stories[subject].happened.append(("take", taken, counters))
        return None

    def _readings(self, ask: Ask, counted: bool) -> tuple[Reading, ...]:
        return tuple(self._reading(ask, limit, counted) for limit in ask.limits)

    def _reading(self, ask: Ask, limit: Limit, counted: bool) -> Reading:
        story = self.stories[limit.subject]
        if limit.window.span != "minute":
            return Reading(story.used()[limit.field], story.held(limit.window.resource))
        if limit.window.resource == "tokens":
            seconds = story.seconds(ask.now)
            used = sum(n for _, n in seconds)
            over = used + ask.prompt_tokens + ask.least_tokens - limit.limit
            gone = [second for i, (second, _) in enumerate(seconds) if sum(n for _, n in seconds[: i + 1]) >= over]
            leaves = ask.now if not gone else datetime.fromtimestamp(gone[0] + 1, UTC)
            return Reading(used, story.held("tokens"), leaves + MINUTE if over > 0 else None)
        recent = story.recent(ask.now)
        if not counted or len(recent) < limit.limit:
            return Reading(len(recent), 0)
        leaves = [*recent, ask.now][len(recent) - limit.limit]
        return Reading(len(recent), 0, leaves + MINUTE)

    def settle(self, hold_id: str, subjects: Iterable[Subject], spent: Mapping[str, int]) -> bool:
        """The hold's end."""
        knew = self._end("end", hold_id, spent)
        for subject in set(subjects) - knew:
            if subject in self.stories:
                self.unload([subject])
            else:
                self.note(subject, "end", hold_id, spent)
        return bool(knew)

    def release(self, hold_id: str, subjects: Iterable[Subject]) -> bool:
        """As if it had never been."""
        for subject in set(subjects) - self.stories.keys():
            self.note(subject, "undo", hold_id, {})
        return bool(self._end("undo", hold_id, {}))

    def _end(self, what: str, hold_id: str, spent: Mapping[str, int]) -> set[Subject]:
        knew = set()
        for subject, story in self.stories.items():
            if hold_id in story.holds():
                knew.add(subject)
                taken = self.taken[hold_id]
                story.happened.append((what, taken, spent if what == "end" else story.undone(taken)))
        return knew

    def beat(self, holds: Iterable[str], until: datetime) -> None:
        """Live on."""
        for name in holds:
            self.expiries[name] = max(self.expiries[name], until)

    def unload(self, subjects: Iterable[Subject]) -> int:
        """Forget; how many were known."""
        known = 0
        for subject in subjects:
            self.note(subject, "unload", "", {})
            known += self.stories.pop(subject, None) is not None
        return known

    def note(self, subject: Subject, what: str, hold_id: str, spent: Mapping[str, int]) -> None:
        """An unloaded subject hears of it."""
        self.log.setdefault(subject, []).append((what, hold_id, spent))

    def heard(self, subject: Subject) -> int:
        """How much a subject has heard: its generation."""
        return len(self.log.get(subject, []))

    def load(self, subject: Subject, day: str, totals: Totals, heard: int) -> bool:
        """Begin a new story with the ends of those that were open, unless something else happened since `heard`."""
        since = self.log.get(subject, [])[heard:]
        ended = [hold_id for _, hold_id, _ in since]
        if subject in self.stories or len(set(ended)) < len(ended) or not set(ended) <= totals.holds.keys():
            return False
        story = self.stories[subject] = Story(subject, day, totals)
        for name, hold in totals.holds.items():
            self.expiries[name] = max(self.expiries[name], hold.expires_at)
        for what, name, spent in since:
            taken = self.taken[name]
            story.happened.append((what, taken, spent if what == "end" else story.undone(taken)))
        return True

    def live(self, subject: Subject, now: datetime) -> Live | None:
        """What is told of a subject."""
        story = self.stories.get(subject)
        if story is None or self.stale(story, now):
            return None
        recent, seconds = story.recent(now), story.seconds(now)
        used = {name: n for name, n in story.used().items() if n and ":second:" not in name}
        return Live(
            {name: n for name, n in used.items() if story.loaded.ever or not name.endswith(":total")},
            len(recent),
            recent[0] + MINUTE if recent else None,
            {resource: story.held(resource) for resource in ("tokens", "money", "calls")},
            sum(n for _, n in seconds),
            datetime.fromtimestamp(seconds[0][0] + 61, UTC) if seconds else None,
        )
