"""Routing by similarity: the guest's question is compared with what the assistants of a router say of themselves.

The question's embedding is a metered call of the guest's, in the same turn. Whatever goes wrong with it, or takes
longer than a second, the router's default answers.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from maitre.assistants.assistant import Assistant
from maitre.assistants.catalogue import Catalogue
from maitre.chat.message import TurnRequest
from maitre.errors import KnowledgeDown, Refusal, StoreDown
from maitre.routing.likenesses import Likenesses
from maitre.routing.routing import Similar
from maitre.routing.similar import Vector, mark, most_like

log = logging.getLogger(__name__)

#: Seconds that a turn waits to learn whom its question is like.
PATIENCE = 1.0

#: Characters of a question that are compared; its beginning says what it is about.
COMPARED = 2000


class Embedder(Protocol):
    """Makes the embedding of a guest's question."""

    async def question(self, request: TurnRequest, text: str, turn_id: str) -> Sequence[float]:
        """The vector, metered. Raises Refusal, StoreDown, KnowledgeDown."""


class Resemblance:
    """Compares questions with assistants. `model` is the embedder's."""

    def __init__(self, embedder: Embedder, likenesses: Likenesses, model: str) -> None:
        self._embedder, self._likenesses, self._model = embedder, likenesses, model
        self._said: Mapping[str, Sequence[Vector]] = {}  # of the assistants that say something, as of `_version`
        self._version = 0

    async def of(
        self,
        request: TurnRequest,
        text: str,
        turn_id: str,
        similar: Similar,
        catalogue: Catalogue,
        open_to: Callable[[str], bool],
    ) -> str | None:
        """The assistant that the text is most like, among those that the guest may use; None when that is not sure."""
        try:
            async with asyncio.timeout(PATIENCE):
                all_said = await self._of_all(catalogue)
                said = {name: all_said[name] for name in similar.assistants if name in all_said and open_to(name)}
                if len(said) < 2 or not text.strip():
                    return None
                question = await self._embedder.question(request, text[:COMPARED], turn_id)
        except (Refusal, StoreDown, KnowledgeDown, TimeoutError) as fault:
            log.warning(
                "A question goes the router's default way: %s", str(fault) or "the embedder does not answer in time"
            )
            return None
        return most_like(question, said, similar.margin)

    async def _of_all(self, catalogue: Catalogue) -> Mapping[str, Sequence[Vector]]:
        """The vectors of what each assistant says of itself, read and found once for a version of the catalogue."""
        if catalogue.version != self._version:
            known = await self._likenesses.read()
            said = {}
            for name, assistant in catalogue.assistants.items():
                marks = [mark(text, self._model) for text in texts_of(assistant)]
                if vectors := [known[one] for one in marks if one in known]:
                    said[name] = vectors
            self._said, self._version = said, catalogue.version
        return self._said


def texts_of(assistant: Assistant) -> list[str]:
    """What an assistant says of itself: its description, and each example of a question."""
    return [text for text in (assistant.description, *assistant.examples) if text.strip()]
