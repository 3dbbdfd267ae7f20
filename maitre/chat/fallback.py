"""Another model instead of one that failed or is full: which, and whether at all."""

from __future__ import annotations

import logging

from maitre.chat.prepared import Prepared
from maitre.chat.reception import Reception
from maitre.errors import ProviderError, QuotaExceeded, Refusal

log = logging.getLogger(__name__)


class Fallback:
    """Knows what to ask instead. The guest has been shown nothing of an answer yet."""

    def __init__(self, reception: Reception) -> None:
        self._reception = reception

    async def instead(self, prepared: Prepared, fault: Refusal) -> Prepared | None:
        """The same turn for the next model of its alias, or None when the fault is the turn's own."""
        if not prepared.others or not worth(fault):
            return None
        model, *others = prepared.others
        log.warning("%s instead of %s: %s", model.id, prepared.model.id, fault.key)
        return await self._reception.with_model(prepared, model, tuple(others))


def worth(fault: Refusal) -> bool:
    """Whether another provider may do better: it is not the request, and not the guest's own limits."""
    match fault:
        case ProviderError():
            return fault.status == 429 or fault.status >= 500
        case QuotaExceeded():
            return fault.key.endswith(("_provider", "_model"))
        case _:
            return False
