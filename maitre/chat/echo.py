"""What an upstream says of a failed call, without what it quotes of the conversation: for a log, which keeps no
guest's words."""

from __future__ import annotations

import json
from collections.abc import Sequence

from maitre.chat.message import Message

RUN = 12  # characters in a row that are no coincidence
SHOWN = 500  # characters of the upstream's words
LARGEST = 100_000  # characters of a conversation beyond which a quotation is not looked for: then nothing is shown
GAP = "[…]"


def without_quotations(detail: str, messages: Sequence[Message]) -> str:
    """The upstream's words; every run of characters that stands in the messages, as it is or escaped, is left out."""
    try:
        said = json.dumps(list(messages), ensure_ascii=False, default=str)
        if len(said) > LARGEST:
            return f"({len(detail)} characters, not shown beside so long a conversation)"
        heard = said + json.dumps(list(messages), default=str) + "\n".join(_texts(list(messages)))
    except RecursionError:
        return f"({len(detail)} characters, not shown beside so odd a conversation)"
    words, kept, at = detail[:SHOWN], [], 0
    while at < len(words):
        end = at + RUN
        if words[at:end] in heard and end <= len(words):
            while end < len(words) and words[at : end + 1] in heard:
                end += 1
            kept.append(GAP)
            at = end
        else:
            kept.append(words[at])
            at += 1
    return "".join(kept)


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [text for one in value for text in _texts(one)] if isinstance(value, list | tuple) else []
