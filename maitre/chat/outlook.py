"""Whether a turn is as good as refused, before it is admitted: then nothing is paid for beside it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from maitre.chat.prepared import Prepared
from maitre.chat.terms import Terms
from maitre.errors import KnowledgeDown, StoreDown
from maitre.quota.explain import spent
from maitre.quota.store import QuotaStore
from maitre.quota.subject import Subject
from maitre.quota.window import periods


class Outlook:
    """Looks at the windows of a turn's guest. What the live store does not know admission finds out."""

    def __init__(self, terms: Terms, store: QuotaStore, clock: Callable[[], datetime]) -> None:
        self._terms, self._store, self._clock = terms, store, clock

    async def check(self, prepared: Prepared) -> None:
        """Raises KnowledgeDown when a window has no room for the turn: no embedding is made for it."""
        account, plan, now = prepared.account, prepared.plan, self._clock()
        if not plan.limits:
            return
        try:
            live = await self._store.live(Subject("account", account.user_id), now)
        except StoreDown:
            return
        if live is not None and spent(plan, live, periods(now, self._terms.zone), prepared.prompt_tokens):
            raise KnowledgeDown("a window of the guest is full, and nothing will be asked")
