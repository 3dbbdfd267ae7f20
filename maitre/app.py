"""The engine's composition root: with `maitre.books`, the operator's, the only place that names adapters."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
import uuid
from datetime import UTC, datetime, timedelta
from functools import partial

from maitre.accounts.accounts_postgres import PostgresAccounts
from maitre.actions.actions_postgres import PostgresActions
from maitre.actions.diary import Diary
from maitre.assistants import answer_jsonschema
from maitre.assistants.catalogue_postgres import PostgresCatalogue
from maitre.billing.journal_jsonl import FileJournals
from maitre.billing.ledger_journaled import JournaledLedger
from maitre.billing.ledger_postgres import PostgresLedger
from maitre.chat.embedding import Embeddings
from maitre.chat.enquiries import Enquiries
from maitre.chat.filters import Filters
from maitre.chat.foreign import ForeignTurns
from maitre.chat.menu import Menu
from maitre.chat.pulse import BEAT
from maitre.chat.requests import Requests
from maitre.chat.resemblance import Resemblance
from maitre.chat.terms import Terms
from maitre.chat.turn import Turns
from maitre.clock import HouseClock
from maitre.errors import StoreDown
from maitre.keys.guesses import Guesses
from maitre.keys.keys import Keys
from maitre.keys.keys_postgres import PostgresKeys
from maitre.keys.redis_guesses import RedisFailures
from maitre.knowledge.rag_client_http import RagClient
from maitre.knowledge.rag_http import HttpKnowledge
from maitre.memory.indexing_postgres import PostgresIndexing
from maitre.memory.sessions_postgres import PostgresSessions
from maitre.memory.summaries_postgres import PostgresSummaries
from maitre.memory.turn_index_http import HttpTurnIndex
from maitre.providers.keyring import Keyring
from maitre.providers.kinds_http import upstream_of
from maitre.providers.pool import pool_of
from maitre.providers.provider_keys import ProviderKeys
from maitre.providers.provider_keys_postgres import PostgresProviderKeys
from maitre.providers.seal_aesgcm import AesGcmSeal
from maitre.queue.redis_line import RedisLine
from maitre.quota.redis_store import RedisQuotaStore
from maitre.quota.subject import HOUSE, Subject
from maitre.rounds import Rounds
from maitre.routing.likenesses_postgres import PostgresLikenesses
from maitre.settings import House
from maitre.sql.postgres import Database
from maitre.tools import arguments_jsonschema, search
from maitre.tools.searching import Searching
from maitre.tools.toolbox import Toolbox
from maitre.tools.tools_http import HttpTools
from maitre.tracing.langfuse_tracer import LangfuseTracer
from maitre.tracing.redis_counters import RedisCounters
from maitre.tracing.untraced import NOWHERE, Untraced
from maitre.tracing.witness import Witness
from maitre.valkey.redis_wire import Valkey

log = logging.getLogger(__name__)

REFRESH = 2.0  # seconds between looks at the catalogue, the sweep and the counters
STEP = timedelta(seconds=5)  # a clock that is set by so much is worth a word
GRACE = 2.0  # seconds that living calls have to renew their rows after Postgres was down; more than two beats
DRAIN = 2.0  # seconds that open settlements get when the engine closes
STOP = 0.5  # seconds that a step of the house-keeping gets to end


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


def new_id() -> str:
    """An id that no other call, turn or process has."""
    return uuid.uuid4().hex


def _tracer(house: House) -> LangfuseTracer | Untraced:
    url = house.endpoint("traces")
    if url == NOWHERE:
        return Untraced()
    return LangfuseTracer(url, house.secret("langfuse_public_key"), house.secret("langfuse_secret_key"))


class Engine:
    """Everything that a door needs to serve turns. Build and use it on one event loop."""

    def __init__(self, house: House) -> None:
        self.house = house
        self._id = new_id()
        self._clock = HouseClock(datetime.now(UTC), time.monotonic)
        self._database = Database(house.endpoint("postgres"))
        self._valkey = Valkey(house.endpoint("valkey"))
        self._store = RedisQuotaStore(self._valkey)
        self._counters = RedisCounters(self._valkey)
        self._tracer = _tracer(house)
        self._keyring = Keyring()
        self._provider_keys = ProviderKeys(
            PostgresProviderKeys(self._database), AesGcmSeal(lambda: house.secret("sealing_key"))
        )
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
        self._rag: RagClient | None = None
        index, knowledge = None, None
        if house.rag is not None:
            self._rag = RagClient(partial(house.endpoint, "rag"), house.secret("rag_key"), time.time, time.monotonic)
            index, knowledge = HttpTurnIndex(self._rag), HttpKnowledge(self._rag)
        self._tools = HttpTools(house.tools)
        searching = [] if knowledge is None else [(search.TOOL, Searching(knowledge))]
        self.turns = Turns(
            terms=terms_of(house),
            accounts=self.accounts,
            source=PostgresCatalogue(self._database),
            store=self._store,
            line=line,
            ledger=self._ledger,
            sessions=self.sessions,
            summaries=PostgresSummaries(self._database),
            indexing=PostgresIndexing(self._database),
            index=index,
            budgets=house.budgets,
            queues=queues,
            upstreams=self._upstreams,
            models=house.models,
            aliases=house.aliases,
            health=self._upstreams,
            prices=house.prices,
            check=answer_jsonschema.problem,
            tools=Toolbox(arguments_jsonschema.problem, [*searching, *self._tools.tools()]),
            knowledge=knowledge,
            tracer=self._tracer,
            clock=self._clock,
            new_id=new_id,
        )
        self.keys = Keys(PostgresKeys(self._database, house.currency), self._clock, lambda: secrets.token_urlsafe(32))
        retention = timedelta(days=house.retention_days)
        self.diary = Diary(PostgresActions(self._database), self._clock, retention)
        self.enquiries = Enquiries(
            self.turns.reception, self.turns.admission, self._books, line, list(queues), house.aliases, self._clock,
            house.zone,
        )  # fmt: skip
        self.embeddings = Embeddings(self.turns, house.models, house.aliases, house.rag)
        if house.rag is not None:
            likenesses = PostgresLikenesses(self._database)
            self.turns.reception.resemblance = Resemblance(self.embeddings, likenesses, house.rag.embedding)
        self.guesses = Guesses(RedisFailures(self._valkey), house.wrong_keys_per_minute, time.monotonic)
        self.menu = Menu(self.turns.reception, house)
        self.requests = Requests(house.secret("stamp"), self._clock, new_id)
        foreign = ForeignTurns(self.turns, self._ledger, house.prices)
        self.filters = Filters(
            self.turns, self.menu, self.requests, foreign, Witness(self._tracer), partial(datetime.now, UTC)
        )
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
        if self.turns.index_round is not None:
            self.turns.index_round.begin()

    def counters(self) -> dict[str, int]:
        """What this process counts: what tracing sent and dropped, and actions that could not be kept."""
        return {**self._tracer.counters(), "actions_dropped": self.diary.dropped}

    def connections(self) -> dict[str, int]:
        """Open connections to the stores, and calls under way at each upstream (`upstream-NAME`)."""
        upstreams = {f"upstream-{name}": pool.busy for name, pool in self._upstreams.items()}
        return {"postgres": self._database.connections, "valkey": self._valkey.connections, **upstreams}

    async def ready(self) -> None:
        """Raises StoreDown unless turns can be served: the catalogue was read, and both stores answer."""
        if not self.turns.reception.catalogue.version:
            raise StoreDown("The catalogue was not read yet.")
        await asyncio.gather(self._database.time(), self._store.generation(HOUSE))

    async def close(self) -> None:
        """Settle what can be settled, then close the stores."""
        for task in self._keeping:
            task.cancel()
        if self._keeping:
            # One that waits for a Postgres that hangs is left: a server has ten seconds to end.
            await asyncio.wait(self._keeping, timeout=STOP)
        await asyncio.gather(self.turns.drain(DRAIN), self.diary.drain(DRAIN), asyncio.to_thread(self._tracer.close))
        for upstream in self._upstreams.values():
            await upstream.close()
        await self._tools.close()
        if self._rag is not None:
            await self._rag.close()
        await self._journals.close()
        await self._valkey.close()
        await self._database.close()
