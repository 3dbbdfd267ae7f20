"""The house that crashes: two hosts on one Postgres and one Valkey, and two providers, one of them with a line."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from devstack import ports
from devstack.part import Part
from maitre.accounts.account import Account
from maitre.books import Books
from maitre.settings import Endpoint
from tests.engine.hall import Hall

#: The second host. Everything of a hall is by name, and this one is a name of ours.
SECOND = cast(Endpoint, "second")

ENGINES: tuple[Endpoint, ...] = ("pipelines", SECOND)

#: What the limits of the plan `small` are; the other plans have none that anybody reaches.
REQUESTS, TOKENS, CALLS = 12, 1500, 2

#: Requests a day of the plans `closed` and `unchecked`, which differ in what they do while a store is down.
FEW = 4

#: How many calls the provider with a line takes at once.
SEATS = 3

HOUSE = """\
domain: localhost
time_zone: UTC
max_turn_seconds: 30
limits: {{ tokens_per_month: 900000000 }}
providers:
  wide:
    kind: openai
    base_url: {upstream}/v1
    limits: {{ requests_per_day: 900000 }}
    models: {{ scripted: {{ name: Scripted }} }}
  narrow:
    kind: openai
    base_url: {upstream}/v1
    max_concurrent: SEATS
    max_waiting_per_user: 20
    models: {{ scarce: {{ name: Scarce, limits: {{ tokens_total: 900000000 }} }} }}
prices:
  version: test
  models: {{ scripted: {{ input: "1", output: "2" }}, scarce: {{ input: "3", output: "4" }} }}
plans:
  wide: {{ name: Wide, price: 0, max_answer_tokens: 120, models: [scripted, scarce] }}
  open: {{ name: Open, price: 0, max_answer_tokens: 120, models: [scripted, scarce], fail: open }}
  small: {{ name: Small, price: 0, max_answer_tokens: 120, models: [scripted, scarce],
    requests_per_day: REQUESTS, tokens_per_day: TOKENS, concurrency: CALLS }}
  closed: {{ name: Few, price: 0, max_answer_tokens: 120, requests_per_day: FEW }}
  unchecked: {{ name: Few but open, price: 0, max_answer_tokens: 120, requests_per_day: FEW, fail: open }}
"""
for name, value in (("SEATS", SEATS), ("REQUESTS", REQUESTS), ("TOKENS", TOKENS), ("CALLS", CALLS), ("FEW", FEW)):
    HOUSE = HOUSE.replace(name, str(value))


class CrashHall(Hall):
    """A hall with two hosts. `module`: what runs them in our server's place."""

    def __init__(self, folder_of_house: Path, upstream: str, traces: str, module: str) -> None:
        self._module = module
        super().__init__(folder_of_house, upstream, traces, HOUSE)
        self.ports |= ports.sticky(self.house.state / "ports.json", [SECOND], {})
        self.parts[SECOND] = replace(self.server(self.ports[SECOND]), name=SECOND)

    def server(self, port: int, behind: Mapping[Endpoint, str] | None = None) -> Part:
        part = super().server(port, behind)
        words = tuple(self._module if word == "maitre.http.http_server" else word for word in part.command.argv)
        return replace(part, command=replace(part.command, argv=words))

    def close(self) -> None:
        if SECOND in self.who:
            self.kill(SECOND)
        super().close()

    def guests(self, plan: str, count: int) -> list[dict[str, str]]:
        """Fresh guests with a plan, as the `user` of a request body."""
        ids = [uuid.uuid4().hex for _ in range(count)]
        made = [{"id": id, "email": f"{id[:8]}@maitre.example", "name": "Guest", "role": "user"} for id in ids]

        async def put(books: Books) -> Any:
            for user in made:
                await books.put_account(Account(user["id"], user["email"], "Guest", "user", plan))

        self.ask(put)
        return made
