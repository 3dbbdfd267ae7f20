"""A house for benchmarks: real Postgres, Valkey and trace receiver, one provider (the scripted upstream), and a
plan whose windows are all set and never full."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import yaml

from benchmarks.servers import Server, free_port, running
from devstack import postgres, traces, valkey
from devstack.places import EXAMPLE_HOUSE, folder, state_folder, write_private
from maitre.books import open_books
from maitre.settings import GENERATED_SECRETS, House, load_house

PLAN = "bench"
UNTRACED = "silent"  # the same plan, but nothing of its guests' words is kept, and no trace
MODEL = "scripted"
ASSISTANT = "general"
PLENTY = 10**12


@dataclass(frozen=True, slots=True)
class BenchHouse:
    """A running house without doors."""

    house: House
    stores: tuple[int, ...]  # the pids of Postgres and Valkey
    receiver: Server

    def traces(self) -> int:
        """How many traces the receiver holds."""
        keys = (self.house.secret("langfuse_public_key"), self.house.secret("langfuse_secret_key"))
        answer = requests.get(self.receiver.url + "/api/public/traces?limit=1", auth=keys, timeout=10)
        answer.raise_for_status()
        return int(answer.json()["meta"]["totalItems"])


@contextmanager
def bench_house(base: Path, upstream: str, kind: str = "llama_cpp") -> Iterator[BenchHouse]:
    """Make the house in `base`, start its stores and the trace receiver; stop them afterwards. `kind`: the provider's;
    an `openai` one has no tokenizer to be asked."""
    house = write_house(base / "house", upstream, kind)
    logs = folder(house.state / "logs")
    parts = [build(house, free_port(name)) for name, build in _PARTS.items()]
    with ExitStack() as stack:
        servers: dict[str, Server] = {}
        for part in parts:
            part.prepare()
            log = logs / f"{part.name}.log"
            servers[part.name] = stack.enter_context(
                running(part.title, part.command, log, part.healthy, part.port, stop_signal=part.stop_signal)
            )
        write_private(house.state / "endpoints.json", json.dumps({part.name: part.url for part in parts}))
        yield BenchHouse(house, (servers["postgres"].pid, servers["valkey"].pid), servers["traces"])


_PARTS = {"postgres": postgres.part, "valkey": valkey.part, "traces": traces.part}


async def seed(house: House) -> None:
    """Put the plan and the assistant into Maitre's database."""
    async with open_books(house) as books:
        await books.migrate()
        for plan in house.plans.values():
            await books.put_plan(plan)
        for assistant in house.assistants.values():
            await books.put_assistant(assistant)


def write_house(directory: Path, upstream: str, kind: str = "llama_cpp") -> House:
    """The example house without knowledge, with another provider and another plan, and secrets of its own."""
    settings: dict[str, Any] = yaml.safe_load((EXAMPLE_HOUSE / "maitre.yaml").read_text("utf-8"))
    plan = {
        "name": "Bench",
        "price": 0,
        "requests_per_minute": 100_000,
        "requests_per_month": PLENTY,
        "tokens_per_day": PLENTY,
        "tokens_per_month": PLENTY,
        "tokens_total": PLENTY,
        "max_answer_tokens": 4096,
        "models": [MODEL],
    }
    settings |= {
        "default_plan": PLAN,
        "users": [],
        "prices": {"version": "bench", "models": {MODEL: {"input": "0.10", "output": "0.40"}}},
        "providers": {"local": {"kind": kind, "base_url": f"{upstream}/v1", "models": {MODEL: {}}}},
        "plans": {PLAN: plan, UNTRACED: {**plan, "record": "none"}},
    }
    for knowing in ("rag", "knowledge"):
        settings.pop(knowing, None)
    folder(directory / "assistants")
    (directory / "maitre.yaml").write_text(yaml.safe_dump(settings), "utf-8")
    prompt = (EXAMPLE_HOUSE / "assistants" / f"{ASSISTANT}.md").read_text("utf-8")
    (directory / "assistants" / f"{ASSISTANT}.md").write_text(
        prompt.replace("model: smollm2", f"model: {MODEL}"), "utf-8"
    )
    kept = folder(state_folder(directory / ".maitre") / "secrets")
    for name in GENERATED_SECRETS:
        write_private(kept / name, secrets.token_urlsafe())
    return load_house(directory)
