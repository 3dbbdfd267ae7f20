"""The first three steps of a turn: who asks, which assistant or model, what prompt and of what size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Protocol

from maitre.accounts.account import Account
from maitre.assistants.assistant import Assistant
from maitre.assistants.catalogue import Catalogue
from maitre.chat import prompt
from maitre.chat.giving import Giving
from maitre.chat.message import Guest, TurnRequest
from maitre.chat.openai_wire import LONGEST_TOKEN, images_in
from maitre.chat.prepared import Prepared
from maitre.chat.recall import Recall
from maitre.chat.resemblance import Resemblance
from maitre.chat.route import Crossing, crossing
from maitre.chat.terms import Terms, strictest
from maitre.chat.text import larger
from maitre.errors import BadRequest, Forbidden, StoreDown, Told, Unavailable, UnknownModel
from maitre.providers.alias import Alias, models_of
from maitre.providers.provider import Model
from maitre.providers.size import PER_IMAGE, Ratios, weigh
from maitre.providers.upstream import Upstream
from maitre.quota.plan import Plan
from maitre.quota.reservation import BACKGROUND
from maitre.quota.subject import Subject

#: A request larger than this is refused before anything of it is copied; pictures count as they are. Characters.
LARGEST_REQUEST = 16 * 1024 * 1024

#: A prompt larger than this is refused before its tokens are counted. UTF-8 bytes of text.
LARGEST_PROMPT = 8 * 1024 * 1024

#: An answer must have room for this many tokens, or the conversation counts as too long.
SHORTEST_ANSWER = 16

#: Guests that are remembered for the time when Postgres is down.
KNOWN = 10_000


class Accounts(Protocol):
    """Who guests are."""

    async def arrive(self, user_id: str, email: str, name: str) -> tuple[Account, int]:
        """The guest's account, made if new, and the catalogue's current version."""


class CatalogueSource(Protocol):
    """Where plans and assistants are."""

    async def read(self) -> Catalogue:
        """All of them, of one version."""


class Reception:
    """Knows the guests and the catalogue."""

    def __init__(
        self,
        terms: Terms,
        accounts: Accounts,
        source: CatalogueSource,
        upstreams: Mapping[str, Upstream],
        models: Mapping[str, Model],
        aliases: Mapping[str, Alias],
        ratios: Ratios,
        new_id: Callable[[], str],
        doubt: Callable[[Iterable[Subject]], None],
        memory: Recall,
        giving: Giving,
    ) -> None:
        self.catalogue = Catalogue()
        self.resemblance: Resemblance | None = None  # in a house that makes embeddings
        self._doubt, self._memory, self._giving = doubt, memory, giving
        self._known: dict[str, Account] = {}  # the newest guests, for plans that are served while Postgres is down
        self._terms, self._accounts, self._source = terms, accounts, source
        self._upstreams, self._models, self._aliases, self._ratios = upstreams, models, aliases, ratios
        self._new_id = new_id

    async def prepare(self, request: TurnRequest, *, streamed: bool) -> Prepared:
        """Who asks, for which assistant or model, with what prompt. Raises Refusal or StoreDown."""
        guest, stamp = request.guest, request.stamp
        if stamp is not None and stamp.refusal:
            raise Told(stamp.refusal, stamp.refusal_status)
        fits(request.messages, {name: value for name, value in request.params.items() if name != "messages"})
        account, plan = await self.welcome(guest)
        own_id = "" if stamp else request.id or self._new_id()
        turn_id = stamp.turn_id if stamp else own_id
        if request.key is not None and not request.key.opens(request.model):  # before a router's embedding is paid for
            raise UnknownModel("unknown_model", model=request.model)
        kind = stamp.kind if stamp else request.kind
        groups = request.groups or self._terms.groups.get(account.email.lower(), ())
        router = crossing(request, groups, account, plan, self.catalogue)
        way = None if router is None else router.way(await self._like(router, request, kind, turn_id))
        assistant, (model, *others) = self._which(f"assistants.{way.assistant}" if way else request.model, plan)
        if model.embedding:
            raise BadRequest("only_embeddings", model=model.name)
        if request.strict and request.params.get("tools"):
            if not model.tools or (assistant is not None and not assistant.tools):
                raise BadRequest("no_tools", model=(assistant or model).name)
            others = [one for one in others if one.tools]
        if assistant is not None:
            assistant = assistant.filled(request.variables)
        body = prompt.build(assistant, model, request.messages, request.params, kind=kind)
        prepared = Prepared(
            request=request,
            account=account,
            plan=plan,
            assistant=assistant,
            model=model,
            body=body,
            kind=kind,
            turn_id=turn_id,
            request_id=own_id,
            weight=0,
            extra=0,
            prompt_tokens=0,
            max_tokens=0,
            record=strictest(
                self._terms.record, plan.record, request.record, assistant.record if assistant else "full"
            ),
            streamed=streamed,
            others=tuple(others),
            variant=way.variant if way else "",
            groups=groups,
        )
        try:
            prepared = await self.sized(prepared, prompt.wanted_tokens(assistant, request.params))
        except BadRequest:
            if not others:
                raise
            prepared = await self.for_the_next(prepared)
        return prepared

    async def _like(self, router: Crossing, request: TurnRequest, kind: str, turn_id: str) -> str | None:
        """Whom the question is most like, where the router's way depends on it. A task's never does."""
        if self.resemblance is None or kind == "task" or (similar := router.similar) is None:
            return None
        asked = replace(request, record=strictest(request.record, router.record))
        return await self.resemblance.of(asked, router.facts.text, turn_id, similar, self.catalogue, router.open_to)

    async def for_the_next(self, prepared: Prepared) -> Prepared:
        """The same call for the first of its other models that it is not too long for, with as much of its passages and
        its memory as fits there. Raises BadRequest when it is too long for all of them."""
        wanted: int | None = prepared.max_tokens  # a summary is as short whoever writes it
        if prepared.kind not in BACKGROUND:
            wanted = prompt.wanted_tokens(prepared.assistant, prepared.request.params)
        model, *others = prepared.others
        alone = self._giving.without(self._memory.without(prepared))
        instead = replace(alone, model=model, others=tuple(others), body=prompt.for_model(alone.body, model))
        try:
            instead = await self.sized(instead, wanted)
        except BadRequest:
            if not others:
                raise
            return await self.for_the_next(instead)
        return await self.fitted(instead)

    async def fitted(self, prepared: Prepared) -> Prepared:
        """The call with as much as fits of what was found for it, and then of its memory."""
        return await self._memory.fit(await self._giving.give(prepared, self.sized), self.sized)

    async def welcome(self, guest: Guest) -> tuple[Account, Plan]:
        """As `arrive`, but raises Told with the operator's sentence while the house is closed."""
        account, plan = await self.arrive(guest)
        if self.catalogue.closed is not None:
            raise Told(self.catalogue.closed, Unavailable.status)
        return account, plan

    async def arrive(self, guest: Guest) -> tuple[Account, Plan]:
        """The guest's account and plan, under the current catalogue. Raises Forbidden of a suspended one,
        UnknownModel without a plan; StoreDown, unless the plan of a guest whom we know is served unchecked then."""
        try:
            if guest.arrived is not None:
                account, version = guest.arrived.account, guest.arrived.version
            else:
                account, version = await self._accounts.arrive(guest.user_id, guest.email, guest.name)
            if version != self.catalogue.version:
                await self.refresh()
        except StoreDown:
            known = self._known.get(guest.user_id)
            if known is None or (plan := self.plan_of(known)) is None or plan.fail != "open":
                raise
            return known, plan
        if account.suspended:
            self._known.pop(account.user_id, None)
            raise Forbidden("suspended")
        plan = self.plan_of(account)
        if plan is None:
            raise UnknownModel("no_plan")
        self._remember(account)
        return account, plan

    async def refresh(self) -> None:
        """Read the catalogue again. Windows of assistants whose limits changed are doubted: they were not counted
        while there was no limit."""
        fresh = await self._source.read()
        before, after = self.catalogue.assistants, fresh.assistants
        changed = [
            Subject("assistant", slug)
            for slug in before.keys() | after.keys()
            if _limits(before.get(slug)) != _limits(after.get(slug))
        ]
        self._doubt(changed)
        self.catalogue = fresh

    def unchecked(self, accounts: Iterable[Account]) -> list[Subject]:
        """Those among the accounts who are served without a look at their windows when a store is down."""
        plans = ((account, self.plan_of(account)) for account in accounts)
        return [Subject("account", account.user_id) for account, plan in plans if plan and plan.fail == "open"]

    def plan_of(self, account: Account) -> Plan | None:
        """The account's plan, else the house's default, as the catalogue was last read."""
        plans = self.catalogue.plans
        return plans.get(account.plan or "") or plans.get(self._terms.default_plan or "")

    def _remember(self, account: Account) -> None:
        self._known.pop(account.user_id, None)
        self._known[account.user_id] = account
        if len(self._known) > KNOWN:
            self._known.pop(next(iter(self._known)))

    def _which(self, public: str, plan: Plan) -> tuple[Assistant | None, tuple[Model, ...]]:
        """The assistant, if it is one, and its models, the one to ask first before the others."""
        door, _, name = public.partition(".")
        if door == "assistants" and (assistant := self.catalogue.assistants.get(name)) and assistant.enabled:
            models = models_of(assistant.model, self._models, self._aliases)
            if models and assistant.open_to(plan.slug):
                return assistant, models
            if models:
                raise UnknownModel("not_in_plan", model=assistant.name, plan=plan.name)
        elif door == "models" and (models := models_of(name, self._models, self._aliases)):
            if name in plan.models:
                return None, models
            known = self._aliases.get(name) or models[0]
            raise UnknownModel("not_in_plan", model=known.name, plan=plan.name)
        raise UnknownModel("unknown_model", model=public)

    async def sized(self, prepared: Prepared, wanted: int | None) -> Prepared:
        """The prompt's size, and the largest answer: what was wanted, capped by the plan and the context."""
        weight, extra = weigh(prepared.body)
        context = prepared.model.context
        too_long = BadRequest("too_long")
        if weight > LARGEST_PROMPT or (context and weight > context * LONGEST_TOKEN):
            raise too_long
        upstream = self._upstreams[prepared.model.provider]
        tokens = await upstream.count_prompt(prepared.body)
        if tokens is None:
            tokens = self._ratios.tokens(prepared.model.id, weight) + extra
        else:
            tokens += PER_IMAGE * images_in(prepared.body["messages"])  # a tokenizer sees a picture as one mark
        cap = min(prepared.plan.max_answer_tokens, wanted or prepared.plan.max_answer_tokens)
        if prepared.kind == "task":
            cap = min(cap, self._terms.task_max_tokens)
        if context:
            if context - tokens < SHORTEST_ANSWER:
                raise too_long
            cap = min(cap, context - tokens)
        return replace(prepared, weight=weight, extra=extra, prompt_tokens=tokens, max_tokens=cap)


def fits(*parts: object) -> None:
    """Raises BadRequest when a request with these parts is larger than any that is served."""
    if larger(parts, LARGEST_REQUEST):
        raise BadRequest("too_long")


def _limits(assistant: Assistant | None) -> Mapping[str, int]:
    return {} if assistant is None else assistant.limits
