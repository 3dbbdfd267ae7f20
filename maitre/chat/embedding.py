"""Embeddings: metered as a turn is, with a hold of the prompt and no answer.

The only way to an embedder, for other parts of the house too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from maitre.chat import embedding_wire
from maitre.chat.message import TurnRequest
from maitre.chat.openai_wire import LONGEST_TOKEN
from maitre.chat.prepared import Prepared
from maitre.chat.reception import LARGEST_PROMPT
from maitre.chat.terms import strictest
from maitre.chat.turn import Turns
from maitre.chat.wait import Unheard
from maitre.errors import BadRequest, UnknownModel
from maitre.knowledge.collection import Rag
from maitre.providers.alias import Alias, models_of
from maitre.providers.provider import Model
from maitre.providers.size import Ratios
from maitre.quota.plan import Plan


class Embeddings:
    """Serves requests for embeddings."""

    def __init__(
        self, turns: Turns, models: Mapping[str, Model], aliases: Mapping[str, Alias], rag: Rag | None
    ) -> None:
        """`rag`: how the house makes its knowledge. Its RAG service and Open WebUI use that model for a guest whatever
        the plan."""
        self._turns, self._models, self._aliases, self._rag = turns, models, aliases, rag
        self._own = rag.embedding if rag is not None else ""
        self._ratios = Ratios()

    async def answer(self, request: TurnRequest) -> dict[str, Any]:
        """The embeddings of `request.params["input"]`, which is as `embedding_wire.EMBEDDING` has it. Raises Refusal;
        its sentence is the turns'."""
        try:
            async with asyncio.timeout(self._turns.terms.max_turn_seconds) as limit:
                texts = embedding_wire.inputs(request.params)
                prepared = await self._prepare(request, texts)
                body = embedding_wire.body(request.params, prepared.model.upstream, texts)
                made, usage = await self._turns.calls.embed(prepared, body, Unheard(request), limit)
                if not usage.estimated:
                    self._ratios.learn(prepared.model.id, prepared.weight, usage.prompt_tokens - prepared.extra)
                return embedding_wire.shown(made, request.model, usage, request.params.get("encoding_format"))
        except Exception as fault:
            raise self._turns.refusal_of(fault) from fault

    async def question(self, request: TurnRequest, text: str, turn_id: str) -> Sequence[float]:
        """The embedding of what a guest asks in a turn, by the house's own model: a row of the turn's, and no request.
        Raises Refusal, StoreDown; KnowledgeDown when the guest's turn will be refused."""
        assert self._rag is not None
        form = self._rag.query
        params = {"model": self._own, "input": form.prefix + text}
        params |= {"input_type": form.input_type} if form.input_type else {}
        own = f"models.{self._own}"
        asked = replace(request, model=own, params=params, stamp=None, house=True, id="", turn_id=turn_id)
        async with asyncio.timeout(self._turns.terms.max_turn_seconds) as limit:
            texts = embedding_wire.inputs(params)
            prepared = await self._prepare(asked, texts)
            await self._turns.outlook.check(prepared)
            body = embedding_wire.body(params, prepared.model.upstream, texts)
            made, _ = await self._turns.calls.embed(prepared, body, Unheard(asked), limit)
        return embedding_wire.numbers(made[0])

    async def _prepare(self, request: TurnRequest, texts: list[str | list[int]]) -> Prepared:
        account, plan = await self._turns.reception.welcome(request.guest)
        model = self._which(request, plan)
        weight, extra = embedding_wire.size(texts)
        largest = max(embedding_wire.size([text])[0] for text in texts)
        if weight > LARGEST_PROMPT or (model.context and largest > model.context * LONGEST_TOKEN):
            raise BadRequest("too_long")
        said = [
            {"role": "user", "content": text if isinstance(text, str) else f"({len(text)} tokens)"} for text in texts
        ]
        return Prepared(
            request=request,
            account=account,
            plan=plan,
            assistant=None,
            model=model,
            body={"messages": said},  # as it is recorded
            kind="embedding",
            turn_id=request.turn_id or request.id,
            request_id=request.id,
            weight=weight,
            extra=extra,
            prompt_tokens=self._ratios.tokens(model.id, weight) + extra,
            max_tokens=0,
            record=strictest(self._turns.terms.record, plan.record, request.record),
            streamed=False,
            repeated=self._for_the_house(request),  # tokens and money of the guest, and no request
        )

    def _for_the_house(self, request: TurnRequest) -> bool:
        """Whether it makes the house's knowledge, of a guest's question or file, by the house's own model."""
        return request.model.removeprefix("models.") == self._own and (request.house or request.key is None)

    def _which(self, request: TurnRequest, plan: Plan) -> Model:
        id, own = request.model.removeprefix("models."), self._for_the_house(request)
        models = models_of(id, self._models, self._aliases)
        if not models or (request.key is not None and not own and not request.key.opens(request.model)):
            raise UnknownModel("unknown_model", model=request.model)
        name = (self._aliases.get(id) or models[0]).name
        if id not in plan.models and not own:
            raise UnknownModel("not_in_plan", model=name, plan=plan.name)
        if not models[0].embedding:
            raise BadRequest("only_chats", model=name)
        return models[0]  # an alias of an embedder has no second one
