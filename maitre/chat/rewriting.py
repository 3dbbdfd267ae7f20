"""A question as one can ask it without the conversation around it: one small call of the assistant's model, metered as
a task of the same turn and never shown."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from maitre.chat import prompt, question
from maitre.chat.calls import Calls
from maitre.chat.prepared import Prepared
from maitre.chat.reception import Reception
from maitre.chat.wait import Unheard
from maitre.errors import Refusal, StoreDown

log = logging.getLogger(__name__)

#: Tokens of a rewritten question.
LONGEST = 128


class Rewriting:
    """Rewrites questions. One for a process."""

    def __init__(self, calls: Calls, reception: Reception) -> None:
        self._calls, self._reception = calls, reception

    async def rewritten(self, prepared: Prepared, seconds: float) -> str:
        """The question of the turn in words of its own; empty where there is no conversation around it, or no answer
        within so many seconds."""
        body = question.to_rewrite(prepared.body, prepared.recalled)
        if body is None:
            return ""
        request = replace(prepared.request, notes={})  # what this call waits for is no news of the turn's
        asked = prepared.again(kind="task", request=request, body=body, recalled=None, streamed=False)
        message: Mapping[str, Any] = {}
        try:
            async with asyncio.timeout(seconds) as limit:
                asked = await self._reception.sized(asked, LONGEST)
                whole, _ = await self._calls.whole(asked, Unheard(request), limit)
                message = whole["choices"][0].get("message") or {}
        except (Refusal, StoreDown, TimeoutError) as fault:
            log.info("A question is searched for as it is: %s", str(fault) or "rewriting it takes too long")
        await self._calls.settled(prepared)  # the turn's own call may need the room
        return question.cleaned(prompt.text_of(message.get("content")))
