"""What runs for the benchmarks of the gateway: the scripted upstream, a house with its gateway, and its rivals.

The servers have the first CPU; the upstream, the load and the stores have the second one.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import load
from benchmarks.bench_house import MODEL, PLAN, UNTRACED, BenchHouse, bench_house, seed
from benchmarks.cpu import pin
from benchmarks.litellm import KEY, VERSION, litellm
from benchmarks.servers import Server, gateway, pipelines_server, scripted_upstream
from benchmarks.work import Work
from devstack.places import folder
from maitre.accounts.account import Account
from maitre.books import open_books
from maitre.keys.key import Key
from maitre.settings import House

GUESTS = 200  # with an API key of their own, of each plan

_TURN = (
    "API key looked up, account, five windows reserved, confirmed and settled, ledger row before the call and its end"
)

#: Every target and what it does for a request.
FEATURES = {
    "direct": "the scripted upstream itself",
    "gateway": f"our gateway: {_TURN}",
    "traced": f"the same gateway: {_TURN}; words kept, a trace a turn to a local receiver",
    "litellm": f"LiteLLM {VERSION}, configuration only: a master key; no database, so no keys, budgets or records",
    "pipelines": "a manifold that only relays, in the unmodified Pipelines server",
}

#: Those that are our house's, with the plan of their guests.
OURS = {"gateway": UNTRACED, "traced": PLAN}


@dataclass(frozen=True, slots=True)
class Gateways:
    """Everything that runs. `gateway` and `traced` are one process, with guests of different plans."""

    upstream: Server
    house: BenchHouse
    servers: Mapping[str, Server]
    keys: Mapping[str, Sequence[str]]

    def request(self, target: str, guest: int, script: Mapping[str, Any], *, stream: bool = True) -> bytes:
        """The same bytes for every target, but for the key and the model's name."""
        names = {"pipelines": f"rival_manifold.{MODEL}", "direct": MODEL, "litellm": MODEL}
        body: dict[str, Any] = {
            "model": names.get(target, f"models.{MODEL}"),
            "messages": [{"role": "user", "content": "script:" + json.dumps(script)}],
            "stream": stream,
        }
        if stream:
            body["stream_options"] = {"include_usage": True}
        keys = self.keys[target]
        return load.request(self.servers[target].port, body, {"Authorization": f"Bearer {keys[guest % len(keys)]}"})


@contextmanager
def running(work: Work, targets: Sequence[str]) -> Iterator[Gateways]:
    """Start it all; stop it all."""
    with tempfile.TemporaryDirectory(prefix="maitre-bench-") as name, ExitStack() as stack:
        base = Path(name)
        logs = folder(base / "logs")
        upstream = stack.enter_context(scripted_upstream(logs))
        house = stack.enter_context(bench_house(base, upstream.url, kind="openai"))
        keys = asyncio.run(_guests(house.house))
        key = house.house.secret("pipelines_key")
        rival = [Path(__file__).with_name("rival_manifold.py")]
        starting: dict[str, Callable[[], AbstractContextManager[Server]]] = {
            "gateway": lambda: gateway(house.house, logs),
            "litellm": lambda: litellm(base, logs, upstream.url, MODEL),
            "pipelines": lambda: pipelines_server(
                "rival", rival, base, logs, work.log_level, key, {"RIVAL_UPSTREAM_URL": upstream.url}
            ),
        }
        servers = {name: stack.enter_context(start()) for name, start in starting.items() if name in targets}
        if "traced" in targets:
            servers["traced"] = servers.get("gateway") or stack.enter_context(starting["gateway"]())
        if "direct" in targets:
            servers["direct"] = upstream
        if work.pinned:
            for name, server in servers.items():
                if name != "direct":
                    pin(server.pid, work.cpus[0])
        yield Gateways(upstream, house, servers, {**keys, "direct": ["none"], "litellm": [KEY], "pipelines": [key]})


async def _guests(house: House) -> dict[str, list[str]]:
    """Accounts of both plans, and the texts of their keys."""
    await seed(house)
    texts: dict[str, list[str]] = {target: [] for target in OURS}
    async with open_books(house) as books:
        for target, plan in OURS.items():
            for number in range(GUESTS):
                id = f"{target}-{number}"
                await books.put_account(Account(id, f"{id}@maitre.example", f"Guest {number}", "user", plan))
                key = Key(secrets.token_hex(8), id, "bench", datetime.now(UTC))
                texts[target].append(await books.keys.add(key))
    return texts
