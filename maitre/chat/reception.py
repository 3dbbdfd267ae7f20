"""The first three steps of a turn: who asks, which assistant or model, what prompt and of what size."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol

from maitre.accounts.account import Account
from maitre.assistants.assistant import Assistant
from maitre.assistants.catalogue import Catalogue
from maitre.chat import prompt
from maitre.chat.message import Guest, TurnRequest
from maitre.chat.openai_wire import images_in
from maitre.chat.prepared import Prepared
from maitre.chat.terms import Terms, strictest
from maitre.errors import BadRequest, Told, UnknownModel
from maitre.providers.provider import Model
from maitre.providers.size import PER_IMAGE, Ratios, weigh
from maitre.providers.upstream import Upstream
from maitre.quota.plan import Plan

#: A request larger than this is refused before anything is counted. UTF-8 bytes of text.
LARGEST_PROMPT = 8 * 1024 * 1024

#: No tokenizer gives fewer tokens than one for this many bytes; so much text surely does not fit.
FEWEST_TOKENS_PER_BYTE = 1 / 16

#: An answer must have room for this many tokens, or the conversation counts as too long.
SHORTEST_ANSWER = 16


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
        ratios: Ratios,
        new_id: Callable[[], str],
    ) -> None:
        self.catalogue = Catalogue()
        self._terms, self._accounts, self._source = terms, accounts, source
        self._upstreams, self._models, self._ratios = upstreams, models, ratios
        self._new_id = new_id

    async def prepare(self, request: TurnRequest) -> Prepared:
        """Who asks, for which assistant or model, with what prompt. Raises Refusal or StoreDown."""
        guest, stamp = request.guest, request.stamp
        if stamp is not None and stamp.refusal:
            raise Told(stamp.refusal, stamp.refusal_status)
        account, plan = await self.arrive(guest)
        assistant, model = self._which(request.model, plan)
        kind = stamp.kind if stamp else "turn"
        body = prompt.build(assistant, model, request.messages, request.params, kind=kind)
        prepared = Prepared(
            request=request,
            account=account,
            plan=plan,
            assistant=assistant,
            model=model,
            body=body,
            kind=kind,
            turn_id=stamp.turn_id if stamp else self._new_id(),
            weight=0,
            extra=0,
            prompt_tokens=0,
            max_tokens=0,
            record=strictest(self._terms.record, plan.record, assistant.record if assistant else "full"),
        )
        return await self.sized(prepared, prompt.wanted_tokens(assistant, request.params))

    async def arrive(self, guest: Guest) -> tuple[Account, Plan]:
        """The guest's account and plan, under the current catalogue. Raises UnknownModel without a plan."""
        account, version = await self._accounts.arrive(guest.user_id, guest.email, guest.name)
        if version != self.catalogue.version:
            await self.refresh()
        plans = self.catalogue.plans
        plan = plans.get(account.plan or "") or plans.get(self._terms.default_plan or "")
        if plan is None:
            raise UnknownModel("no_plan")
        return account, plan

    async def refresh(self) -> None:
        """Read the catalogue again."""
        self.catalogue = await self._source.read()

    def _which(self, public: str, plan: Plan) -> tuple[Assistant | None, Model]:
        door, _, name = public.partition(".")
        if door == "assistants" and (assistant := self.catalogue.assistants.get(name)) and assistant.enabled:
            model = self._models.get(assistant.model)
            if model is not None and assistant.open_to(plan.slug):
                return assistant, model
            if model is not None:
                raise UnknownModel("not_in_plan", model=assistant.name, plan=plan.name)
        elif door == "models" and (model := self._models.get(name)):
            if name in plan.models:
                return None, model
            raise UnknownModel("not_in_plan", model=model.name, plan=plan.name)
        raise UnknownModel("unknown_model", model=public)

    async def sized(self, prepared: Prepared, wanted: int | None) -> Prepared:
        """The prompt's size, and the largest answer: what was wanted, capped by the plan and the context."""
        weight, extra = weigh(prepared.body)
        context = prepared.model.context
        too_long = BadRequest("too_long")
        if weight > LARGEST_PROMPT or (context and weight * FEWEST_TOKENS_PER_BYTE > context):
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
