"""OpenAI's chat wire format: requests read, our own events and answers written."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from maitre.chat import sse
from maitre.chat.message import Usage
from maitre.errors import Refusal

#: How much of an answer is kept for counting, the trace and the request log. Characters.
KEPT = 256 * 1024

#: No call has so many tokens; a provider that says so is broken, and its usage is none.
ABSURD = 10_000_000

#: No tokenizer makes longer tokens of a text. UTF-8 bytes.
LONGEST_TOKEN = 16

#: Tokens of a text have no fewer bytes on the average: English has four and more, Cyrillic and Chinese three.
SHORTEST_TOKEN = 3

#: No server makes more deltas of one token: some stream by characters or bytes.
MOST_DELTAS = 8

#: Types of a content part that is an image.
IMAGES = ("image_url", "image", "input_image")


@dataclass(slots=True)
class Answer:
    """What has come back from one upstream call so far."""

    started: datetime
    id: str = ""  # the upstream's own
    first_token_at: datetime | None = None
    text: list[str] = field(default_factory=list)
    size: int = 0  # UTF-8 bytes of everything the model wrote, whether kept or not
    usage: Usage | None = None  # the upstream's, the most that it told
    _told_after: int = 0  # deltas before the last usage
    _room: int = KEPT  # characters that may still be kept
    counted: Usage | None = None  # ours, where the upstream sent none
    finish_reason: str | None = None
    error: str | None = None
    deltas: int = 0
    began: bool = False  # whether the upstream may have set to work: it took the request, and refused it by no status

    def see(self, chunk: Mapping[str, Any], clock: Callable[[], datetime]) -> None:
        """Take note of one streamed chunk. The time is asked for once, at the first token."""
        if not self.id and isinstance(chunk.get("id"), str):
            self.id = chunk["id"][:200]
        if chunk.get("error"):
            told = chunk["error"]
            self.error = (told if isinstance(told, str) else json.dumps(told, ensure_ascii=False))[:2000]
        counted = self._see_usage(chunk.get("usage"))
        for choice in chunk.get("choices") or ():
            if choice.get("finish_reason"):
                self.finish_reason = str(choice["finish_reason"])
            wrote = _written(choice.get("delta") or choice.get("message") or {})
            if wrote:
                self.deltas += 1
                self.began = True
                self.first_token_at = self.first_token_at or clock()
                self.write(wrote)
        if counted:
            self._told_after = self.deltas

    @property
    def fewest_tokens(self) -> int:
        """Tokens that were surely written. A delta is one where a server streams by tokens, which have SHORTEST_TOKEN
        bytes and more on the average; of one that streams by characters only the text tells."""
        return self.deltas if self.size >= self.deltas * SHORTEST_TOKEN else self.size // LONGEST_TOKEN

    @property
    def usage_is_whole(self) -> bool:
        """Whether the upstream's usage can be that of the whole call: nothing was written after it, no prompt is empty,
        and so much text cannot be fewer tokens."""
        if self.usage is None or self._told_after != self.deltas:
            return False
        fewest = max(min(1, self.deltas), self.size // LONGEST_TOKEN)
        return self.usage.prompt_tokens > 0 and self.usage.completion_tokens >= fewest

    def longer_than(self, tokens: int) -> bool:
        """Whether more than so many tokens were surely written. A delta may be less than a token, or many."""
        return self.deltas > tokens * MOST_DELTAS or self.size > tokens * LONGEST_TOKEN

    def write(self, text: str) -> None:
        """Add to what the model wrote."""
        if self._room > 0:
            self.text.append(text[: self._room])
            self._room -= len(text)
        self.size += len(text) if text.isascii() else len(text.encode("utf-8", "replace"))

    def _see_usage(self, usage: object) -> bool:
        # Some providers send cumulative ones, and a count never goes back. Anything but two believable ones is none.
        if isinstance(usage, dict):
            prompt, completion = count(usage.get("prompt_tokens")), count(usage.get("completion_tokens"))
            if prompt is not None and completion is not None:
                before = self.usage or Usage(0, 0)
                self.usage = Usage(max(prompt, before.prompt_tokens), max(completion, before.completion_tokens))
                return True
        return False

    def forget_text(self) -> None:
        """Keep the counts only."""
        self.text.clear()

    @property
    def written(self) -> str:
        """What the model wrote, up to KEPT characters."""
        return "".join(self.text)


def count(value: object) -> int | None:
    """A number of tokens that somebody else tells, or None when it is not one that can be."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < ABSURD:
        return None
    return value


def _written(delta: Mapping[str, Any]) -> str:
    content = delta.get("content")
    if len(delta) == 1 and isinstance(content, str):  # as nearly every one is
        return content
    parts = [content, delta.get("reasoning_content"), delta.get("reasoning"), delta.get("refusal")]
    if isinstance(content, list):  # Mistral's content parts
        parts += [part.get("text") for part in content if isinstance(part, Mapping)]
    functions = [call.get("function") or {} for call in delta.get("tool_calls") or ()]
    for function in [*functions, delta.get("function_call") or {}]:
        parts += [function.get("name"), function.get("arguments")]
    return "".join(part for part in parts if isinstance(part, str))


def chunk(id: str, model: str, created: int, delta: Mapping[str, Any], finish_reason: str | None) -> bytes:
    """A streamed chunk of our own."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return sse.frame(
        {"id": id, "object": "chat.completion.chunk", "created": created, "model": model, "choices": [choice]}
    )


def completion(id: str, model: str, created: int, text: str, usage: Usage) -> dict[str, Any]:
    """A whole answer, not streamed."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    head = {"id": id, "object": "chat.completion", "created": created, "model": model, "choices": [choice]}
    return {**head, "usage": usage.to_openai()}


def error_chunk(refusal: Refusal, text: str) -> bytes:
    """A refusal in the middle of a stream: Open WebUI shows `error.message` and keeps what was written."""
    return sse.frame({"error": error(refusal, text)})


def error(refusal: Refusal, text: str) -> dict[str, Any]:
    """OpenAI's error object. `code` is the HTTP status, which is what Open WebUI looks at; `retry_after`, in seconds,
    is the header's for a stream that has none."""
    known = {"message": text, "type": refusal.type, "code": refusal.status, "param": None}
    return known if refusal.retry_after is None else {**known, "retry_after": refusal.retry_after}


def images_in(messages: Sequence[Mapping[str, Any]]) -> int:
    """How many images the messages carry."""
    contents = [message.get("content") for message in messages]
    parts = [part for content in contents if isinstance(content, list) for part in content]
    return sum(part.get("type") in IMAGES for part in parts)
