"""A small house and its books in memory, for the tests of provisioning."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from maitre.accounts.account import Account
from maitre.assistants.assistant import Assistant
from maitre.quota.plan import Plan
from maitre.settings import House, load_house
from provisioning.books import Books, OpenBooks

HOUSE = """
domain: localhost
default_plan: free
providers: {local: {kind: openai, base_url: "http://llm/v1", models: {small: {name: Small, tools: false}}}}
prices: {version: "1"}
plans:
  free: {name: Free, price: 0}
  pro: {name: Pro, price: 5, models: [small]}
groups: {coaches: Trainers}
users:
  - {email: admin@x.io, name: Ada, role: admin, plan: pro, demo: true}
  - {email: fran@x.io, name: Fran, plan: free, groups: [coaches], demo: true}
  - {email: nina@x.io, name: Nina, plan: pro}
"""

GENERAL = "---\nname: General\nmodel: small\n---\nHelp.\n"
PLANNER = "---\nname: Planner\nmodel: small\nplans: [pro]\n---\nPlan.\n"
SERVED = ["assistants.general", "assistants.planner", "assistants.refused", "models.small"]


def make_house(folder: Path, yaml: str = HOUSE, **assistants: str) -> House:
    """A house in this folder, with these assistants, else GENERAL and PLANNER."""
    (folder / "assistants").mkdir(exist_ok=True)
    for old in (folder / "assistants").glob("*.md"):
        old.unlink()
    (folder / "maitre.yaml").write_text(yaml)
    for slug, text in (assistants or {"general": GENERAL, "planner": PLANNER}).items():
        (folder / "assistants" / f"{slug}.md").write_text(text)
    return load_house(folder)


class UndefinedTableError(Exception):
    """What a client of Postgres raises before the first migration."""

    sqlstate = "42P01"


class MemoryBooks:
    """Maitre's database, in memory; like the real one it has no tables before the first migration."""

    def __init__(self) -> None:
        self.by_slug: dict[str, Plan] = {}
        self.personas: dict[str, Assistant] = {}
        self.by_id: dict[str, Account] = {}
        self.migrated = False
        self.vectors: dict[str, Sequence[float]] = {}

    async def likenesses(self) -> frozenset[str]:
        return frozenset(self.vectors)

    async def put_likenesses(self, vectors: Mapping[str, Sequence[float]]) -> None:
        self.vectors |= vectors

    async def keep_likenesses(self, marks: Iterable[str]) -> None:
        kept = set(marks)
        self.vectors = {mark: vector for mark, vector in self.vectors.items() if mark in kept}

    async def migrate(self) -> list[str]:
        fresh, self.migrated = not self.migrated, True
        return ["0001"] if fresh else []

    async def plans(self) -> dict[str, Plan]:
        if not self.migrated:
            raise UndefinedTableError
        return dict(self.by_slug)

    async def assistants(self) -> dict[str, Assistant]:
        return dict(self.personas)

    async def accounts(self) -> dict[str, Account]:
        return dict(self.by_id)

    async def put_plan(self, plan: Plan) -> None:
        self.by_slug[plan.slug] = plan

    async def drop_plan(self, slug: str) -> None:
        del self.by_slug[slug]

    async def put_assistant(self, assistant: Assistant) -> None:
        self.personas[assistant.slug] = assistant

    async def put_account(self, account: Account) -> None:
        self.by_id[account.user_id] = account

    @property
    def empty(self) -> bool:
        return not self.by_slug and not self.personas and not self.by_id

    def plan(self, email: str) -> str | None:
        """The plan of the account with that e-mail."""
        (account,) = (account for account in self.by_id.values() if account.email == email)
        return account.plan


@contextmanager
def on_a_loop(books: Books) -> Iterator[OpenBooks]:
    """The books as synchronous code sees them."""
    with asyncio.Runner() as runner:
        yield OpenBooks(books, runner)
