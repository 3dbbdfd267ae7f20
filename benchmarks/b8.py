"""B8: what a streamed chunk costs inside the unmodified Pipelines server, Maitre's manifold against a rival's.

Maitre serves with quota, ledger and tracing on; the rival does nothing but relay. Both run in every round, in
random order, on one CPU; the upstream, the load and the stores use the other one.
"""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import requests

from benchmarks.bench_house import ASSISTANT, BenchHouse, bench_house, seed
from benchmarks.cpu import cpu_seconds, pin, pss_mb
from benchmarks.load import Received, drive, request
from benchmarks.servers import PIPELINES_KEY, Server, pipelines_server, scripted_upstream
from benchmarks.work import Round, Work, gap
from devstack.places import PLUGINS, folder
from maitre.app import open_books
from maitre.errors import HouseError
from tests.raw_socket import split_events

DONE = b"data: [DONE]\n\n"
TARGET = 0.6  # Maitre's CPU per chunk, of the rival's
OURS = ("assistants.py", "models.py")
SETTLED = 30.0  # seconds that ledger and traces may take after the last byte

FEATURES = {
    "maitre": "identity, plan windows reserved and settled, ledger row a call, trace a turn, usage parsed",
    "rival": "relay only",
}


@dataclass(frozen=True, slots=True)
class Bench:
    """Everything that runs during the measurement."""

    work: Work
    upstream: Server
    house: BenchHouse
    servers: dict[str, Server]


@contextmanager
def running(work: Work) -> Iterator[Bench]:
    """Start it all, the servers on the first CPU and the rest on the second; stop it all."""
    with tempfile.TemporaryDirectory(prefix="maitre-bench-") as name:
        base = Path(name)
        logs = folder(base / "logs")
        with (
            scripted_upstream(logs) as upstream,
            bench_house(base, upstream.url) as house,
        ):
            asyncio.run(seed(house.house))
            plugins = [PLUGINS / file for file in OURS]
            rivals = [Path(__file__).with_name("rival_manifold.py")]
            with (
                pipelines_server(
                    "maitre", plugins, base, logs, work.log_level, {"MAITRE_HOUSE": str(house.house.directory)}
                ) as maitre,
                pipelines_server(
                    "rival", rivals, base, logs, work.log_level, {"RIVAL_UPSTREAM_URL": upstream.url}
                ) as rival,
            ):
                servers = {"maitre": maitre, "rival": rival}
                if work.pinned:
                    for server in servers.values():
                        pin(server.pid, work.cpus[0])
                yield Bench(work, upstream, house, servers)


MODELS = {"maitre": f"assistants.{ASSISTANT}", "rival": "rival_manifold.scripted"}


async def measure(bench: Bench) -> list[Round]:
    """Warm every target up, then all targets in every round. HouseError when an event is lost or added."""
    order = random.Random(bench.work.seed)
    targets = list(bench.servers)
    for target in targets:
        await _round(bench, target, 0, bench.work.warm_up())
    rounds: list[Round] = []
    for number in range(1, bench.work.rounds + 1):
        order.shuffle(targets)
        for target in targets:
            rounds.append(await _round(bench, target, number, bench.work))
    return rounds


async def _round(bench: Bench, target: str, number: int, work: Work) -> Round:
    server = bench.servers[target]
    await asyncio.to_thread(requests.post, bench.upstream.url + "/_reset", timeout=10)
    sent = [request(server.port, _body(target, number, stream, work), PIPELINES_KEY) for stream in range(work.streams)]
    traces_before, since = await asyncio.to_thread(bench.house.traces), datetime.now(UTC)
    before, stores_before = cpu_seconds(server.pid), cpu_seconds(*bench.house.stores)
    answers = await drive(server.port, sent, work.interval_ms / 1000 / work.streams, work.timeout)
    if target == "maitre":
        await _settled(bench.house, since, traces_before + work.streams, work.streams)
    used, stores = cpu_seconds(server.pid) - before, cpu_seconds(*bench.house.stores) - stores_before
    log = (await asyncio.to_thread(requests.get, bench.upstream.url + "/_log", timeout=30)).json()
    delivered = _check(target, answers, log, work)
    return Round(
        target=target,
        number=number,
        cpu_seconds=used,
        stores_cpu_seconds=stores if target == "maitre" else 0.0,
        chunks=sum(call["events"] - 1 for call in log),  # [DONE] is no chunk
        delivered=delivered,
        first_byte_ms=median(answer.arrivals[0] for answer in answers) * 1000,
        gap_ms=gap([answer.arrivals for answer in answers]) * 1000,
        seconds=max(answer.ended for answer in answers),
        pss_mb=pss_mb(server.pid),
    )


def _body(target: str, number: int, stream: int, work: Work) -> dict[str, Any]:
    script = {"id": f"{target}-{number}-{stream}", "n": work.chunks, "interval_ms": work.interval_ms}
    return {
        "stream": True,
        "model": MODELS[target],
        "messages": [{"role": "user", "content": "script:" + json.dumps(script)}],
        "stream_options": {"include_usage": True},
        "user": {
            "id": f"bench-{stream}",
            "email": f"bench-{stream}@maitre.example",
            "name": f"Guest {stream}",
            "role": "user",
        },
    }


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


def _check(target: str, answers: Sequence[Received], log: Sequence[dict[str, Any]], work: Work) -> int:
    """The number of events delivered besides [DONE]. HouseError unless each answer is whole and exact."""
    bad = sorted({answer.status for answer in answers if answer.status != 200 or not answer.whole})
    if bad or len(log) != work.streams or any(call["ended"] != "completed" for call in log):
        raise HouseError(f"{target}: {len(log)} calls for {work.streams} streams, failed answers: {bad or 'none'}.")
    events = [split_events(answer.body) for answer in answers]
    texts = sorted(_text(stream) for stream in events)
    wanted = sorted(_text([event.encode() for event in call["sent"]]) for call in log)
    if texts != wanted:
        raise HouseError(f"{target}: an answer lost or gained text.")
    if target == "maitre":
        streams = sorted(answer.body for answer in answers)
        if streams != sorted("".join(call["sent"]).encode() for call in log):
            raise HouseError("maitre: the delivered bytes are not the upstream's events and one [DONE].")
    return sum(b"[DONE]" not in event for stream in events for event in stream)


def _text(events: Sequence[bytes]) -> str:
    chunks = (json.loads(event[5:]) for event in events if b"[DONE]" not in event)
    choices = (choice for chunk in chunks for choice in chunk["choices"])
    return "".join(choice["delta"].get("content") or "" for choice in choices)
