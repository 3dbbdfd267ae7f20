"""Turns of models that an operator connects to Open WebUI besides ours: refused early, counted as well as can be.

A filter cannot enforce a quota (docs/why.md: filters fail open, some doors run none, an outlet can be
forged), so such a model's row is opened at the inlet with a hold of prompt and largest answer. The outlet settles
it; a turn whose outlet never comes (Stop, tasks) is charged its hold when that expires. What an outlet says can
lower the prompt's charge to half of what was held for it, and the answer's to a quarter of what its text counts, never
below. Exact metering needs a model behind our manifolds.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from typing import Any

from maitre.billing.ledger import Ledger
from maitre.billing.price import PriceTable
from maitre.billing.row import Call, Settlement
from maitre.chat import openai_wire, prompt
from maitre.chat.message import Guest
from maitre.chat.text import clean
from maitre.chat.turn import Turns
from maitre.errors import StoreDown
from maitre.providers.size import Ratios, weigh

log = logging.getLogger(__name__)

DOOR = "filter"
PROVIDER = "open-webui"

#: Parameters that make more of an answer than `max_tokens` says.
_LONGER = ("max_completion_tokens", "n", "best_of")


class ForeignTurns:
    """Admission and settlement for the quota filter."""

    def __init__(self, turns: Turns, ledger: Ledger, prices: PriceTable) -> None:
        self._turns, self._holds = turns, turns.holds
        self._ledger, self._prices = ledger, prices
        self._ratios = Ratios()

    async def admit(self, guest: Guest, body: Mapping[str, Any], assistant_for: str) -> dict[str, Any]:
        """The body to send on, with the plan's largest answer. Raises Refusal or StoreDown."""
        account, plan = await self._turns.reception.welcome(guest)
        terms = self._turns.terms
        metadata = body.get("metadata") or {}
        kind = "task" if metadata.get("task") else "turn"
        model = clean(str(body.get("model") or ""))[:200]
        changed = self._under_assistant(dict(body), model, assistant_for) if kind == "turn" else dict(body)
        weight, extra = weigh({**changed, "messages": changed.get("messages") or []})
        cap = plan.max_answer_tokens if kind == "turn" else min(plan.max_answer_tokens, terms.task_max_tokens)
        cap = min(cap, openai_wire.count(changed.get("max_tokens")) or cap)
        now = self._turns.clock()
        turn_id = uuid.uuid4().hex  # not the message's id, which a client chooses: each inlet is a turn
        call = Call(
            request_id=uuid.uuid4().hex,
            turn_id=clean(str(metadata.get("message_id") or turn_id))[:200],
            chat_id=clean(str(metadata.get("chat_id") or ""))[:200],
            trace_id="",
            at=now,
            user_id=account.user_id,
            plan=plan.slug,
            door=DOOR,
            assistant="",
            provider=PROVIDER,
            model=model,
            kind=kind,
            counted=True,
            held_prompt=self._ratios.tokens(model, weight) + extra,
            held_completion=cap,
            expires_at=now + terms.foreign_ttl,
            currency=terms.currency,
            streamed=False,
        )
        call = await self._holds.enter(plan, account.credit, call, turn_id)
        cap = call.held_completion
        sent = {name: value for name, value in changed.items() if name not in _LONGER}
        return {**sent, "max_tokens": cap}

    def _under_assistant(self, body: dict[str, Any], model: str, assistant_for: str) -> dict[str, Any]:
        """Put an assistant's prompt before the messages, where the operator asked for it (`model=slug, …`)."""
        pairs = dict(pair.strip().split("=", 1) for pair in assistant_for.split(",") if "=" in pair)
        assistant = self._turns.reception.catalogue.assistants.get(pairs.get(model, "").strip())
        if assistant is None or not assistant.enabled or assistant.routing is not None:
            return body
        ours = {"role": "system", "content": prompt.system_text(assistant)}
        return {**body, "messages": [ours, *(body.get("messages") or [])]}

    async def settle(self, user_id: str, body: Mapping[str, Any]) -> None:
        """Settle the turn that an outlet tells of. An outlet must not raise: Open WebUI would swallow it."""
        try:
            turn_id = clean(str(body.get("id") or "")) if body.get("chat_id") else None
            call = await self._ledger.find_open(user_id, DOOR, clean(str(body.get("model") or "")), turn_id)
            if call is not None:
                await self._settle(call, body)
        except StoreDown as down:
            log.warning("A foreign turn will be charged its hold: %s", down)

    async def _settle(self, call: Call, body: Mapping[str, Any]) -> None:
        messages = body.get("messages")
        last: Mapping[str, Any] = next(
            (
                message
                for message in reversed(messages if isinstance(messages, list) else [])
                if isinstance(message, Mapping) and message.get("role") == "assistant"
            ),
            {},
        )
        usage = _mapping(last.get("usage")) or _mapping(_mapping(last.get("info")).get("usage"))
        # In a tool loop only the normalised names are summed over its calls.
        told = [openai_wire.count(usage.get(name)) or 0 for name in ("input_tokens", "output_tokens")]
        written = len(prompt.text_of(last.get("content")).encode("utf-8", "replace"))
        counted = self._ratios.tokens(call.model, written)
        known = all(told)
        # Half of the cautious estimate is about a token for four bytes: no honest prompt has much less. Of an answer,
        # which may be a few long words, a quarter.
        prompt_tokens = max(told[0], call.held_prompt // 2) if known else call.held_prompt
        completion_tokens = max(told[1], counted // 4) if known else counted
        settlement = Settlement(
            request_id=call.request_id,
            ended_at=self._turns.clock(),
            first_token_ms=None,
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            estimated=not known or [prompt_tokens, completion_tokens] != told,
            cost=self._prices.cost(call.model, prompt_tokens, completion_tokens),
            price_version=self._prices.version,
            status="done",
        )
        await self._ledger.settle(settlement, None)
        await self._turns.settlements.settle_windows(call, settlement)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
