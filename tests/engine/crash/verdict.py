"""What the ledger must say of every call, compared by request id with the upstream's own log. Each broken promise is
one sentence."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.engine.crash.diary import Diary
from tests.engine.crash.house import CALLS, REQUESTS, SEATS, TOKENS
from tests.engine.crash.traffic import engine_of
from tests.upstream import Call

Row = Mapping[str, Any]
Span = tuple[float, float, Call]  # from when until when, in Unix time

#: A checkpoint is at most a second old; and so long may an event travel through a busy machine. Seconds.
CHECKPOINT, TRAVEL = 1.0, 1.5

#: Where the engine and Postgres live on for so long after an answer's end, its row is settled. Seconds.
SETTLED = 6.0

#: A caller that left is noticed a little later, when the next call may have begun already. Seconds.
OVERLAP = 0.25

#: A row is dated a little before or after its process says so. Seconds.
DATED = 0.05


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found. `never_called`: rows that were committed just before their process died; `checkpointed`: how
    many estimates were held to what was surely checkpointed."""

    broken: list[str]
    never_called: list[Row]
    checkpointed: int
    by_status: Counter[str]


def judge(rows: Sequence[Row], calls: Sequence[Call], diary: Diary) -> Findings:
    """Compare all rows with all calls."""
    known = {str(row["request_id"]): row for row in rows}
    made = Counter(str(call.request_id) for call in calls)
    broken = [f"{id} was called {count} times" for id, count in made.items() if count > 1]
    broken += [f"{id} was called, and has no row" for id in made if id not in known]
    never = [row for id, row in known.items() if id not in made]
    broken += [f"{_named(row)} was never called, and {what}" for row in never for what in _uncalled(row, diary)]
    for call in calls:
        row = known.get(str(call.request_id))
        if row is not None:
            broken += [f"{_named(row)} {what} (call {call.number}, {call.ended})" for what in _wrong(row, call, diary)]
    broken += [*_over_granted(rows), *_too_many_at_once(rows, calls)]
    checkpointed = sum(
        known[id]["estimated"] and _checkpoint(known[id], call, diary) > 0
        for call in calls
        if (id := str(call.request_id)) in known
    )
    return Findings(broken, never, checkpointed, Counter(str(row["status"]) for row in rows))


def _named(row: Row) -> str:
    return f"{row['request_id']} ({row['plan']}, {row['model']}, {row['kind']}, {row['status']})"


def _uncalled(row: Row, diary: Diary) -> Iterator[str]:
    """A row may be there without its call only if its host died between the two."""
    begun, ended = row["at"].timestamp() - DATED, row["expires_at"].timestamp()
    if row["status"] != "lost" or row["relayed"]:
        yield f"something was relayed of it: {row['relayed']}"
    if not any(begun <= at <= ended and kill.victim == "engine" for at, kill in diary.kills):
        yield "no host died then"


def _wrong(row: Row, call: Call, diary: Diary) -> Iterator[str]:
    usage = call.usage or {}
    counted = (row["prompt_tokens"], row["completion_tokens"])
    sent = (usage.get("prompt_tokens"), usage.get("completion_tokens"))
    if row["status"] == "open":
        yield "is still open"
        return
    if row["completion_tokens"] > row["held_completion"]:
        yield f"is charged {row['completion_tokens']} tokens of an answer, and held {row['held_completion']}"
    if not row["estimated"] and counted != sent:
        yield f"says {counted}, and the upstream {sent}"
    if _had_time(call, diary):
        if row["status"] != "done":
            yield "was not settled, though its engine and Postgres lived"
        elif row["estimated"] and call.usage_sent:
            yield "is estimated, though usage arrived"
    if row["estimated"]:
        if row["prompt_tokens"] != row["held_prompt"]:
            yield f"is charged a prompt of {row['prompt_tokens']}, and held {row['held_prompt']}"
        least = _checkpoint(row, call, diary)
        if row["completion_tokens"] < least:
            yield f"is charged {row['completion_tokens']} tokens of an answer, of which {least} were checkpointed"


def _had_time(call: Call, diary: Diary) -> bool:
    """Whether the call ended well, and its engine then had time to settle it."""
    if call.ended != "completed" or call.ended_at is None:
        return False
    engine = diary.lives[engine_of(call.body)].through(call.ended_at)
    if engine is None:
        return False
    spans = diary.lives["postgres"].spans
    return any(
        min(engine[1], span[1] if len(span) > 1 else engine[1]) - max(call.ended_at, span[0]) > SETTLED
        for span in spans
    )


def _checkpoint(row: Row, call: Call, diary: Diary) -> int:
    """How much of the answer was surely checkpointed: what the ledger once said, and what the upstream had sent a
    checkpoint before the engine or Postgres died."""
    least = diary.relayed.get(str(row["request_id"]), 0)
    engine = diary.lives[engine_of(call.body)].through(call.at)
    if call.stream and engine is not None:
        for span in diary.lives["postgres"].spans:
            until = min(engine[1], span[1] if len(span) > 1 else engine[1])
            moment = until - CHECKPOINT - TRAVEL
            if moment >= max(span[0], call.at):
                least = max(least, diary.sent_by(call.number, moment))
    return min(least, int(row["held_completion"]))


def _over_granted(rows: Iterable[Row]) -> Iterator[str]:
    """Windows that were passed by guests of the plan with limits."""
    requests: Counter[str] = Counter()
    tokens: Counter[str] = Counter()
    for row in rows:
        if row["plan"] == "small":
            requests[row["user_id"]] += row["counted"]
            # A prompt's size is an estimate until the upstream counts it.
            error = max(0, row["prompt_tokens"] - row["held_prompt"])
            tokens[row["user_id"]] += row["prompt_tokens"] + row["completion_tokens"] - error
    yield from (f"{user} made {count} requests of {REQUESTS}" for user, count in requests.items() if count > REQUESTS)
    yield from (f"{user} was given {count} tokens of {TOKENS}" for user, count in tokens.items() if count > TOKENS)


def _too_many_at_once(rows: Iterable[Row], calls: Iterable[Call]) -> Iterator[str]:
    """More calls at once than a plan or a provider allows; a plan that is served unchecked passes its line."""
    known = {str(row["request_id"]): row for row in rows}
    spans: dict[tuple[str, int], list[Span]] = defaultdict(list)
    for call in calls:
        row = known.get(str(call.request_id))
        if row is None or call.told_at is None:
            continue
        span = (call.at, call.told_at - (OVERLAP if call.ended == "client gone" else 0.0), call)
        if row["plan"] == "small" and row["kind"] != "task":
            spans[f"the account {row['user_id']}", CALLS].append(span)
        if row["provider"] == "narrow" and row["plan"] != "open":
            spans["the provider narrow", SEATS].append(span)
    for (whose, most), taken in spans.items():
        if len(found := _most_at_once(taken)) > most:
            told = "; ".join(f"{_named(known[str(call.request_id)])} at {at:.3f}..{end:.3f}" for at, end, call in found)
            yield f"{whose} had {len(found)} calls at once of {most}: {told}"


def _most_at_once(spans: Iterable[Span]) -> list[Span]:
    """The calls of the moment in which there were most."""
    most: list[Span] = []
    running: list[Span] = []
    for span in sorted(spans, key=lambda span: span[0]):
        running = [*(one for one in running if one[1] > span[0]), span]
        most = max(most, running, key=len)
    return most
