"""A provider and its models: where an answer comes from."""

from __future__ import annotations

from dataclasses import dataclass

from maitre.queue.line import Capacity

#: Kinds of upstream. All speak the OpenAI API; the kind says what else they offer (a tokenizer).
KINDS = ("openai", "llama_cpp", "vllm", "ollama", "openrouter", "litellm")

#: The base URL that stands for the embedded house's own llama.cpp server.
EMBEDDED = "embedded"


@dataclass(frozen=True, slots=True)
class Model:
    """A model of a provider. `id` is the public name, unique in the house; `upstream` is the provider's."""

    id: str
    name: str
    provider: str
    upstream: str
    context: int | None = None  # tokens of prompt and answer together, if known
    tools: bool = True  # whether the model can be given tools
    embedding: bool = False  # it makes embeddings, and answers no chat


@dataclass(frozen=True, slots=True)
class Provider:
    """An OpenAI-compatible upstream. `base_url` ends before `/chat/completions`."""

    name: str
    kind: str
    base_url: str
    api_key: str = ""
    queue: Capacity | None = None  # the line in front of it; None: as many calls at once as come

    def __repr__(self) -> str:
        return f"Provider({self.name!r}, {self.kind!r}, {self.base_url!r}, api_key=[REDACTED])"
