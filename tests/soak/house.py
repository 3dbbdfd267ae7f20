"""The house that is soaked: a real gateway on real stores, two scripted upstreams, one of them in changing moods, and
somebody who takes the traces."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.engine.hall import Hall
from tests.engine.small_house import seed
from tests.upstream import ScriptedUpstream, running_upstream
from tests.upstream.script import Script

HOUSE = """\
domain: localhost
time_zone: UTC
max_turn_seconds: 20
trusted_proxies: [127.9.9.9]
wrong_keys_per_minute: 1000
default_plan: wide
providers:
  steady:
    kind: openai
    base_url: STEADY/v1
    models: { scripted: {}, spare: { upstream: scripted }, vectors: { upstream: scripted, embedding: true } }
  shaky:
    kind: openai
    base_url: SHAKY/v1
    timeout_seconds: 2
    models: { shaky: { upstream: scripted } }
  narrow:
    kind: openai
    base_url: STEADY/v1
    max_concurrent: 2
    max_waiting_per_user: 3
    models: { narrow: { upstream: scripted } }
models:
  best: { name: Best, use: [shaky, spare] }
prices:
  version: test
  models: { scripted: { input: "1", output: "2" }, shaky: { input: "1", output: "2" } }
plans:
  wide: { name: Wide, price: 0, max_answer_tokens: 4000, models: [scripted, best, vectors, narrow] }
  tight: { name: Tight, price: 0, max_answer_tokens: 100, requests_per_minute: 6, concurrency: 2, models: [scripted] }
"""
ASSISTANTS = {
    "helped": "---\nname: Helped\nmodel: scripted\nserver_tools: [calculator]\n---\nYou use tools.\n",
    "butler": "---\nname: Butler\nmodel: scripted\nmemory: { load: 10, keep: 10 }\n---\nYou remember.\n",
}

#: What the shaky upstream does with every call; it goes from one to the next.
MOODS = (
    None,
    Script(status=503, error="Out of order."),
    None,
    Script(cut_after=-1),
    Script(n=12, interval_ms=10, cut_after=5),
    None,
    Script(status=429, error="Too fast."),
    Script(hang_after=0),
    Script(n=12, interval_ms=10, error_after=5, error="Broken."),
)


@dataclass(frozen=True)
class Soaked:
    """The house and its upstreams."""

    hall: Hall
    steady: ScriptedUpstream
    shaky: ScriptedUpstream


@contextmanager
def running() -> Iterator[Soaked]:
    """The house with everything of it started; afterwards nothing is left."""
    options = {"keep_bytes": False}
    with (
        tempfile.TemporaryDirectory(prefix="maitre-soak-", ignore_cleanup_errors=True) as name,
        _taking_traces() as traces,
        running_upstream(**options) as steady,
        running_upstream(**options) as shaky,
    ):
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "house" / "assistants").mkdir(parents=True)
        for slug, text in ASSISTANTS.items():
            (folder / "house" / "assistants" / f"{slug}.md").write_text(text, "utf-8")
        text = HOUSE.replace("STEADY", steady.url).replace("SHAKY", shaky.url)
        hall = Hall(folder / "house", steady.url, traces, text.replace("{", "{{").replace("}", "}}"))
        try:
            hall.start("postgres", "valkey")
            hall.ask(lambda books: seed(books, hall.house))
            hall.start("gateway")
            yield Soaked(hall, steady, shaky)
        finally:
            hall.close()


class _Traces(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Take a batch of spans."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def _taking_traces() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Traces)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="traces", daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
