"""The ledger beside the upstreams' own logs, row by row. Each broken promise is one sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.upstream import Call

Row = Mapping[str, Any]


def judge(rows: Sequence[Row], calls: Sequence[Call], heard: Mapping[str, int]) -> list[str]:
    """What is wrong. `heard`: how many pieces of an answer a client had read, by the turn's id."""
    known = {row["request_id"]: row for row in rows}
    made = Counter(str(call.request_id) for call in calls)
    broken = [f"{id} was called {count} times" for id, count in made.items() if count > 1]
    broken += [f"{id} was called, and has no row" for id in made if id not in known]
    broken += [f"{_named(row)} was never called" for row in uncalled(rows, calls) if row["status"] != "stopped"]
    broken += [f"{_named(row)} is {row['status']}" for row in rows if row["status"] in ("open", "lost")]
    for call in calls:
        if (row := known.get(str(call.request_id))) is not None:
            broken += [f"{_named(row)} {what} (call {call.number}, {call.ended})" for what in _wrong(row, call)]
    charged: Counter[str] = Counter()
    for row in rows:
        charged[row["turn_id"]] += row["completion_tokens"]
    broken += [
        f"the turn {turn} is charged {charged[turn]} tokens of an answer, and its client read {count}"
        for turn, count in heard.items()
        if charged[turn] < count
    ]
    return broken


def uncalled(rows: Sequence[Row], calls: Sequence[Call]) -> list[Row]:
    """Rows whose call no upstream saw: the guest had left just before."""
    made = {call.request_id for call in calls}
    return [row for row in rows if row["request_id"] not in made]


def _named(row: Row) -> str:
    return f"{row['request_id']} ({row['model']}, {row['kind']}, {row['status']})"


def _wrong(row: Row, call: Call) -> Iterator[str]:
    usage = call.usage or {}
    counted = (row["prompt_tokens"], row["completion_tokens"])
    if call.ended == "open":
        yield "goes on at the upstream"
    if row["completion_tokens"] > row["held_completion"]:
        yield f"is charged {row['completion_tokens']} tokens of an answer, and held {row['held_completion']}"
    if not row["estimated"]:
        if counted not in ((usage.get("prompt_tokens"), usage.get("completion_tokens")), (0, 0)):
            yield f"says {counted}, and the upstream {usage}"
        if counted == (0, 0) and row["status"] != "error":
            yield "is charged nothing"
    elif row["prompt_tokens"] != row["held_prompt"]:
        yield f"is charged a prompt of {row['prompt_tokens']}, and held {row['held_prompt']}"
    if row["status"] == "done":
        if call.ended not in ("completed", "client gone"):
            yield "is done, though the upstream broke off"
        if row["estimated"] and call.usage_sent:
            yield "is estimated, though usage arrived"
    if row["estimated"] and row["status"] != "error" and row["completion_tokens"] < (row["relayed"] or 0):
        yield f"is charged {row['completion_tokens']} tokens of an answer, of which {row['relayed']} were checkpointed"
