"""The composition root: the only place that names adapters.

`Engine` serves turns in a door's process; `open_books` is the operator's way into Maitre's database.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from maitre.accounts.account import Account, Arrived
from maitre.accounts.accounts_postgres import PostgresAccounts
from maitre.actions.action import Action
from maitre.actions.actions_postgres import PostgresActions
from maitre.actions.diary import Diary
from maitre.assistants import answer_jsonschema
from maitre.assistants.assistant import Assistant
from maitre.assistants.catalogue_postgres import PostgresCatalogue
from maitre.billing.deposits import Deposit
from maitre.billing.deposits_postgres import PostgresDeposits
from maitre.billing.journal_jsonl import FileJournals
from maitre.billing.ledger_journaled import JournaledLedger
from maitre.billing.ledger_postgres import PostgresLedger
from maitre.chat import inlet, stamp
from maitre.chat.embedding import Embeddings
from maitre.chat.enquiries import Enquiries
from maitre.chat.foreign import ForeignTurns
from maitre.chat.message import Guest, TurnRequest
from maitre.chat.pulse import BEAT
from maitre.chat.reception import fits
from maitre.chat.terms import Terms, strictest
from maitre.chat.text import clean, clean_deep
from maitre.chat.turn import Turns
from maitre.clock import HouseClock
from maitre.errors import BadRequest, Forbidden, StoreDown, UnknownModel
from maitre.keys.guesses import Guesses
from maitre.keys.key import Key
from maitre.keys.keys import Keys
from maitre.keys.keys_postgres import PostgresKeys
from maitre.keys.redis_guesses import RedisFailures
from maitre.memory.sessions_postgres import PostgresSessions
from maitre.providers.alias import on_the_menu
from maitre.providers.keyring import Keyring
from maitre.providers.kinds_http import upstream_of
from maitre.providers.pool import pool_of
from maitre.providers.provider_keys import ProviderKeys
from maitre.providers.provider_keys_postgres import PostgresProviderKeys
from maitre.providers.seal_aesgcm import AesGcmSeal
from maitre.queue.line import Snapshot
from maitre.queue.redis_line import RedisLine
from maitre.quota.admission import Admission
from maitre.quota.explain import explain
from maitre.quota.plan import Plan
from maitre.quota.redis_store import RedisQuotaStore
from maitre.quota.subject import HOUSE, Subject
from maitre.quota.window import periods
from maitre.rounds import Rounds
from maitre.settings import House
from maitre.sql.postgres import Database
from maitre.tools import arguments_jsonschema
from maitre.tools.toolbox import Toolbox
from maitre.tools.tools_http import HttpTools
from maitre.tracing.langfuse_tracer import LangfuseTracer
from maitre.tracing.redis_counters import RedisCounters
from maitre.tracing.witness import Witness
from maitre.valkey.redis_wire import Valkey

log = logging.getLogger(__name__)

REFRESH = 2.0  # seconds between looks at the catalogue, the sweep and the counters
STEP = timedelta(seconds=5)  # a clock that is set by so much is worth a word
GRACE = 2.0  # seconds that living calls have to renew their rows after Postgres was down; more than two beats
DRAIN = 2.0  # seconds that open settlements get when the engine closes


def terms_of(house: House) -> Terms:
    """The house's terms for a turn."""
    return Terms(
        zone=house.zone,
        language=house.language,
        currency=house.currency,
        default_plan=house.default_plan,
        task_max_tokens=house.task_max_tokens,
        max_turn_seconds=house.max_turn_seconds,
        record=house.record,
        retention_days=house.retention_days,
        role_weights=house.role_weights,
        groups={user.email: user.groups for user in house.users if user.groups},
        show_route=house.webui.show_route,
    )


def provider_keys(house: House, database: Database) -> ProviderKeys:
    """The house's sealed provider keys."""
    return ProviderKeys(PostgresProviderKeys(database), AesGcmSeal(lambda: house.secret("sealing_key")))


