"""What the turn sees of a provider, behind a Protocol: the OpenAI client in a house, an echo in tests."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any, Protocol


class Upstream(Protocol):
    """An OpenAI-compatible provider. Its faults are ProviderError (or BadRequest: the prompt is too long)."""

    def stream(self, body: Mapping[str, Any], request_id: str) -> AsyncGenerator[bytes, None]:
        """The answer's events in order, each as the upstream's own bytes, without the closing [DONE]."""

    async def complete(self, body: Mapping[str, Any], request_id: str) -> dict[str, Any]:
        """The whole answer: any JSON object that came with a status of 200, an error among them."""

    async def embed(self, body: Mapping[str, Any], request_id: str) -> dict[str, Any]:
        """The embeddings of `body["input"]`, in the shape of OpenAI's /embeddings, with their usage where the provider
        tells one. Raises BadRequest where the provider makes none."""

    async def count_prompt(self, body: Mapping[str, Any]) -> int | None:
        """The prompt's exact size in tokens, or None where the upstream has no tokenizer (or it fails)."""

    async def count_text(self, model: str, text: str) -> int | None:
        """A text's exact size in tokens, or None as above."""

    async def close(self) -> None:
        """Close the connections."""
