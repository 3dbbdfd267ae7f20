"""What the tests ask the official Python client to do. Each step gives values that JSON can hold; `node_steps.mjs` has
the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import openai
from pydantic import BaseModel

TOOLS: Any = [
    {
        "type": "function",
        "function": {
            "name": "look",
            "strict": True,
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
]


class City(BaseModel):
    """What a JSON answer is parsed into."""

    city: str


class Steps:
    """The client of one key."""

    def __init__(self, url: str, key: str, options: Mapping[str, Any]) -> None:
        self.attempts = 0
        http = openai.DefaultHttpxClient(event_hooks={"request": [self._count]})  # it changes nothing
        self.client = openai.OpenAI(base_url=f"{url}/v1", api_key=key, http_client=http, **options)

    def _count(self, request: object) -> None:
        self.attempts += 1

    def models(self) -> Any:
        """The ids of the models."""
        return [model.id for model in self.client.models.list()]

    def chat(self, **asked: Any) -> Any:
        """A whole answer."""
        answer = self.client.chat.completions.create(**asked)
        (choice,) = answer.choices
        assert answer.usage is not None
        return {
            "id": answer.id,
            "model": answer.model,
            "text": choice.message.content,
            "finish": choice.finish_reason,
            "tokens": answer.usage.total_tokens,
            "calls": calls(choice.message),
        }

    def stream(self, **asked: Any) -> Any:
        """A stream, chunk by chunk."""
        chunks = list(self.client.chat.completions.create(stream=True, **asked))
        return {
            "ids": sorted({chunk.id for chunk in chunks}),
            "models": sorted({chunk.model for chunk in chunks}),
            "text": "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices),
            "usages": [chunk.usage.total_tokens for chunk in chunks if chunk.usage],
            "empty": sum(not chunk.choices for chunk in chunks),
        }

    def gathered(self, **asked: Any) -> Any:
        """A stream that the client puts together by itself."""
        with self.client.chat.completions.stream(tools=TOOLS, **asked) as stream:
            (choice,) = stream.get_final_completion().choices
        return {
            "text": choice.message.content,
            "finish": choice.finish_reason,
            "calls": calls(choice.message),
        }

    def tools(self, **asked: Any) -> Any:
        """A whole answer that asks for a tool."""
        return self.chat(tools=TOOLS, tool_choice="auto", parallel_tool_calls=False, **asked)

    def schema(self, **asked: Any) -> Any:
        """An answer by a JSON schema, parsed."""
        answer = self.client.chat.completions.parse(response_format=City, **asked)
        parsed = answer.choices[0].message.parsed
        return None if parsed is None else parsed.model_dump()

    def embeddings(self, **asked: Any) -> Any:
        """Vectors."""
        answer = self.client.embeddings.create(**asked)
        return {
            "vectors": [one.embedding for one in answer.data],
            "model": answer.model,
            "tokens": answer.usage.total_tokens,
        }

    def abort(self, **asked: Any) -> Any:
        """Leave in the middle of a stream."""
        stream = self.client.chat.completions.create(stream=True, **asked)
        text = ""
        for chunk in stream:
            text += chunk.choices[0].delta.content or ""
            if text:
                break
        stream.close()
        return {"text": text}


def calls(message: Any) -> list[list[str]]:
    """The tools that a message asks for."""
    return [[call.function.name, call.function.arguments] for call in message.tool_calls or []]


def ask(step: str, url: str, key: str, options: Mapping[str, Any], asked: Mapping[str, Any]) -> Any:
    """Do a step. An error of the client is its name and what it tells."""
    steps = Steps(url, key, options)
    do: Callable[..., Any] = getattr(steps, step)
    try:
        return do(**asked)
    except openai.APIError as fault:
        status = fault if isinstance(fault, openai.APIStatusError) else None
        return {
            "error": type(fault).__name__,
            "status": status.status_code if status else None,
            "code": fault.code,
            "param": fault.param,
            "type": fault.type,
            "message": fault.message,
            "headers": dict(status.response.headers) if status else {},
            "attempts": steps.attempts,
        }
