"""What an inlet knows of a turn, from the body that Open WebUI hands to filters. Pure.

Open WebUI replaces a client's `metadata` by its own on every way that runs an inlet, so it can be believed there;
the key that our pipe trusts must be removed first, since a client's survives (docs/why.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from maitre.chat.message import Stamp
from maitre.chat.stamp import KEY, LIFETIME
from maitre.chat.text import clean

#: The ids of our two manifolds; every model of ours begins with one of them.
OURS = ("assistants.", "models.")

#: The model that a refused turn of somebody else's model is sent to, to carry the sentence.
REFUSED = "assistants.refused"


def base_model(body: Mapping[str, Any]) -> str:
    """The model that will be called: the selected one, or the base of a workspace model."""
    info = _dict(_dict(_dict(body.get("metadata")).get("model")).get("info"))
    return str(info.get("base_model_id") or body.get("model") or "")


def is_ours(model: str) -> bool:
    """Whether one of our manifolds serves the model."""
    return model.startswith(OURS)


def is_direct(body: Mapping[str, Any]) -> bool:
    """Whether the model is on a connection of the guest's own browser."""
    metadata = _dict(body.get("metadata"))
    return bool(metadata.get("direct") or _dict(metadata.get("model")).get("direct"))


def without_key(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body without a stamp that somebody else put in."""
    return {name: value for name, value in body.items() if name != KEY}


def stamp_of(body: Mapping[str, Any], *, user_id: str, model: str, turn_id: str, now: float) -> Stamp:
    """The stamp of the turn that this body begins."""
    metadata = _dict(body.get("metadata"))
    variables = _dict(metadata.get("variables"))
    task = _text(metadata.get("task"))
    return Stamp(
        user_id=user_id,
        model=model,
        turn_id=turn_id,
        expires=int(now) + LIFETIME,
        kind="task" if task else "turn",
        task=task,
        chat_id=_text(metadata.get("chat_id")),
        browser=bool(metadata.get("session_id")),
        language=_text(variables.get("{{USER_LANGUAGE}}")),
        zone=_text(variables.get("{{CURRENT_TIMEZONE}}")),
    )


def _dict(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str:
    # On some doors the chat id is the guest's own word: it must fit a database column and a trace.
    return clean(str(value or ""))[:200]
