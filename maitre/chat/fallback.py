"""Another model instead of one that failed or is full: which, and whether at all.

A model is left for the next when its provider is down, overloaded or broke off before anything was shown, when a
limit of its own or of its provider is used up, when its line is full, or when the conversation is too long for it.
The guest's own limits and a request that no upstream would take are no reasons.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace

from maitre.chat.prepared import Prepared
from maitre.chat.reception import Reception
from maitre.chat.settlements import Settlements
from maitre.errors import BadRequest, NoPlace, ProviderError, QuotaExceeded, Refusal
from maitre.providers.health import Health

log = logging.getLogger(__name__)

#: How long the next call waits until what the failed one held is given back. Seconds.
SETTLED = 2.0


class Fallback:
    """Knows what to ask instead. The guest has been shown nothing of an answer yet."""

    def __init__(self, reception: Reception, settlements: Settlements, health: Mapping[str, Health]) -> None:
        self._reception, self._settlements, self._health = reception, settlements, health

    def possible(self, prepared: Prepared) -> bool:
        """Whether there is anything else to be asked."""
        health = self._health.get(prepared.model.provider)
        return bool(prepared.others) or (health is not None and health.addresses > 1)

    async def first(self, prepared: Prepared) -> Prepared:
        """What to ask first: the first model whose provider is well; if none is, the one that it would have been."""
        instead = prepared
        while not self._well(instead):
            if not instead.others:
                return prepared
            try:
                instead = await self._reception.for_the_next(instead)
            except BadRequest:
                return prepared
        return instead

    async def instead(self, prepared: Prepared, fault: Refusal) -> Prepared | None:
        """The same turn for the next model, or None when the fault is the turn's own or nothing is left."""
        asked = isinstance(fault, ProviderError | BadRequest)  # then there was a call, and it is a row
        if not worth(fault) or (asked and not self._affordable(prepared)):
            return None
        again = prepared.again(kind="fallback" if asked and prepared.kind == "turn" else prepared.kind)
        again = replace(again, repeated=asked or prepared.repeated)
        health = self._health.get(prepared.model.provider)
        if isinstance(fault, ProviderError) and health is not None and health.spare(prepared.tries):
            again = replace(again, tries=prepared.tries + 1)
        elif prepared.others:
            try:
                again = await self.first(replace(await self._reception.for_the_next(again), tries=1))
            except BadRequest:
                return None
        else:
            return None
        log.warning("%s is asked instead of %s: %s", again.model.id, prepared.model.id, fault.key)
        await self._settlements.ended(prepared.turn_id, SETTLED)
        return again

    def _well(self, prepared: Prepared) -> bool:
        health = self._health.get(prepared.model.provider)
        return health is None or health.well()

    def _affordable(self, prepared: Prepared) -> bool:
        health = self._health.get(prepared.model.provider)
        return health is None or health.again()


def worth(fault: Refusal) -> bool:
    """Whether another provider may do better: it is not the request, and not the guest's own limits."""
    match fault:
        case ProviderError():
            return fault.status == 429 or fault.status >= 500
        case QuotaExceeded():
            return fault.key.endswith(("_provider", "_model"))
        case NoPlace():
            return fault.key == "queue_too_long"
        case BadRequest():
            return fault.key == "too_long"
        case _:
            return False
