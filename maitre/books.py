"""The operator's composition root: `open_books` is their way into Maitre's database, its live windows and its lines."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from maitre.accounts.account import Account
from maitre.accounts.accounts_postgres import PostgresAccounts
from maitre.actions.action import Action
from maitre.actions.actions_postgres import PostgresActions
from maitre.assistants.assistant import Assistant
from maitre.assistants.catalogue_postgres import PostgresCatalogue
from maitre.billing.deposits import Deposit
from maitre.billing.deposits_postgres import PostgresDeposits
from maitre.billing.ledger_postgres import PostgresLedger
from maitre.keys.keys import Keys
from maitre.keys.keys_postgres import PostgresKeys
from maitre.providers.provider_keys import ProviderKeys
from maitre.providers.provider_keys_postgres import PostgresProviderKeys
from maitre.providers.seal_aesgcm import AesGcmSeal
from maitre.queue.line import Snapshot
from maitre.queue.redis_line import RedisLine
from maitre.quota.admission import Admission
from maitre.quota.explain import explain
from maitre.quota.plan import Plan
from maitre.quota.redis_store import RedisQuotaStore
from maitre.quota.subject import Subject
from maitre.quota.window import periods
from maitre.routing.likenesses_postgres import PostgresLikenesses
from maitre.settings import House
from maitre.sql.postgres import Database
from maitre.tracing.redis_counters import RedisCounters
from maitre.valkey.redis_wire import Valkey


class Books:
    """The operator's view of Maitre's database, its live windows and its lines."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._database = Database(house.endpoint("postgres"), size=2)
        self._valkey = Valkey(house.endpoint("valkey"))
        self._line = RedisLine(self._valkey)
        self._counters = RedisCounters(self._valkey)
        self._accounts = PostgresAccounts(self._database, house.currency)
        self._catalogue = PostgresCatalogue(self._database)
        self._deposits = PostgresDeposits(self._database)
        self._ledger = PostgresLedger(self._database, house.prices)
        self._actions = PostgresActions(self._database)
        self._likenesses = PostgresLikenesses(self._database)
        self.provider_keys = ProviderKeys(
            PostgresProviderKeys(self._database), AesGcmSeal(lambda: house.secret("sealing_key"))
        )
        self._admission = Admission(RedisQuotaStore(self._valkey), self._ledger)
        keys = PostgresKeys(self._database, house.currency)
        self.keys = Keys(keys, lambda: datetime.now(UTC), lambda: secrets.token_urlsafe(32))

    async def migrate(self) -> list[str]:
        """Apply missing migrations; their names."""
        return await self._database.migrate()

    async def plans(self) -> dict[str, Plan]:
        """The plans by slug."""
        return dict((await self._catalogue.read()).plans)

    async def assistants(self) -> dict[str, Assistant]:
        """The assistants by slug."""
        return dict((await self._catalogue.read()).assistants)

    async def accounts(self) -> dict[str, Account]:
        """The accounts by Open WebUI user id."""
        return await self._accounts.all()

    async def put_plan(self, plan: Plan) -> None:
        """Make or change a plan."""
        await self._catalogue.put_plan(plan)

    async def drop_plan(self, slug: str) -> None:
        """Remove a plan."""
        await self._catalogue.drop_plan(slug)

    async def put_assistant(self, assistant: Assistant) -> None:
        """Make or change an assistant."""
        await self._catalogue.put_assistant(assistant)

    async def drop_assistant(self, slug: str) -> None:
        """Remove an assistant."""
        await self._catalogue.drop_assistant(slug)

    async def put_account(self, account: Account) -> None:
        """Make or change an account."""
        await self._accounts.put(account)

    async def likenesses(self) -> frozenset[str]:
        """The marks of the assistants' own texts whose embeddings are there."""
        return frozenset(await self._likenesses.read())

    async def put_likenesses(self, vectors: Mapping[str, Sequence[float]]) -> None:
        """Keep the embeddings of these, too."""
        await self._likenesses.put(vectors)

    async def keep_likenesses(self, marks: Iterable[str]) -> None:
        """Forget the embeddings of all others."""
        await self._likenesses.keep_only(marks)

    async def suspend(self, account: Account, *, suspended: bool) -> None:
        """Refuse the account at every door from now on, or take it back."""
        await self._accounts.suspend(account.user_id, suspended=suspended)

    async def find_account(self, who: str) -> Account | None:
        """The account with this e-mail or user id."""
        return await self._accounts.find(who)

    async def explain(self, account: Account) -> dict[str, Any]:
        """Every window of the account, of its live keys and of the house's own budgets: limit, used, held, left, reset;
        and whether the account is suspended."""
        plans = await self.plans()
        plan = plans.get(account.plan or "") or plans.get(self._house.default_plan or "")
        now = await self._database.time()  # the house's
        when = periods(now, self._house.zone)
        account = replace(account, credit=await self._deposits.credit(account.user_id, self._house.currency))
        assistants = (await self.assistants()).values()
        budgets = {**self._house.budgets}
        budgets |= {Subject("assistant", one.slug): one.limits for one in assistants if one.limits}
        look = self._admission.look
        live = await look(Subject("account", account.user_id), now, when)
        wider = [(subject, limits, await look(subject, now, when)) for subject, limits in budgets.items()]
        for key in await self.keys.of(account.user_id):
            if key.limits and key.live(now):
                mine = Subject("key", key.id)
                wider.append((mine, key.limits, await look(mine, now, when)))
        return {**explain(account, plan, live, wider, when), "suspended": account.suspended}

    async def rebuild(self) -> int:
        """Forget all live windows, so that each is loaded from the ledger again; how many there were."""
        return await self._admission.rebuild()

    async def deposit(self, account: Account, amount: int, note: str) -> int:
        """Pay in (or take back) so much, in 10⁻⁹ of the currency; what was paid in altogether now."""
        currency = self._house.currency
        paid = Deposit(uuid.uuid4().hex, account.user_id, amount, currency, datetime.now(UTC), note)
        await self._deposits.deposit(paid)
        return await self._deposits.credit(account.user_id, currency)

    async def close_house(self, sentence: str | None) -> None:
        """Admit nobody, with this sentence for the guests; None: admit again."""
        await self._catalogue.close(sentence)

    async def closed(self) -> str | None:
        """The sentence of a closed house, or None."""
        return (await self._catalogue.read()).closed

    async def lines(self) -> dict[str, Snapshot]:
        """Who runs and who waits, by provider, where a provider has a line."""
        now = await self._database.time()
        queues = [name for name, one in self._house.providers.items() if one.queue is not None]
        return {name: await self._line.snapshot(name, now) for name in queues}

    async def actions(self, who: str | None, since: datetime | None, what: str | None, limit: int) -> list[Action]:
        """The newest actions first; `who` is a user id or an operator's name."""
        return await self._actions.newest(who=who, since=since, what=what, limit=limit)

    async def note(self, action: Action) -> None:
        """Write an operator's action down."""
        await self._actions.add([action])

    async def usage(
        self, account: Account | None, since: datetime | None, limit: int, turn: str | None = None
    ) -> list[dict[str, Any]]:
        """The newest ledger rows; `turn` is the id of a turn or of one of its calls."""
        return await self._ledger.rows(account.user_id if account else None, since, limit, turn=turn)

    async def counters(self) -> dict[str, int]:
        """What the engines count: `traces_sent`, `traces_dropped`."""
        return await self._counters.total()

    async def close(self) -> None:
        """Close the connections."""
        await self._valkey.close()
        await self._database.close()


@asynccontextmanager
async def open_books(house: House) -> AsyncIterator[Books]:
    """The books of a running house. Raises HouseError when it does not run, StoreDown when a store is down."""
    books = Books(house)
    try:
        yield books
    finally:
        await books.close()
