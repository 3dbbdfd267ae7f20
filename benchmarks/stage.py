"""What runs during a streaming benchmark: the scripted upstream, a house with its stores, and the servers compared.

The servers have the first CPU; the upstream, the load and the stores have the second one.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import load
from benchmarks.bench_house import ASSISTANT, BenchHouse, bench_house, seed
from benchmarks.cpu import pin
from benchmarks.servers import Server, host, pipelines_server, scripted_upstream
from benchmarks.work import Work
from devstack.places import PLUGINS, folder
from tests.user_jwt import headers_of

_FULL = "plan windows reserved and settled, ledger row a call, trace a turn, usage parsed"

#: Every target and what it does for a turn.
FEATURES = {
    "host": f"our host: key and signed user token checked, {_FULL}",
    "maitre": f"our manifold in the unmodified server: {_FULL}",
    "rival": "a manifold that only relays, in the unmodified server",
}

_OURS = [PLUGINS / "assistants.py", PLUGINS / "models.py"]
_RIVALS = [Path(__file__).with_name("rival_manifold.py")]


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that runs."""

    upstream: Server
    house: BenchHouse
    servers: Mapping[str, Server]

    def request(self, target: str, guest: int, script: Mapping[str, Any]) -> bytes:
        """The same bytes for every target, but for the model: what Open WebUI would send for this guest."""
        email = f"bench-{guest}@maitre.example"
        user = {"id": f"bench-{guest}", "email": email, "name": f"Guest {guest}", "role": "user"}
        body = {
            "stream": True,
            "model": "rival_manifold.scripted" if target == "rival" else f"assistants.{ASSISTANT}",
            "messages": [{"role": "user", "content": "script:" + json.dumps(script)}],
            "stream_options": {"include_usage": True},
            "user": user,
        }
        return load.request(self.servers[target].port, body, headers_of(self.house.house, user))


@contextmanager
def running(work: Work, targets: Sequence[str]) -> Iterator[Stage]:
    """Start it all; stop it all."""
    with tempfile.TemporaryDirectory(prefix="maitre-bench-") as name, ExitStack() as stack:
        base = Path(name)
        logs = folder(base / "logs")
        upstream = stack.enter_context(scripted_upstream(logs))
        house = stack.enter_context(bench_house(base, upstream.url))
        asyncio.run(seed(house.house))
        key, level = house.house.secret("pipelines_key"), work.log_level
        ours = {"MAITRE_HOUSE": str(house.house.directory)}
        theirs = {"RIVAL_UPSTREAM_URL": upstream.url}
        starting = {
            "host": lambda: host(house.house, logs),
            "maitre": lambda: pipelines_server("maitre", _OURS, base, logs, level, key, ours),
            "rival": lambda: pipelines_server("rival", _RIVALS, base, logs, level, key, theirs),
        }
        servers = {target: stack.enter_context(starting[target]()) for target in targets}
        if work.pinned:
            for server in servers.values():
                pin(server.pid, work.cpus[0])
        yield Stage(upstream, house, servers)