class Engine:
    """Everything that a door needs to serve turns. Build and use it on one event loop."""

    def __init__(self, house: House) -> None:
        self.house = house
        self._id = uuid.uuid4().hex
        self._secret = house.secret("stamp")
        self._clock = HouseClock(datetime.now(UTC), time.monotonic)
        self._database = Database(house.endpoint("postgres"))
        self._valkey = Valkey(house.endpoint("valkey"))
        self._store = RedisQuotaStore(self._valkey)
        self._counters = RedisCounters(self._valkey)
        self._tracer = LangfuseTracer(
            house.endpoint("traces"), house.secret("langfuse_public_key"), house.secret("langfuse_secret_key")
        )
        self._keyring = Keyring()
        self._provider_keys = provider_keys(house, self._database)
        self._sealed = frozenset(one.sealed_key for one in house.providers.values() if one.sealed_key)
        speak = partial(upstream_of, keyring=self._keyring)
        self._upstreams = {name: pool_of(house.provider(name), speak, time.monotonic) for name in house.providers}
        self._books = PostgresLedger(self._database, house.prices, grace=GRACE)
        self._journals = FileJournals(house.state / "journal", self._id)
        self._ledger = JournaledLedger(self._books, self._journals, self._store.unload)
        self.accounts = PostgresAccounts(self._database, house.currency)
        line = RedisLine(self._valkey)
        queues = {name: one.queue for name, one in house.providers.items() if one.queue is not None}
        self.sessions = PostgresSessions(self._database)
        self._tools = HttpTools(house.tools)
        self.turns = Turns(
            terms=terms_of(house),
            accounts=self.accounts,
            source=PostgresCatalogue(self._database),
            store=self._store,
            line=line,
            ledger=self._ledger,
            sessions=self.sessions,
            budgets=house.budgets,
            queues=queues,
            upstreams=self._upstreams,
            models=house.models,
            aliases=house.aliases,
            health=self._upstreams,
            prices=house.prices,
            check=answer_jsonschema.problem,
            tools=Toolbox(arguments_jsonschema.problem, self._tools.tools()),
            tracer=self._tracer,
            clock=self._clock,
            new_id=lambda: uuid.uuid4().hex,
        )
        self.keys = Keys(PostgresKeys(self._database, house.currency), self._clock, lambda: secrets.token_urlsafe(32))
        retention = timedelta(days=house.retention_days)
        self.diary = Diary(PostgresActions(self._database), self._clock, retention)
        self.enquiries = Enquiries(
            self.turns.reception, self.turns.admission, self._books, line, list(queues), self._clock, house.zone
        )
        self.embeddings = Embeddings(self.turns, house.models)
        self.guesses = Guesses(RedisFailures(self._valkey), house.wrong_keys_per_minute, time.monotonic)
        self._foreign = ForeignTurns(self.turns, self._ledger, house.prices)
        self._witness = Witness(self._tracer)
        self._fresh = False  # whether what may be wrong was forgotten since this process began, or Valkey was down
        self._away = False  # whether Valkey was down since
        self._keeping: list[asyncio.Task[None]] = []
        self._told_time = False  # whether Postgres has told us the time

    async def start(self) -> None:
        """Read the catalogue and begin the house-keeping. A store that is down is asked again later."""
        house = Rounds(
            REFRESH,
            self._keep_time,
            self._ledger.replay,
            self._keep_windows,
            self._keep_books,
            self.keys.note_uses,
            self.diary.write,
        )
        pulse = Rounds(BEAT, self.turns.pulse.beat)
        self._keeping = [asyncio.create_task(rounds.run()) for rounds in (house, pulse)]

    async def _keep_time(self) -> None:
        """Set the clock by Postgres's. After a step our holds are renewed before anybody sweeps by the new time."""
        step = self._clock.set(await self._database.time())
        if abs(step) >= STEP and self._told_time:
            log.warning("Postgres's clock was set by %.0f seconds; the house's follows it.", step.total_seconds())
        self._told_time = True
        await self.turns.pulse.beat()
        await self.turns.reception.refresh()
        await self._provider_keys.follow(self.turns.reception.catalogue.version, self._sealed, self._keyring)

    async def _keep_windows(self) -> None:
        # What others could not count, of whom not all live, and limits that are new: the ledger has all of it.
        doubtful = None if self._fresh or self._away else await self._doubtful()
        try:
            if not self._fresh:
                await self._store.unload(doubtful)
                self._fresh, self._away = True, False
            await self.turns.settlements.resolve_doubts()
            await self._counters.publish(self._id, self._tracer.counters())
        except StoreDown:
            self._fresh, self._away = False, True
            raise

    async def _doubtful(self) -> list[Subject]:
        """Whose live windows may be wrong when this process begins. All others keep what they hold: a call of theirs
        that died with its process had a hold, which expires."""
        if not self.turns.reception.catalogue.version:
            await self.turns.reception.refresh()
        unchecked = self.turns.reception.unchecked((await self.accounts.all()).values())
        return [*self.house.budgets, *unchecked]

    async def _keep_books(self) -> None:
        await self.turns.sweep()
        await self._books.forget(self._clock(), timedelta(days=self.house.retention_days))
        await self.diary.forget()
        await self.sessions.forget(self._clock())

    def offered(self, door: str) -> list[dict[str, str]]:
        """The models of a manifold (`assistants` or `models`) as the Pipelines server lists them; from memory."""
        # Until Postgres was read once, the house's files are the best guess; what is served is never guessed.
        catalogue = known if (known := self.turns.reception.catalogue).version else self.house
        if door == "assistants":
            assistants = catalogue.assistants
            listed = [(one.slug, one.name) for one in assistants.values() if one.enabled]
            listed.append((inlet.REFUSED.partition(".")[2], "Refused"))
        else:
            plans = [plan.models for plan in catalogue.plans.values()]
            listed = list(on_the_menu(self.house.models, self.house.aliases, plans).items())
        return [{"id": id, "name": name} for id, name in listed]

    def public_id(self, name: str) -> str:
        """The public id of what a client calls a model: with its manifold before it, else an assistant's slug, else a
        model's id."""
        if inlet.is_ours(name):
            return name
        return f"{'assistants' if name in self.turns.reception.catalogue.assistants else 'models'}.{name}"

    async def arrive(self, user: Mapping[str, Any]) -> tuple[Account, Plan]:
        """A user's account and plan, in a closed house too. Raises Refusal, StoreDown."""
        return await self.turns.reception.arrive(_guest(user))

    async def offers(self, user: Mapping[str, Any], key: Key | None) -> list[tuple[str, str]]:
        """What a user may use, as public ids and names: assistants first. Raises Refusal, StoreDown."""
        _, plan = await self.turns.reception.welcome(_guest(user))
        assistants = self.turns.reception.catalogue.assistants.values()
        offered = [(f"assistants.{one.slug}", one.name) for one in assistants if one.open_to(plan.slug)]
        names = on_the_menu(self.house.models, self.house.aliases, [plan.models])
        offered += [(f"models.{id}", names[id]) for id in plan.models if id in names]
        return [(id, name) for id, name in offered if key is None or key.opens(id)]

    def stamped(self, body: Mapping[str, Any], user_id: str, model: str) -> dict[str, Any]:
        """The body with our signed stamp for this user and model, and nobody else's."""
        clean = inlet.without_key(body)
        mark = inlet.stamp_of(clean, user_id=user_id, model=model, turn_id=uuid.uuid4().hex, now=self._now())
        return {**clean, stamp.KEY: stamp.sign(mark, self._secret)}

    async def filter_inlet(
        self, body: Mapping[str, Any], user: Mapping[str, Any] | None, assistant_for: str
    ) -> dict[str, Any]:
        """The quota filter's inlet: stamp a turn of ours, admit or refuse somebody else's."""
        clean = inlet.without_key(body)
        base = inlet.base_model(clean)
        user_id = str((user or {}).get("id") or "")
        if self._serves(clean, base):
            return self.stamped(clean, user_id, base)
        guest = _guest(user or {})
        try:
            fits(clean)
            # What cannot be sent on must not be charged: the server cannot encode a lone surrogate.
            return await self._foreign.admit(guest, clean_deep(clean), assistant_for)
        except Exception as fault:  # noqa: BLE001 - whatever it is, the guest must read a sentence
            refused = self.turns.refusal_of(fault)
            mark = inlet.stamp_of(
                clean, user_id=user_id, model=inlet.REFUSED, turn_id=uuid.uuid4().hex, now=self._now()
            )
            text = self.turns.sentence(refused, TurnRequest(guest, base, (), {}, mark))
            told = replace(mark, refusal=text, refusal_status=refused.status)
            return {**clean, "model": inlet.REFUSED, stamp.KEY: stamp.sign(told, self._secret)}

    def _serves(self, body: Mapping[str, Any], model: str) -> bool:
        """Whether the turn comes to us: the model is one of ours, and not a guest's own of the same name (a direct
        connection), whose owner would read our stamp."""
        door, _, id = model.partition(".")
        ours = inlet.is_ours(model) and any(one["id"] == id for one in self.offered(door))
        return ours and not inlet.is_direct(body)

    async def filter_outlet(self, body: dict[str, Any], user: Mapping[str, Any] | None) -> dict[str, Any]:
        """The quota filter's outlet: settle a turn of somebody else's model. The body is never changed."""
        await self._foreign.settle(str((user or {}).get("id") or ""), body)
        return body

    def trace_inlet(self, body: Mapping[str, Any], user: Mapping[str, Any] | None) -> None:
        """The tracing filter's inlet: remember the beginning of a turn of somebody else's model."""
        if not self._serves(body, inlet.base_model(body)):
            self._witness.begin(body, user or {}, datetime.now(UTC))

    async def trace_outlet(self, body: Mapping[str, Any], user: Mapping[str, Any] | None) -> None:
        """The tracing filter's outlet: report the turn that the inlet remembered, as far as the guest's plan allows."""
        try:
            _, plan = await self.turns.reception.arrive(_guest(user or {}))
            record = strictest(self.house.record, plan.record)
        except (StoreDown, UnknownModel, Forbidden):
            record = "none"
        self._witness.end(body, user or {}, datetime.now(UTC), record)

    def request(self, model: str, body: Mapping[str, Any]) -> TurnRequest:
        """The request that a pipe was called with. Raises BadRequest when nobody asks."""
        user = body.get("user")
        if not isinstance(user, Mapping) or not user.get("id"):
            raise BadRequest("nobody")
        return self.request_of(user, model, body)

    def request_of(
        self,
        user: Mapping[str, Any],
        model: str,
        body: Mapping[str, Any],
        arrived: Arrived | None = None,
        **more: Any,
    ) -> TurnRequest:
        """The request of a user (`id`, `email`, `name`) of whom the door is sure, with our stamp if it is one.
        `arrived`: the user's account, where the door has just read it; `more`: other fields of the request."""
        guest, messages = _guest(user, arrived), body.get("messages") or []
        told = body.get(stamp.KEY)
        mark = stamp.verify(told, self._secret, user_id=guest.user_id, model=model, now=self._now())
        return TurnRequest(guest, model, messages if isinstance(messages, list) else [messages], body, mark, **more)

    def guest(self, user: Mapping[str, Any]) -> Guest:
        """A user (`id`, `email`, `name`) of whom the door is sure."""
        return _guest(user)

    def counters(self) -> dict[str, int]:
        """What this process counts: what tracing sent and dropped, and actions that could not be kept."""
        return {**self._tracer.counters(), "actions_dropped": self.diary.dropped}

    async def ready(self) -> None:
        """Raises StoreDown unless turns can be served: the catalogue was read, and both stores answer."""
        if not self.turns.reception.catalogue.version:
            raise StoreDown("The catalogue was not read yet.")
        await asyncio.gather(self._database.time(), self._store.generation(HOUSE))

    def _now(self) -> float:
        """The house's time, seconds since the epoch: a stamp must not end because a machine's clock is set."""
        return self._clock().timestamp()

    async def close(self) -> None:
        """Settle what can be settled, then close the stores."""
        for task in self._keeping:
            task.cancel()
        await asyncio.gather(self.turns.drain(DRAIN), asyncio.to_thread(self._tracer.close))
        for upstream in self._upstreams.values():
            await upstream.close()
        await self._tools.close()
        await self._journals.close()
        await self._valkey.close()
        await self._database.close()


