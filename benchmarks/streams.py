"""Rounds of paced streams: each target in every round, in random order; its cost, its delays, and whether every event
arrived."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from statistics import median
from typing import Any

import requests

from benchmarks.bench_house import BenchHouse
from benchmarks.cpu import cpu_seconds, pss_mb
from benchmarks.gateways import Gateways
from benchmarks.load import Received, drive
from benchmarks.stage import Stage
from benchmarks.work import Round, Work, gap, late
from maitre.books import open_books
from maitre.errors import HouseError
from tests.raw_socket import split_events

SETTLED = 30.0  # seconds that ledger and traces may take after the last byte

#: The ledger's rows have Postgres's time, which the servers ask for now and then: it may differ from ours. Seconds.
APART = 1.0

#: Targets that are ours: rows and traces are waited for, and each of the upstream's events is one of theirs.
OURS = ("host", "maitre", "gateway", "traced")

#: Those of them that give the upstream's bytes as they are; the gateway's say the public model's name.
EXACT = ("host", "maitre")


async def measure(stage: Stage | Gateways, work: Work) -> list[Round]:
    """Warm every target up, then all targets in every round. HouseError when an event is lost or added."""
    order = random.Random(work.seed)
    targets = list(stage.servers)
    for target in targets:
        await _round(stage, target, 0, work.warm_up())
    rounds: list[Round] = []
    for number in range(1, work.rounds + 1):
        order.shuffle(targets)
        for target in targets:
            rounds.append(await _round(stage, target, number, work))
    return rounds


async def _round(stage: Stage | Gateways, target: str, number: int, work: Work) -> Round:
    server, house, ours = stage.servers[target], stage.house, target in OURS
    await asyncio.to_thread(requests.post, stage.upstream.url + "/_reset", timeout=10)
    scripts = [
        {"id": f"{target}-{number}-{stream}", "n": work.chunks, "interval_ms": work.interval_ms}
        for stream in range(work.streams)
    ]
    sent = [stage.request(target, stream, script) for stream, script in enumerate(scripts)]
    traces_before, since = await asyncio.to_thread(house.traces), datetime.now(UTC)
    await asyncio.sleep(APART)  # then whatever is younger than `since` belongs to this round
    before, stores_before = cpu_seconds(server.pid), cpu_seconds(*house.stores)
    answered = await drive(server.port, sent, work.ramp / work.streams, work.timeout)
    served = [(answer, script) for answer, script in zip(answered, scripts, strict=True) if not refused(answer)]
    if ours:
        await _settled(house, since, traces_before + len(served), len(served))
    used, stores = cpu_seconds(server.pid) - before, cpu_seconds(*house.stores) - stores_before
    log = (await asyncio.to_thread(requests.get, stage.upstream.url + "/_log", timeout=60)).json()
    calls = {_script(call)["id"]: call for call in log}
    answers = [answer for answer, _ in served]
    delivered = _check(target, answers, log)
    ordered = [calls[script["id"]] for _, script in served]
    return Round(
        target=target,
        number=number,
        cpu_seconds=used,
        stores_cpu_seconds=stores if ours else 0.0,
        refused=work.streams - len(served),
        chunks=sum(call["events"] - 1 for call in log),  # [DONE] is no chunk
        delivered=delivered,
        first_byte_ms=median(answer.arrivals[0] for answer in answers) * 1000,
        first_byte_p95_ms=late([answer.arrivals[0] for answer in answers]) * 1000,
        delay_ms=late([delay for one in zip(answers, ordered, strict=True) for delay in delays(*one)]) * 1000,
        gap_ms=gap([answer.arrivals for answer in answers]) * 1000,
        seconds=max(answer.ended for answer in answers),
        ideal_seconds=max(call["events"] - 1 for call in log) * work.interval_ms / 1000,
        pss_mb=pss_mb(server.pid),
    )


async def _settled(house: BenchHouse, since: datetime, traces: int, calls: int) -> None:
    """Wait until the round's ledger rows are settled and its traces delivered: their cost belongs to it."""
    try:
        async with asyncio.timeout(SETTLED), open_books(house.house) as books:
            while True:
                rows = await books.usage(None, since, calls + 1)
                done = [row for row in rows if row["status"] == "done" and not row["estimated"]]
                if len(rows) == len(done) == calls and await asyncio.to_thread(house.traces) == traces:
                    return
                await asyncio.sleep(0.2)
    except TimeoutError as late:
        raise HouseError(
            f"Maitre did not settle and trace its {calls} calls within {SETTLED:.0f} s:"
            f" {len(done)} of {len(rows)} ledger rows are done."
        ) from late


def refused(answer: Received) -> bool:
    """Whether it is one sentence instead of an answer: the unmodified server gives so many turns no place at once."""
    return answer.body.startswith(b'data: {"error":')


def _check(target: str, answers: Sequence[Received], log: Sequence[dict[str, Any]]) -> int:
    """The number of events delivered besides [DONE]. HouseError unless each answer is whole and exact."""
    bad = sorted({answer.status for answer in answers if answer.status != 200 or not answer.whole})
    if bad or len(log) != len(answers) or any(call["ended"] != "completed" for call in log):
        raise HouseError(f"{target}: {len(log)} calls for {len(answers)} streams, failed answers: {bad or 'none'}.")
    events = [split_events(answer.body) for answer in answers]
    texts = sorted("".join(map(_text, stream)) for stream in events)
    wanted = sorted("".join(_text(event.encode()) for event in call["sent"]) for call in log)
    if texts != wanted:
        raise HouseError(f"{target}: an answer lost or gained text.")
    if target in OURS and sum(map(len, events)) != sum(len(call["sent"]) for call in log):
        raise HouseError(f"{target}: an answer lost or gained an event.")
    if target in EXACT:
        said = sorted([_said(event) for event in stream] for stream in events)
        if said != sorted([_said(event.encode()) for event in call["sent"]] for call in log):
            raise HouseError(f"{target}: what was delivered are not the upstream's events and one [DONE].")
    return sum(b"[DONE]" not in event for stream in events for event in stream)


def delays(answer: Received, call: Mapping[str, Any]) -> list[float]:
    """How many seconds each piece of text was on its way from the upstream to the client."""
    sent = [at for at, event in zip(call["times"], call["sent"], strict=True) if _text(event.encode())]
    return [came - at for came, at in zip(_arrivals(answer), sent, strict=True)]


def _arrivals(answer: Received) -> list[float]:
    """When each event with text was whole: seconds of the machine's monotonic clock."""
    came: list[float] = []
    rest = b""
    for piece, arrival in zip(answer.pieces, answer.arrivals, strict=True):
        *events, rest = (rest + piece).split(b"\n\n")
        came += [answer.due + arrival for event in events if _text(event)]
    return came


def _text(event: bytes) -> str:
    if b"[DONE]" in event:
        return ""
    return "".join(choice["delta"].get("content") or "" for choice in json.loads(event[5:])["choices"])


def _said(event: bytes) -> str:
    """What an event says to a guest: all but whose answer it is."""
    if b"[DONE]" in event:
        return event.decode()
    told = json.loads(event[5:])
    return json.dumps([told.get("choices"), told.get("usage")], sort_keys=True)


def _script(call: Mapping[str, Any]) -> dict[str, Any]:
    """The script of a call, which is the last message."""
    script: dict[str, Any] = json.loads(call["body"]["messages"][-1]["content"].removeprefix("script:"))
    return script
