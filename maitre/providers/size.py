"""How many tokens a prompt has, where the upstream offers no tokenizer: bytes times a ratio learned per model.

An unknown model starts cautious. Byte-pair tokenizers give English prose about 0.25 tokens a byte and Cyrillic
or JSON up to 0.5, so 0.5 rarely guesses too low. Every answer with usage teaches the ratio.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from maitre.chat.openai_wire import IMAGES, images_in

CAUTIOUS = 0.5  # tokens a UTF-8 byte
MARGIN = 1.1  # above what was learned, so that the hold rarely falls short
WEIGHT = 0.05  # of a newest observation that is lower; a higher one counts at once
LEARNT_FROM = 512  # bytes of text, at least
PER_MESSAGE = 4  # tokens of a chat template around a message

#: Tokens of one image: OpenAI's high-detail cost of a 1024x1024 picture, 765, and of a larger one, 1105.
PER_IMAGE = 1105


def weigh(body: Mapping[str, Any]) -> tuple[int, int]:
    """The prompt's text in UTF-8 bytes (tools included), and the tokens that are not text."""
    messages = body["messages"]
    images = images_in(messages)
    size = sum(_bytes(message) for message in messages)
    for name in ("tools", "response_format"):
        if body.get(name):
            size += len(json.dumps(body[name], ensure_ascii=False).encode("utf-8", "replace"))
    return size, PER_MESSAGE * (len(messages) + 1) + PER_IMAGE * images


def _bytes(message: Mapping[str, Any]) -> int:
    content = message.get("content")
    texts = [str(message[name]) for name in ("name", "refusal") if message.get(name)]
    if isinstance(content, str):
        texts.append(content)
    elif isinstance(content, list):
        texts += [_part(part) for part in content if isinstance(part, Mapping)]
    if message.get("tool_calls"):
        texts.append(json.dumps(message["tool_calls"], ensure_ascii=False))
    return sum(len(text.encode("utf-8", "replace")) for text in texts)


def _part(part: Mapping[str, Any]) -> str:
    if part.get("type") == "text":
        return str(part.get("text") or "")
    # Images are counted apiece; audio, files and what else there may be weigh what they are.
    return "" if part.get("type") in IMAGES else json.dumps(part, ensure_ascii=False)


class Ratios:
    """Tokens a byte, by model."""

    def __init__(self) -> None:
        self._learned: dict[str, float] = {}

    def tokens(self, model: str, size: int) -> int:
        """An estimate for `size` bytes, rather too high than too low; at least 1 for any text."""
        ratio = self._learned.get(model)
        ratio = CAUTIOUS if ratio is None else ratio * MARGIN
        return -int(-size * ratio // 1)

    def learn(self, model: str, size: int, tokens: int) -> None:
        """Take an observation into account. Short texts say nothing about a ratio: a chat template's own header
        may have more tokens than they."""
        if size < LEARNT_FROM or tokens <= 0:
            return
        seen = min(tokens / size, 1.0)  # no byte-level tokenizer makes more of a text
        old = self._learned.get(model)
        self._learned[model] = seen if old is None or seen > old else old + WEIGHT * (seen - old)