def _guest(user: Mapping[str, Any], arrived: Arrived | None = None) -> Guest:
    """Somebody as Open WebUI tells it; names may hold anything, database columns may not."""
    id, email, name = (clean(str(user.get(field) or ""))[:300] for field in ("id", "email", "name"))
    return Guest(id, email, name, arrived)


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
        self.provider_keys = provider_keys(house, self._database)
        self._admission = Admission(RedisQuotaStore(self._valkey), self._ledger)
        self.keys = Keys(
            PostgresKeys(self._database, house.currency), lambda: datetime.now(UTC), lambda: secrets.token_urlsafe(32)
        )

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

    async def suspend(self, account: Account, *, suspended: bool) -> None:
        """Refuse the account at every door from now on, or take it back."""
        await self._accounts.suspend(account.user_id, suspended=suspended)

    async def find_account(self, who: str) -> Account | None:
        """The account with this e-mail or user id."""
        return await self._accounts.find(who)

    async def explain(self, account: Account) -> dict[str, Any]:
        """Every window of the account and of the house's own budgets: limit, used, held, left, reset."""
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
        return explain(account, plan, live, wider, when)

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

    async def usage(self, account: Account | None, since: datetime | None, limit: int) -> list[dict[str, Any]]:
        """The newest ledger rows."""
        return await self._ledger.rows(account.user_id if account else None, since, limit)

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
