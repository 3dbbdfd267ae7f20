"""Stands between Open WebUI and the gateway's /v1/embeddings, and notes what Open WebUI asks there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import requests

#: Of the request to the gateway; the rest are the connection's own.
PASSED_ON = ("authorization", "content-type", "x-openwebui-user-jwt")


@dataclass(frozen=True)
class Asked:
    """One call: its texts, what they are, whether it said for whom, and the gateway's answer."""

    texts: tuple[str, ...]
    input_type: str
    signed: bool
    status: int
    answer: str = field(repr=False)


@dataclass(frozen=True)
class Recorder:
    """Its address with /v1, and all calls so far."""

    url: str
    asked: list[Asked]


@contextmanager
def recording(gateway: str) -> Iterator[Recorder]:
    """A recorder before the gateway at this address."""
    asked: list[Asked] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name: self.headers[name] for name in PASSED_ON if name in self.headers}
            answer = requests.post(gateway + self.path, data=body, headers=headers, timeout=300)
            said = json.loads(body)
            signed = "x-openwebui-user-jwt" in self.headers
            kind = str(said.get("input_type", ""))
            asked.append(Asked(tuple(said["input"]), kind, signed, answer.status_code, answer.text))
            self.send_response(answer.status_code)
            self.send_header("content-type", answer.headers["content-type"])
            self.send_header("content-length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield Recorder(f"http://127.0.0.1:{server.server_port}/v1", asked)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
