"""Chats whose last turn was refused: their background tasks must not be asked of the upstream.

After a refusal Open WebUI still asks for a title, tags and follow-ups of a conversation that has no answer.
Bounded, and in memory only: what is forgotten costs one task, which is metered like any other.
"""

from __future__ import annotations

from collections import OrderedDict

from maitre.chat.message import TurnRequest

REMEMBERED = 5000  # chats


class RefusedChats:
    """Remembers the newest of them."""

    def __init__(self) -> None:
        self._chats: OrderedDict[tuple[str, str], None] = OrderedDict()

    def refused(self, request: TurnRequest) -> None:
        """A turn of the chat was refused."""
        if (key := _key(request)) and not _is_task(request):
            self._chats[key] = None
            while len(self._chats) > REMEMBERED:
                self._chats.popitem(last=False)

    def admitted(self, request: TurnRequest) -> None:
        """A turn of the chat was admitted."""
        if (key := _key(request)) and not _is_task(request):
            self._chats.pop(key, None)

    def spare(self, request: TurnRequest) -> bool:
        """Whether this is a task of a chat whose last turn was refused."""
        return _is_task(request) and _key(request) in self._chats


def _key(request: TurnRequest) -> tuple[str, str] | None:
    chat_id = request.stamp.chat_id if request.stamp else request.chat_id
    return (request.guest.user_id, chat_id) if chat_id else None


def _is_task(request: TurnRequest) -> bool:
    return (request.stamp.kind if request.stamp else request.kind) == "task"
