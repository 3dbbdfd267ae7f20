"""One use of the tool `knowledge`: with the rights of the turn's guest, in the assistant's own collections."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from maitre.errors import KnowledgeDown, ToolFault
from maitre.knowledge.passage import Knowledge, Passage
from maitre.providers.size import CAUTIOUS
from maitre.tools.tool import Behalf, Outcome

log = logging.getLogger(__name__)


class Searching:
    """A Use. The arguments fit the tool's schema."""

    def __init__(self, knowledge: Knowledge) -> None:
        self._knowledge = knowledge

    async def __call__(self, arguments: Mapping[str, Any], behalf: Behalf) -> Outcome:
        wish = behalf.knowledge
        if wish is None:
            raise ToolFault("There are no documents to search.")
        query = str(arguments["query"])
        try:
            found = await self._knowledge.find(
                behalf.reader, query, wish.collections, wish.passages, wish.deadline_seconds
            )
        except KnowledgeDown as down:
            log.warning("The tool knowledge could not be used: %s", down)
            raise ToolFault("The documents cannot be searched just now.") from None
        passages = within(found, wish.max_tokens)
        return Outcome("" if passages else "Nothing was found.", passages=passages)


def within(passages: list[Passage], tokens: int) -> tuple[Passage, ...]:
    """The best of the passages that have no more than so many tokens together, rather fewer than more."""
    taken, left = list[Passage](), tokens / CAUTIOUS
    for one in passages:
        size = len(one.text.encode("utf-8", "replace"))
        if size <= left:
            taken.append(one)
            left -= size
    return tuple(taken)
