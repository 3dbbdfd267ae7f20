"""Telegram's Bot API as far as the bot of docs/ needs it, by its documentation: getUpdates, sendMessage and so on.

It is a stand-in: it was not recorded from Telegram, and has no other methods.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "123456:ABC-DEF"
BUSY = {
    "ok": False,
    "error_code": 429,
    "description": "Too Many Requests: retry after 1",
    "parameters": {"retry_after": 1},
}


class Telegram:
    """Messages to a bot, and what it sends. `busy`: so many messages are refused first, with a time to come back."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.busy = 0
        self._updates: list[dict[str, Any]] = []
        self._more = threading.Condition()

    def says(self, chat: int, **content: Any) -> None:
        """Somebody writes to the bot in a private chat."""
        who = {"id": chat, "first_name": "Olha"}
        with self._more:
            number = len(self._updates) + 1
            message = {
                "message_id": number,
                "from": {**who, "is_bot": False, "language_code": "en"},
                "chat": {**who, "type": "private"},
                "date": 1795231668,
                **content,
            }
            self._updates.append({"update_id": 900 + number, "message": message})
            self._more.notify_all()

    def answer(self, method: str, asked: dict[str, Any]) -> dict[str, Any]:
        """What Telegram answers to a call of the bot."""
        if method == "getUpdates":
            return {"ok": True, "result": self._since(asked["offset"], asked["timeout"])}
        if method == "sendMessage":
            if self.busy:
                self.busy -= 1
                return BUSY
            if len(asked["text"]) > 4096:
                return {"ok": False, "error_code": 400, "description": "Bad Request: message is too long"}
            self.sent.append(asked)
            chat = {"id": asked["chat_id"], "type": "private"}
            return {"ok": True, "result": {"message_id": 1, "date": 1795231668, "chat": chat, "text": asked["text"]}}
        return {"ok": True, "result": True}

    def texts(self, chat: int) -> list[str]:
        """What the bot sent to a chat."""
        return [one["text"] for one in self.sent if one["chat_id"] == chat]

    def _since(self, offset: int, seconds: int) -> list[dict[str, Any]]:
        def news() -> list[dict[str, Any]]:
            return [one for one in self._updates if one["update_id"] >= offset]

        with self._more:
            self._more.wait_for(news, min(seconds, 1))
            return news()


@contextmanager
def running_telegram() -> Iterator[tuple[Telegram, str]]:
    """A stand-in, and its address."""
    telegram = Telegram()

    class Methods(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            _, bot, method = self.path.split("/")
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            known = bot == f"bot{TOKEN}"
            unknown: dict[str, Any] = {"ok": False, "error_code": 401, "description": "Unauthorized"}
            told = telegram.answer(method, asked) if known else unknown
            body = json.dumps(told).encode()
            self.send_response(told.get("error_code", 200))
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Methods)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield telegram, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
