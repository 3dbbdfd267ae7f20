"""A provider and its models: where an answer comes from."""

from __future__ import annotations

from dataclasses import dataclass, replace

from maitre.queue.line import Capacity

#: Kinds of upstream. The kind says which wire format a provider speaks, and what else it offers (a tokenizer).
KINDS = ("openai", "anthropic", "ollama", "vllm", "llama_cpp", "openrouter", "litellm")

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
    """An upstream. `base_url` ends where the paths of its wire format begin: before `/chat/completions` for those that
    speak the OpenAI API."""

    name: str
    kind: str
    base_url: str
    api_key: str = ""
    queue: Capacity | None = None  # the line in front of it; None: as many calls at once as come
    sealed_key: str = ""  # the name of its key in Postgres, instead of `api_key`
    slots: int = 1  # how much of its calls the URL takes, beside its other ones
    more: tuple[tuple[str, int], ...] = ()  # further URLs, each with its slots
    timeout: float | None = None  # seconds for a stream's first event, or a whole answer; None: the turn's

    def each(self) -> tuple[Provider, ...]:
        """The provider at each of its URLs."""
        one = replace(self, more=())
        return (one, *(replace(one, base_url=url, slots=slots) for url, slots in self.more))

    def __repr__(self) -> str:
        return f"Provider({self.name!r}, {self.kind!r}, {self.base_url!r}, api_key=[REDACTED])"
