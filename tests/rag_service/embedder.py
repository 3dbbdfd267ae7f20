"""An embedder that stands for the gateway: deterministic, with scripted faults, over real HTTP."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from rag_service.callers import HEADER, BadToken, Caller, read

DIMENSION = 48


def embedding(text: str, dimension: int = DIMENSION) -> list[float]:
    """A vector of the text's words: texts that share words are near each other. Of length 1."""
    vector = [0.0] * dimension
    for word in re.findall(r"\w+", text.lower()) or [""]:
        told = hashlib.sha256(word.encode()).digest()
        vector[int.from_bytes(told[:4], "big") % dimension] += 1.0 if told[4] % 2 else -1.0
    length = math.sqrt(sum(number * number for number in vector))
    return [number / length for number in vector] if length else [1.0] + [0.0] * (dimension - 1)


@dataclass(frozen=True, slots=True)
class Fault:
    """An answer in place of embeddings. `wait` is for an event before it."""

    status: int = 500
    body: str = '{"error": {"message": "It broke.", "type": "server_error", "code": "provider_broke"}}'
    headers: Mapping[str, str] = field(default_factory=dict)
    wait: threading.Event | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """One request that was answered with embeddings."""

    caller: Caller
    model: str
    texts: tuple[str, ...]
    input_type: str | None


class EmbedderDouble:
    """`asked` in their order; `faults` are answered first, one a request; `lasting` is asked of each request's texts
    and answers every time."""

    def __init__(self, key: str, dimension: int = DIMENSION) -> None:
        self.key, self.dimension = key, dimension
        self.asked: list[Asked] = []
        self.faults: list[Fault] = []
        self.lasting: Callable[[list[str]], Fault | None] = lambda texts: None
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    @property
    def texts(self) -> list[str]:
        """All texts that were embedded."""
        return [text for one in self.asked for text in one.texts]

    @contextmanager
    def running(self) -> Iterator[EmbedderDouble]:
        """Serve within the block."""
        thread = threading.Thread(target=self.server.serve_forever, args=[0.02], daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.server.shutdown()
            self.server.server_close()
            thread.join()

    def answer(self, headers: Mapping[str, str], body: dict[str, Any]) -> Fault | dict[str, Any]:
        """What a request gets."""
        if headers.get("authorization") != f"Bearer {self.key}":
            return _refusal(401, "The key is wrong.", "invalid_api_key")
        try:
            caller = read(headers.get(HEADER) or "", self.key, time.time())
        except BadToken as bad:
            return _refusal(401, str(bad), "bad_token")
        texts = [body["input"]] if isinstance(body["input"], str) else list(body["input"])
        fault = self.faults.pop(0) if self.faults else self.lasting(texts)
        if fault is not None:
            if fault.wait is not None:
                fault.wait.wait(30)
            return fault
        self.asked.append(Asked(caller, body["model"], tuple(texts), body.get("input_type")))
        packed = body.get("encoding_format") == "base64"
        vectors = [embedding(text, self.dimension) for text in texts]
        data = [
            {"object": "embedding", "index": place, "embedding": _packed(vector) if packed else vector}
            for place, vector in enumerate(vectors)
        ]
        tokens = sum(len(text) // 4 + 1 for text in texts)
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return {"object": "list", "model": body["model"], "data": data, "usage": usage}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        double = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("content-length") or 0))
                told = double.answer({name.lower(): value for name, value in self.headers.items()}, json.loads(raw))
                fault = told if isinstance(told, Fault) else Fault(200, json.dumps(told))
                body = fault.body.encode()
                self.send_response(fault.status)
                for name, value in {"content-type": "application/json", **fault.headers}.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing is logged."""

        return Handler


def _packed(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _refusal(status: int, sentence: str, code: str) -> Fault:
    error = {"message": sentence, "type": "invalid_request_error", "code": code}
    return Fault(status, json.dumps({"error": error}))
