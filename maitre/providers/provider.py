"""A provider and its models: where an answer comes from."""

from __future__ import annotations

from dataclasses import dataclass, replace

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


@dataclass(frozen=True, slots=True)
class Provider:
    """An OpenAI-compatible upstream. `base_url` ends before `/chat/completions`."""

    name: str
    kind: str
    base_url: str
    api_key: str = ""
    queue: Capacity | None = None  # the line in front of it; None: as many calls at once as come
    slots: int = 1  # how much of its calls the URL takes, beside its other ones
    more: tuple[tuple[str, int], ...] = ()  # further URLs, each with its slots
    timeout: float | None = None  # seconds for a stream's first event, or a whole answer; None: the turn's

    def each(self) -> tuple[Provider, ...]:
        """The provider at each of its URLs."""
        one = replace(self, more=())
        return (one, *(replace(one, base_url=url, slots=slots) for url, slots in self.more))

    def __repr__(self) -> str:
        return f"Provider({self.name!r}, {self.kind!r}, {self.base_url!r}, api_key=[REDACTED])"
