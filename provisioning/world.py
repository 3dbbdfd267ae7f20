"""What a change is applied to: Open WebUI, Maitre's database, and the ids found or made so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from provisioning.books import OpenBooks
from provisioning.openwebui_http import OpenWebUI

#: Makes the embeddings of texts, by whatever they are known by.
Embed = Callable[[Mapping[str, str]], Mapping[str, Sequence[float]]]


@dataclass(slots=True)
class World:
    """The two sides, and the ids of users (by e-mail) and of groups (by our key)."""

    web: OpenWebUI
    books: OpenBooks
    user_ids: dict[str, str] = field(default_factory=dict)
    group_ids: dict[str, str] = field(default_factory=dict)
    embedder: Embed | None = None  # in a house that makes embeddings
