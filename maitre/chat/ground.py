"""Memory and knowledge before a turn, side by side, each with its deadline.

The passages that the assistant's collections have for the guest's question stand in the system message. Whatever goes
wrong means an answer without them, which says so (`X-Knowledge: unavailable`). A turn is searched for once: the calls
of Open WebUI's own tool loop, which are requests of their own, find what the first of them found.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from maitre.chat import question
from maitre.chat.grounded import Grounded
from maitre.chat.outlook import Outlook
from maitre.chat.prepared import Prepared
from maitre.chat.recall import Recall
from maitre.chat.reception import Reception
from maitre.chat.reports import of_search
from maitre.chat.rewriting import Rewriting
from maitre.chat.sources import Sources
from maitre.errors import KnowledgeDown
from maitre.knowledge.passage import Knowledge, Passage
from maitre.knowledge.wish import KnowledgeWish
from maitre.tracing.trace import Tracer

log = logging.getLogger(__name__)

KNOWLEDGE = "X-Knowledge"

#: Of the deadline, how much a question may take to be rewritten.
REWRITING = 0.5

#: Turns whose passages are kept for the later calls of their tool loops.
KEPT = 500


class Ground:
    """Grounds turns. One for a process, used on one event loop. `knowledge` is None in a house without."""

    def __init__(
        self,
        knowledge: Knowledge | None,
        recall: Recall,
        reception: Reception,
        rewriting: Rewriting,
        outlook: Outlook,
        tracer: Tracer,
        clock: Callable[[], datetime],
        new_id: Callable[[], str],
    ) -> None:
        self._knowledge, self._recall, self._reception = knowledge, recall, reception
        self._rewriting, self._outlook, self._tracer = rewriting, outlook, tracer
        self._clock, self._new_id = clock, new_id
        self._found: OrderedDict[tuple[str, ...], tuple[Grounded, Sources]] = OrderedDict()

    async def ground(self, prepared: Prepared) -> Prepared:
        """The turn with as much of its passages and of its memory as fits. Raises BadRequest when its session is
        another assistant's."""
        wish = _wish(prepared)
        if wish is None:
            return await self._reception.fitted(await self._recall.recall(prepared))
        if wish.rewrite:  # from the session, too
            prepared = await self._recall.recall(prepared)
            grounded, sources = await self._grounded(prepared, wish)
        else:
            finding = asyncio.create_task(self._grounded(prepared, wish))
            try:
                prepared = await self._recall.recall(prepared)
                grounded, sources = await finding
            finally:
                finding.cancel()
        if not grounded.read:
            prepared.request.notes[KNOWLEDGE] = "unavailable"
        return await self._reception.fitted(replace(prepared, grounded=grounded, sources=sources))

    async def _grounded(self, prepared: Prepared, wish: KnowledgeWish) -> tuple[Grounded, Sources]:
        asked = question.asked(prepared.request)
        key = prepared.account.user_id, prepared.turn_id, prepared.reader.assistant, asked
        if (known := self._found.get(key)) is not None:
            return known
        found = await self._search(prepared, wish, asked), Sources()
        if prepared.request.stamp is not None and found[0].read:
            self._found[key] = found
            if len(self._found) > KEPT:
                self._found.popitem(last=False)
        return found

    async def _search(self, prepared: Prepared, wish: KnowledgeWish, asked: str) -> Grounded:
        began = self._clock()
        grounded = Grounded(wish, mark=self._new_id()[-12:])
        if not asked:
            return grounded
        try:
            async with asyncio.timeout(wish.deadline_seconds):
                asked, passages = await self._asked(prepared, wish, asked)
            grounded = replace(grounded, passages=tuple(passages))
        except (KnowledgeDown, TimeoutError) as down:
            log.warning("A turn goes on without knowledge: %s", str(down) or "it takes longer than the assistant waits")
            grounded = replace(grounded, read=False)
        if prepared.record != "none":
            self._tracer.report(of_search(prepared, grounded, asked, began, self._clock()))
        return grounded

    async def _asked(self, prepared: Prepared, wish: KnowledgeWish, asked: str) -> tuple[str, list[Passage]]:
        """What was looked for in the end, and what was found."""
        if self._knowledge is None:
            raise KnowledgeDown("the house has no RAG service")
        await self._outlook.check(prepared)
        time = asyncio.get_running_loop().time
        until = time() + wish.deadline_seconds
        if wish.rewrite:
            asked = await self._rewriting.rewritten(prepared, REWRITING * wish.deadline_seconds) or asked
        left = max(0.0, until - time())
        return asked, await self._knowledge.find(prepared.reader, asked, wish.collections, wish.passages, left)


def _wish(prepared: Prepared) -> KnowledgeWish | None:
    if prepared.assistant is None or prepared.kind != "turn":
        return None
    return prepared.assistant.knowledge
