"""Maitre's database as `cli seed` sees it: plans, assistants and accounts, read and written synchronously."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from maitre.accounts.account import Account
from maitre.assistants.assistant import Assistant
from maitre.quota.plan import Plan

T = TypeVar("T")

UNDEFINED_TABLE = "42P01"  # Postgres's SQLSTATE, which any client hands on


class Books(Protocol):
    """What `maitre.books.open_books` yields."""

    async def migrate(self) -> list[str]: ...
    async def plans(self) -> dict[str, Plan]: ...
    async def assistants(self) -> dict[str, Assistant]: ...
    async def accounts(self) -> dict[str, Account]: ...
    async def put_plan(self, plan: Plan) -> None: ...
    async def drop_plan(self, slug: str) -> None: ...
    async def put_assistant(self, assistant: Assistant) -> None: ...
    async def put_account(self, account: Account) -> None: ...
    async def likenesses(self) -> frozenset[str]: ...
    async def put_likenesses(self, vectors: Mapping[str, Sequence[float]]) -> None: ...
    async def keep_likenesses(self, marks: Iterable[str]) -> None: ...


@dataclass(frozen=True, slots=True)
class Entries:
    """What the database holds. Accounts are keyed by the Open WebUI user id. `tables`: whether it was ever seeded."""

    plans: Mapping[str, Plan]
    assistants: Mapping[str, Assistant]
    accounts: Mapping[str, Account]
    tables: bool = True
    likenesses: frozenset[str] = frozenset()  # the marks of texts whose embeddings are there


class OpenBooks:
    """The books on an event loop of their own, so that synchronous code can use them."""

    def __init__(self, books: Books, runner: asyncio.Runner) -> None:
        self.books = books
        self._runner = runner

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for one piece of work, such as `books.put_plan(plan)`."""
        return self._runner.run(work)

    def read(self) -> Entries:
        """Everything that `cli seed` compares."""
        books = self.books
        try:
            return Entries(
                self.do(books.plans()),
                self.do(books.assistants()),
                self.do(books.accounts()),
                likenesses=self.do(books.likenesses()),
            )
        except Exception as fault:
            if getattr(fault, "sqlstate", None) != UNDEFINED_TABLE:
                raise
            return Entries({}, {}, {}, tables=False)


@contextmanager
def opened(books: AbstractAsyncContextManager[Books]) -> Iterator[OpenBooks]:
    """Open the books, and close them on the same loop."""
    with asyncio.Runner() as runner:
        inside = runner.run(_enter(books))
        try:
            yield OpenBooks(inside, runner)
        finally:
            runner.run(_leave(books))


async def _enter(books: AbstractAsyncContextManager[Books]) -> Books:
    return await books.__aenter__()


async def _leave(books: AbstractAsyncContextManager[Books]) -> None:
    await books.__aexit__(None, None, None)
