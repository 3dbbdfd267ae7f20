"""An assistant's memory before a turn: what its session holds goes before the guest's messages.

A memory that does not answer within a second is done without, and the answer says so (`X-Memory: unavailable`;
`partial` where only the older turns that are like the guest's message are missing: see `chat/relevance.py`).

Words are kept only where house, plan and assistant all allow it (`record: full`); otherwise, and with `store: false`,
the turn stands alone (`X-Memory: off`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from maitre.chat.keeping import Keeping
from maitre.chat.message import TurnRequest
from maitre.chat.prepared import Prepared
from maitre.chat.recalled import Recalled
from maitre.chat.relevance import Relevance
from maitre.errors import BadRequest, StoreDown
from maitre.memory.fitting import fitting, fresh, latest, newly_asked, paired, plain, unheard
from maitre.memory.memory import Memory
from maitre.memory.session import Session, SessionTurn, of_chat
from maitre.memory.sessions import Sessions
from maitre.memory.telling import ABOUT, likest, told
from maitre.providers.size import Ratios, weigh

log = logging.getLogger(__name__)

#: Seconds that a turn waits for its memory.
PATIENCE = 1.0

#: Tokens of what a repair adds to the prompt, besides the answer that it mends.
REPAIR = 256

SESSION, MEMORY = "X-Session-Id", "X-Memory"

#: Gives a turn its size, and its largest answer, at most so many tokens. Raises BadRequest when it is too long.
Sized = Callable[[Prepared, int | None], Awaitable[Prepared]]


class Recall:
    """The memory of all assistants. One for a process, used on one event loop."""

    def __init__(
        self,
        sessions: Sessions,
        keeping: Keeping,
        ratios: Ratios,
        clock: Callable[[], datetime],
        new_id: Callable[[], str],
        relevance: Relevance,
    ) -> None:
        self._sessions, self._keeping, self._ratios, self._relevance = sessions, keeping, ratios, relevance
        self._clock, self._new_id = clock, new_id

    async def recall(self, prepared: Prepared) -> Prepared:
        """The turn with its session as it was read; `fit` puts it into the prompt. Raises BadRequest when the session
        is another assistant's."""
        assistant, request = prepared.assistant, prepared.request
        if assistant is None or assistant.memory is None:
            return _off(prepared) if request.session_id else prepared
        # What the guest asked for, not whom a router picked: the session goes on whoever answers next.
        session = self._session(request.model.partition(".")[2], assistant.memory, request)
        if session is None or prepared.kind != "turn":
            return prepared
        if prepared.record != "full" or request.params.get("store") is False:
            return _off(prepared)
        recalled = await self._read(prepared, assistant.memory, session)
        if not recalled.read:
            request.notes[MEMORY] = "unavailable"
        if recalled.shown:
            request.notes[SESSION] = recalled.shown
            request = replace(request, chat_id=recalled.shown)
        return replace(prepared, request=request, recalled=recalled)

    async def fit(self, prepared: Prepared, sized: Sized) -> Prepared:
        """The turn with as much of its session as fits beside the prompt and the largest answer: its summary, the turns
        that are like what the guest says, for at most half of the room, and the newest turns."""
        recalled = prepared.recalled
        if recalled is None or not (recalled.turns or recalled.earlier or recalled.summary):
            return prepared
        system, *talk = prepared.body["messages"]
        summary, earlier, turns = self._chosen(prepared, recalled)
        while True:
            turns = paired(turns, talk)
            if not (turns or earlier or summary):
                return prepared
            before = [dict(message) for turn in turns for message in turn.messages]
            text = told(summary, earlier)
            first = {**system, "content": system["content"] + text} if text else system
            body = {**prepared.body, "messages": [first, *before, *talk]}
            given = replace(recalled, taken=len(turns) + len(earlier), messages=len(before), text=text)
            with suppress(BadRequest):  # the estimate was too low
                full = await sized(replace(prepared, body=body, recalled=given), prepared.max_tokens)
                if full.max_tokens >= prepared.max_tokens:
                    return full
            if earlier:
                earlier = earlier[:-1]
            elif turns:
                turns = turns[1:]
            else:
                summary = ""

    def _chosen(
        self, prepared: Prepared, recalled: Recalled
    ) -> tuple[str, tuple[SessionTurn, ...], tuple[SessionTurn, ...]]:
        """The summary, the turns like this one and the newest turns that have room by their estimated sizes."""

        def size(text: str) -> int:
            return self._ratios.tokens(prepared.model.id, len(text.encode("utf-8", "replace")))

        free, summary = room(prepared), recalled.summary
        left = free
        if left is not None and summary:
            left -= size(summary) + ABOUT
            if left < 0:
                left, summary = free, ""
        most = recalled.memory.relevant
        earlier = likest(recalled.earlier, size, None if left is None else left // 2 - ABOUT, most)
        if left is not None and earlier:
            left -= size(told("", earlier))
        return summary, earlier, fitting(recalled.turns, lambda turn: self._size(prepared, turn), left)

    def without(self, prepared: Prepared) -> Prepared:
        """The turn without what it was given of its session."""
        recalled = prepared.recalled
        if recalled is None or not (recalled.messages or recalled.text):
            return prepared
        system, *rest = prepared.body["messages"]
        if recalled.text:
            system = {**system, "content": system["content"].removesuffix(recalled.text)}
        body = {**prepared.body, "messages": [system, *rest[recalled.messages :]]}
        return replace(prepared, body=body, recalled=replace(recalled, taken=0, messages=0, text=""))

    def _session(self, slug: str, memory: Memory, request: TurnRequest) -> Session | None:
        """The turn's session, whether it is there already or not."""
        now, stamp = self._clock(), request.stamp
        if stamp is None:
            known = request.session_id is not None
            return Session(request.session_id or self._new_id(), slug, now, now) if known else None
        # A temporary chat (`local:`) is one that its guest wants forgotten.
        if memory.browser and stamp.browser and stamp.chat_id and not stamp.chat_id.startswith("local:"):
            return Session(of_chat(slug, stamp.chat_id), slug, now, now, browser=True)
        return None

    async def _read(self, prepared: Prepared, memory: Memory, session: Session) -> Recalled:
        talk = plain(prepared.body["messages"])
        turns, read, known, summary, earlier = list[SessionTurn](), True, False, "", list[SessionTurn]()
        if session.browser or prepared.request.session_id:
            time = asyncio.get_running_loop().time
            until = time() + PATIENCE
            like = self._relevance.looking(prepared, memory, session, talk)
            try:
                async with asyncio.timeout_at(until):
                    turns, known, summary = await self._turns(prepared.account.user_id, session, memory.load)
                earlier = await like.beyond(turns, known or session.browser, until)
            except (StoreDown, TimeoutError) as down:
                log.warning("A turn goes on without its memory: %s", str(down) or "the store does not answer in time")
                read = False
            finally:
                like.over()
        said = newly_asked(talk) if session.browser else fresh(turns, talk)
        return Recalled(
            memory, session, unheard(turns, talk), said, read=read, known=known,
            earlier=unheard(earlier, talk), summary=summary if memory.summary else "",
        )  # fmt: skip

    async def _turns(self, user_id: str, session: Session, load: int) -> tuple[list[SessionTurn], bool, str]:
        """The turns that the session has, or for a chat of the browser those of the others; whether it is there; its
        summary."""
        if session.browser:
            others = await self._sessions.elsewhere(user_id, session.assistant, session.id, load)
            return list(latest(others)), False, ""
        await self._keeping.done(user_id, session.id)
        found = await self._sessions.read(user_id, session.id, load)
        if found is None:
            return [], False, ""
        if found[0].assistant != session.assistant:
            raise BadRequest("other_assistant", session=session.id)
        return found[1], True, found[0].summary

    def _size(self, prepared: Prepared, turn: SessionTurn) -> int:
        weight, extra = weigh({"messages": turn.messages})
        return self._ratios.tokens(prepared.model.id, weight) + extra


def _off(prepared: Prepared) -> Prepared:
    """The turn on its own; the client's id of a session still groups its rows and traces."""
    request = prepared.request
    request.notes[MEMORY] = "off"
    return replace(prepared, request=replace(request, chat_id=request.session_id or request.chat_id))


def room(prepared: Prepared) -> int | None:
    """Tokens that the turn leaves free in its model's context; None when nobody knows."""
    if prepared.model.context is None:
        return None
    answers = 2 * prepared.max_tokens + REPAIR if prepared.checked else prepared.max_tokens
    free = prepared.model.context - prepared.prompt_tokens - answers
    used = prepared.assistant is not None and prepared.assistant.server_tools
    return free // 2 if used else free  # the rest is for what the tools say
