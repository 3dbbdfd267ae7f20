"""The script that pulls models, against an Ollama that says what it is told to."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from compose.pull_models import main

#: What the server says of each model, as Ollama's own API does: an error comes with status 200, too.
SAYS = {
    "good": [
        {"status": "pulling manifest"},
        *[{"status": "pulling 1f", "completed": n} for n in range(3)],
        {"status": "success"},
    ],
    "unknown": [{"status": "pulling manifest"}, {"error": "pull model manifest: file does not exist"}],
    "cut": [{"status": "pulling manifest"}],
}


class Ollama(BaseHTTPRequestHandler):
    """Answers /api/pull with the lines of SAYS."""

    def do_POST(self) -> None:
        """One answer."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200 if self.path == "/api/pull" else 404)
        self.end_headers()
        for line in SAYS[asked["model"]]:
            self.wfile.write(json.dumps(line).encode() + b"\n")

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    """Where the server is."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Ollama) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        serving.join()


def test_each_thing_is_said_once(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A download reports every second; the log has it once."""
    assert main([url, "good"]) == 0
    assert capsys.readouterr().out.splitlines() == ["good: pulling manifest", "good: pulling 1f", "good: success"]


def test_one_that_fails_keeps_no_other_from_being_pulled(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The job fails with Ollama's own words, after it has done what it could."""
    assert main([url, "unknown", "cut", "good"]) == 1
    said = capsys.readouterr()
    assert said.err.splitlines() == [
        "unknown could not be pulled: pull model manifest: file does not exist",
        "cut could not be pulled: it ended with “pulling manifest”",
    ]
    assert "good: success" in said.out


def test_an_ollama_that_is_away(capsys: pytest.CaptureFixture[str]) -> None:
    """One sentence and no traceback."""
    assert main(["http://127.0.0.1:9", "good"]) == 1
    assert capsys.readouterr().err.startswith("good could not be pulled: ")
