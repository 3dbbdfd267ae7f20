"""The scripted upstream: an OpenAI-compatible server that does what the conversation's script says. It speaks
Anthropic's Messages API (/v1/messages) and Ollama's own (/api/chat) too.

    async with ScriptedUpstream() as up:
        ...chat with up.url + "/v1"...
        assert up.calls[0].ended == "completed"

It keeps a log of every chat completion it accepted: in-process as `calls`, over HTTP as GET /_log (`?brief`
leaves out bodies and bytes), cleared by POST /_reset. From a synchronous test, use `running_upstream()`.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Literal

from tests.upstream.answer import answer_to, error_body, prompt_tokens, render_prompt, whole
from tests.upstream.calls import Call
from tests.upstream.connection import ClientGone, Connection, Request
from tests.upstream.dialects import ANTHROPIC, OLLAMA, Dialect, send
from tests.upstream.script import Script, ScriptMistake, script_of
from tests.upstream.stream import send_stream

Tokenize = Literal["none", "llama_cpp", "vllm", "anthropic"]


class ScriptedUpstream:
    """An upstream. `host`: the address that it listens at; `tokenize`: whose token counting it offers; may be changed
    while it runs."""

    def __init__(
        self,
        port: int = 0,
        *,
        host: str = "127.0.0.1",
        tokenize: Tokenize = "none",
        models: Sequence[str] = ("scripted",),
        api_key: str | None = None,
        keep_bytes: bool = True,
    ) -> None:
        self.host, self.port = host, port
        self.tokenize: Tokenize = tokenize
        self.models = tuple(models)
        self.api_key = api_key
        self.keep_bytes = keep_bytes  # False: `events` hold empty bytes, for long benchmarks
        self.always: Script | None = None  # what it does with every call, whatever the conversation says
        self.calls: list[Call] = []
        self._number = 0
        self._texts: Counter[str] = Counter()
        self._opened: set[Connection] = set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """The address, without /v1."""
        return f"http://{self.host}:{self.port}"

    def reset(self) -> None:
        """Forget all calls, and begin the `texts` of every script anew."""
        self.calls.clear()
        self._texts.clear()

    async def until(self, condition: Callable[[], bool], seconds: float = 10) -> None:
        """Wait for something to be true of the calls; TimeoutError after so many seconds."""
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - the condition is the test's own
                await asyncio.sleep(0.005)

    async def start(self) -> None:
        """Listen; a port of 0 becomes a free one and stays the same after a stop."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Connection(self._serve, self._opened), self.host, self.port, backlog=1024
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Refuse new connections and break the open ones, as a crash would."""
        assert self._server is not None
        self._server.close()
        for connection in list(self._opened):
            connection.abort()
        await self._server.wait_closed()

    async def __aenter__(self) -> ScriptedUpstream:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    # ── routes ──

    async def _serve(self, connection: Connection, request: Request) -> None:
        if request.path.startswith("/_"):
            return self._control(connection, request)
        given = request.headers.get("x-api-key") or request.headers.get("authorization", "").removeprefix("Bearer ")
        if self.api_key is not None and given != self.api_key:
            return connection.send(401, error_body(401, "Wrong API key."))
        match request.method, request.path:
            case "POST", "/v1/chat/completions" | "/chat/completions":
                await self._chat(connection, request)
            case "POST", "/v1/messages":
                await self._chat(connection, request, ANTHROPIC)
            case "POST", "/api/chat":
                await self._chat(connection, request, OLLAMA)
            case "POST", "/v1/messages/count_tokens" if self.tokenize == "anthropic":
                talk = ANTHROPIC.messages(json.loads(request.body))
                connection.send(200, json.dumps({"input_tokens": prompt_tokens(talk)}).encode())
            case "POST", "/api/embed":
                self._embed(connection, request)
            case "POST", "/v1/embeddings":
                self._embed(connection, request)
            case "GET", "/v1/models" | "/models":
                data = [{"id": model, "object": "model", "owned_by": "scripted"} for model in self.models]
                connection.send(200, json.dumps({"object": "list", "data": data}).encode())
            case "GET", "/health":
                connection.send(200, b'{"status":"ok"}')
            case "POST", "/tokenize" | "/apply-template" if self.tokenize in ("llama_cpp", "vllm"):
                self._count(connection, request)
            case _:
                connection.send(404, error_body(404, f"There is no {request.method} {request.path} here."))

    def _control(self, connection: Connection, request: Request) -> None:
        if request.path == "/_log":
            brief = "brief" in request.query
            connection.send(200, json.dumps([call.to_json(brief) for call in self.calls]).encode())
        elif request.path == "/_reset":
            self.reset()
            connection.send(200, b"{}")
        else:
            connection.send(404, error_body(404, "There is /_log and /_reset."))

    def _count(self, connection: Connection, request: Request) -> None:
        body = _object(request.body)
        messages = body.get("messages") if body else None
        llama = self.tokenize == "llama_cpp"
        if llama and request.path == "/apply-template" and isinstance(messages, list):
            reply: dict[str, Any] = {"prompt": render_prompt(messages)}
        elif llama and request.path == "/tokenize" and body and isinstance(body.get("content"), str):
            reply = {"tokens": list(range(len(body["content"].split())))}
        elif not llama and request.path == "/tokenize" and body and ("prompt" in body or isinstance(messages, list)):
            size = len(str(body["prompt"]).split()) if "prompt" in body else prompt_tokens(body["messages"])
            reply = {"count": size, "max_model_len": 8192, "tokens": list(range(size))}
        else:
            return connection.send(400, error_body(400, "This cannot be counted."))
        connection.send(200, json.dumps(reply).encode("utf-8", "backslashreplace"))

    def _embed(self, connection: Connection, request: Request) -> None:
        """Embeddings of two numbers: the words and the characters of a text. A script in the first text may refuse."""
        body = _object(request.body)
        if body is None or not isinstance(body.get("input"), str | list):
            return connection.send(400, error_body(400, "The body must be a JSON object with input."))
        texts = [str(one) for one in ([body["input"]] if isinstance(body["input"], str) else body["input"])]
        script, _ = script_of([{"role": "user", "content": texts[0] if texts else ""}])
        self._number += 1
        head, at = request.headers, time.time()
        call = Call(
            self._number, head.get("x-request-id"), at, body, head, stream=False, ended="completed", ended_at=at
        )
        self.calls.append(call)
        if script.status is not None:
            call.status, call.ended = script.status, "error"
            return connection.send(script.status, error_body(script.status, script.error))
        tokens = sum(len(text.split()) for text in texts)
        vectors = [[float(len(text.split())), float(len(text))] for text in texts]
        data = [{"object": "embedding", "index": index, "embedding": one} for index, one in enumerate(vectors)]
        call.usage = {"prompt_tokens": tokens, "completion_tokens": 0, "total_tokens": tokens}
        call.usage_sent = bool(script.usage)
        usage = {"usage": {"prompt_tokens": tokens, "total_tokens": tokens}} if script.usage else {}
        answer = {"object": "list", "model": body.get("model"), "data": data, **usage}
        if request.path == "/api/embed":  # Ollama's own
            answer = {"model": body.get("model"), "embeddings": vectors, "prompt_eval_count": tokens}
        connection.send(200, json.dumps(answer).encode())

    # ── chat ──

    async def _chat(self, connection: Connection, request: Request, dialect: Dialect | None = None) -> None:
        body = _object(request.body)
        if body is None or not isinstance(body.get("messages"), list):
            return connection.send(400, error_body(400, "The body must be a JSON object with messages."))
        try:
            messages = dialect.messages(body) if dialect else body["messages"]
            script, key = self.script_for(body, messages)
        except ScriptMistake as mistake:
            return connection.send(400, error_body(400, str(mistake)))
        self._number += 1
        call = Call(
            number=self._number,
            request_id=request.headers.get("x-request-id"),
            at=time.time(),
            body=body,
            headers=request.headers,
            stream=dialect.streamed(body) if dialect else body.get("stream") is True,
        )
        self.calls.append(call)
        try:
            await self._answer(connection, call, script, key, dialect)
        except (ClientGone, asyncio.CancelledError):
            call.ended = "client gone"
            raise
        finally:
            call.ended_at = time.time()
            call.told_at = call.ended_at if call.ended == "client gone" else connection.wrote_at

    def script_for(self, body: dict[str, Any], messages: list[Any]) -> tuple[Script, str]:
        """What to do with a call, and the key that its `texts` are remembered under. Raises ScriptMistake."""
        return (self.always, "") if self.always else script_of(messages)

    async def _answer(
        self, connection: Connection, call: Call, script: Script, key: str, dialect: Dialect | None
    ) -> None:
        refused = script.reject_stream_options and "stream_options" in call.body
        if script.status is not None or refused:
            call.status = 400 if refused else script.status or 400
            error = "Unknown field: stream_options." if refused else script.error
            wait = "" if script.retry_after is None else f"Retry-After: {script.retry_after}\r\n"
            await asyncio.sleep(script.ttft_ms / 1000)
            said = dialect.error(call.status, error) if dialect else error_body(call.status, error)
            connection.send(call.status, said, wait)
            call.ended = "error"
            return
        asked = call.body
        if dialect is not None:
            asked = {
                "model": asked.get("model"),
                "messages": dialect.messages(asked),
                "max_tokens": dialect.limit(asked),
            }
        answer = answer_to(asked, script, self._text(script, key), call.number)
        call.usage = answer.usage
        if call.stream and dialect is not None:
            return await send(connection, call, script, answer, dialect)
        if call.stream:
            await send_stream(connection, call, script, answer, self.keep_bytes)
            return
        await asyncio.sleep((script.ttft_ms + script.interval_ms * len(answer.deltas)) / 1000)
        if script.hang_after is not None:
            await asyncio.Event().wait()  # ends when the client leaves
        if script.cut_after is not None:
            call.ended = "cut"
            return connection.send_half(dialect.whole(answer) if dialect else whole(answer, True))
        call.usage_sent = bool(script.usage)
        call.deltas = answer.usage["completion_tokens"]
        connection.send(200, dialect.whole(answer) if dialect else whole(answer, call.usage_sent))
        call.ended = "completed"

    def _text(self, script: Script, key: str) -> str | None:
        if not script.texts:
            return None
        turn = self._texts[key]
        self._texts[key] += 1
        return script.texts[min(turn, len(script.texts) - 1)]


def _object(raw: bytes) -> dict[str, Any] | None:
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None
