"""Which adapter speaks to which kind of provider."""

from __future__ import annotations

from maitre.providers.anthropic_http import AnthropicUpstream
from maitre.providers.keyring import Keyring
from maitre.providers.ollama_http import OllamaUpstream
from maitre.providers.openai_http import OpenAIUpstream
from maitre.providers.provider import Provider

AnyUpstream = OpenAIUpstream | AnthropicUpstream | OllamaUpstream

#: The kinds that have a wire format of their own; all others speak the OpenAI API.
OWN_FORMAT: dict[str, type[AnthropicUpstream] | type[OllamaUpstream]] = {
    "anthropic": AnthropicUpstream,
    "ollama": OllamaUpstream,
}


def upstream_of(provider: Provider, keyring: Keyring) -> AnyUpstream:
    """The provider's adapter. An Ollama whose address ends in /v1 is asked by its OpenAI-compatible API."""
    if provider.kind == "ollama" and provider.base_url.endswith("/v1"):
        return OpenAIUpstream(provider, keyring)
    return OWN_FORMAT.get(provider.kind, OpenAIUpstream)(provider, keyring)
