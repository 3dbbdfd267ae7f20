"""A real gateway over providers with wire formats of their own, one of them with a key that lies sealed in Postgres."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from devstack.checks import look
from tests.api.conftest import Client
from tests.engine.hall import Hall
from tests.engine.seeded import seeded_hall
from tests.upstream import ScriptedUpstream, running_upstream

ROOT = Path(__file__).parents[2]
KEY = "house-key-4711"
HOUSE = """\
domain: localhost
default_plan: free
providers:
  claude:
    kind: anthropic
    base_url: {upstream}
    api_key: sealed:claude
    models:
      scripted: {{ upstream: real-claude }}
  llama:
    kind: ollama
    base_url: {upstream}
    api_key: sealed:llama
    models:
      small: {{ upstream: real-llama }}
      vectors: {{ embedding: true }}
prices:
  version: test
  models: {{ scripted: {{ input: "1", output: "2" }} }}
plans:
  wide: {{ name: Wide, price: 0, max_answer_tokens: 100000, models: [scripted, small, vectors] }}
  free: {{ name: Free, price: 0 }}
"""


@pytest.fixture(scope="module")
def strange() -> Iterator[ScriptedUpstream]:
    """An upstream that wants a key."""
    with running_upstream(api_key=KEY) as started:
        yield started


@pytest.fixture(scope="module")
def strange_hall(tmp_path_factory: pytest.TempPathFactory, strange: ScriptedUpstream) -> Iterator[Hall]:
    """The stores and a gateway over it; Ollama's key is put in, Claude's is missing."""
    folder = tmp_path_factory.mktemp("strange")
    with seeded_hall(folder, strange.url, HOUSE) as hall:
        assert provider_key(hall, "set", "llama", given=KEY).returncode == 0
        hall.start("gateway")
        yield hall


@pytest.fixture
def stranger(strange_hall: Hall) -> Client:
    """A fresh guest with a key."""
    guest = strange_hall.guest()
    return Client(strange_hall, guest, strange_hall.key(guest))


def provider_key(hall: Hall, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """`cli provider key` in this house."""
    command = [sys.executable, str(ROOT / "cli.py"), "provider", "key", *words, "--house", str(hall.house.directory)]
    return subprocess.run(command, input=given, capture_output=True, text=True, timeout=60, cwd=ROOT)


def ask(client: Client, model: str, text: str = "hello", **more: Any) -> Any:
    """A chat with a plain model."""
    return client.chat(text, model=model, **more)


def test_a_key_that_is_put_in_while_the_house_runs_is_taken(
    stranger: Client, strange: ScriptedUpstream, eventually: Callable[..., Any]
) -> None:
    """Until then guests read that the model does not answer; afterwards it does, and the turn is one metered row."""
    hall = stranger.hall
    answer = ask(stranger, "models.scripted")
    assert (answer.status_code, "does not answer" in answer.text) == (503, True)
    assert "cli provider key set claude" in hall.log("gateway").read_text("utf-8")
    assert "missing" in provider_key(hall, "list").stdout
    (finding,) = [one for one in look(hall.house.directory) if one.what == "provider keys"]
    assert (finding.ok, finding.seen) == (False, "missing: claude")
    assert finding.remedy == "cli provider key set claude"
    shown = provider_key(hall, "set", "claude", given=KEY + "\n")
    assert (shown.returncode, "Used by: claude" in shown.stdout) == (0, True), shown.stderr
    eventually(lambda: ask(stranger, "models.scripted").status_code == 200, "the key was not taken")
    listed = json.loads(provider_key(hall, "list", "--json").stdout)
    assert [(one["name"], one["providers"], bool(one["set_at"])) for one in listed] == [
        ("claude", ["claude"], True),
        ("llama", ["llama"], True),
    ]
    assert KEY not in provider_key(hall, "list").stdout
    row = eventually(lambda: [one for one in hall.rows(stranger.guest) if one["status"] == "done"])[-1]
    assert strange.calls[-1].usage is not None
    assert (row["prompt_tokens"], row["completion_tokens"], row["estimated"]) == (
        strange.calls[-1].usage["prompt_tokens"],
        strange.calls[-1].usage["completion_tokens"],
        False,
    )


def test_a_key_that_is_taken_out_is_gone(stranger: Client) -> None:
    """A second removal, and a name that is none, are one sentence."""
    hall = stranger.hall
    assert provider_key(hall, "set", "other", given="sk-other").returncode == 0
    assert provider_key(hall, "remove", "other").returncode == 0
    for words, given in ((("remove", "other"), ""), (("set", "../x"), KEY), (("set", "other"), "two\nlines")):
        wrong = provider_key(hall, *words, given=given)
        assert (wrong.returncode, "Traceback" in wrong.stderr) == (1, False)


def test_ollamas_own_format_streams_as_openais(stranger: Client, eventually: Callable[..., Any]) -> None:
    """Chunks, one finish reason, and a row with the server's own counts."""
    answer = ask(stranger, "models.small", 'script:{"n": 4}', stream=True, stream_options={"include_usage": True})
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
    choices = [choice for event in events for choice in event["choices"]]
    assert "".join(choice["delta"].get("content") or "" for choice in choices) == "word0 word1 word2 word3 "
    assert [choice["finish_reason"] for choice in choices if choice["finish_reason"]] == ["stop"]
    (row,) = eventually(lambda: stranger.hall.settled(stranger.guest))
    assert (row["completion_tokens"], row["estimated"], row["status"]) == (4, False, "done")


def test_an_embedding_model_is_no_chat_model(stranger: Client, strange: ScriptedUpstream) -> None:
    """Refused in one sentence, and never asked."""
    before = len(strange.calls)
    answer = ask(stranger, "models.vectors")
    assert (answer.status_code, "makes embeddings" in answer.text) == (400, True)
    assert len(strange.calls) == before


@pytest.mark.parametrize("stream", [True, False])
def test_an_error_of_the_upstream_tells_no_secret(stranger: Client, stream: bool) -> None:
    """Neither the key, nor the address, nor the real model's name."""
    words = f"real-llama at http://10.0.0.7:11434/x refuses {KEY}"
    answer = ask(stranger, "models.small", "script:" + json.dumps({"status": 503, "error": words}), stream=stream)
    assert answer.status_code == 503
    for secret in ("real-llama", "10.0.0.7", KEY):
        assert secret not in answer.text
