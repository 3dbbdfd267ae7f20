"""A browser's chat without a browser: Open WebUI's socket, and the body that its web page posts.

    with browser_chat(inn, guest, "assistants.general") as chat:
        question = chat.ask("hello")
        chat.until(lambda: chat.finished(question), "the answer did not end")
        assert chat.answer(question) == chat.stored(question)["content"]

One chat is one conversation: each question continues it. Everything may be called from a test's own thread.
"""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import socketio  # type: ignore[import-untyped]

from maitre.errors import HouseError
from tests.e2e.inn import Guest, Inn

T = TypeVar("T")

BACKGROUND = {"title_generation": True, "tags_generation": True, "follow_up_generation": True}


class BrowserChat:
    """One conversation of a signed-in guest. Questions are named by the id of the answer's message."""

    def __init__(self, inn: Inn, guest: Guest, model: str, session: str, language: str) -> None:
        self.inn, self.guest, self.model = inn, guest, model
        self.session, self.language = session, language
        self.chat_id = ""
        self.title = ""
        self.events: list[tuple[str, str, Any]] = []  # message id, type, data
        self._last: str | None = None

    def hear(self, event: Any) -> None:
        """Take an event of the socket; called from the socket's thread."""
        data = event.get("data") or {}
        self.events.append((str(event.get("message_id") or ""), str(data.get("type")), data.get("data")))
        if data.get("type") == "chat:title":
            self.title = str(data["data"])

    def ask(self, text: str, **extra: Any) -> str:
        """Send a message; the id of the answer to come. `extra` is added to the posted body."""
        answer, question = str(uuid.uuid4()), str(uuid.uuid4())
        body: dict[str, Any] = {
            "stream": True,
            "model": self.model,
            "params": {"model_controls": {}},
            "tool_ids": [],
            "tool_servers": [],
            "features": {},
            "variables": {"{{USER_NAME}}": "Guest", "{{USER_LANGUAGE}}": self.language},
            "session_id": self.session,
            "id": answer,
            "message_ids": [{"model_id": self.model, "message_id": answer, "modelIdx": 0}],
            "parent_id": self._last,
            "user_message": {
                "id": question,
                "parentId": self._last,
                "childrenIds": [answer],
                "role": "user",
                "content": text,
                "timestamp": int(time.time()),
                "models": [self.model],
            },
            "background_tasks": BACKGROUND if self._last is None else {"follow_up_generation": True},
            **({"chat_id": self.chat_id} if self.chat_id else {}),
            **extra,
        }
        sent = self.inn.call("POST", "/api/chat/completions", self.guest, json=body)
        sent.raise_for_status()
        self.chat_id, self._last = sent.json()["chat_id"], answer
        return answer

    def stop(self) -> None:
        """Press Stop."""
        self.inn.call("POST", f"/api/tasks/chat/{self.chat_id}/stop", self.guest).raise_for_status()

    def answer(self, id: str) -> str:
        """The text that has come so far."""
        return "".join(self.pieces(id))

    def pieces(self, id: str) -> list[str]:
        """The text that has come so far, event by event."""
        heard = [data for kind, data in self._of(id) if kind == "response:completion"]
        return [data["delta"] for data in heard if data.get("type") == "response.output_text.delta"]

    def error(self, id: str) -> str | None:
        """The sentence in the box below the answer, if there is one."""
        for kind, data in self._of(id):
            if kind == "chat:completion" and data.get("error"):
                return str(data["error"].get("message"))
            if kind == "chat:message:error":  # refused before the first word
                return str(data["error"]["content"])
        return None

    def stopped(self, id: str) -> bool:
        """Whether the page was told that the answer was stopped."""
        return any(kind == "chat:tasks:cancel" for kind, _ in self._of(id))

    def finished(self, id: str) -> bool:
        """Whether the answer has ended, and with it the background tasks after it."""
        return any(kind == "chat:active" and not data["active"] for kind, data in self._of(id))

    def stored(self, id: str) -> dict[str, Any]:
        """The answer as Open WebUI keeps it, which is what a reload of the page shows."""
        chat = self.inn.call("GET", f"/api/v1/chats/{self.chat_id}", self.guest)
        chat.raise_for_status()
        found: dict[str, Any] = chat.json()["chat"]["history"]["messages"][id]
        return found

    def until(self, condition: Callable[[], T], what: str, seconds: float = 30) -> T:
        """Wait for a condition and return what it gave; HouseError with `what` after so many seconds."""
        end = time.monotonic() + seconds
        while not (found := condition()):
            if time.monotonic() > end:
                raise HouseError(f"{what}; heard: {[kind for _, kind, _ in self.events][-12:]}")
            time.sleep(0.02)
        return found

    def _of(self, id: str) -> list[tuple[str, Any]]:
        return [(kind, data) for message, kind, data in list(self.events) if message == id]


@contextmanager
def browser_chat(inn: Inn, guest: Guest, model: str, language: str = "en-US") -> Iterator[BrowserChat]:
    """A new chat with a model. `language`: that of the guest's web page."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="browser chat", daemon=True)
    thread.start()

    def wait(work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(30)

    async def connect() -> socketio.AsyncClient:
        socket = socketio.AsyncClient(reconnection=False)
        auth = {"token": guest.token}
        await socket.connect(inn.url, socketio_path="/ws/socket.io", transports=["websocket"], auth=auth)
        return socket

    try:
        socket = wait(connect())
        chat = BrowserChat(inn, guest, model, socket.get_sid(), language)
        socket.on("events", chat.hear)
        try:
            wait(socket.emit("user-join", {"auth": {"token": guest.token}}))
            yield chat
        finally:
            wait(socket.disconnect())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
