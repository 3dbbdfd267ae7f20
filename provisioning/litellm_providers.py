"""LiteLLM's providers, and what each is here: its kind, its usual address, and the variable that its key lies in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Known:
    """A provider of LiteLLM's as Maitre reaches it. An empty `base_url`: the config must tell one."""

    kind: str
    base_url: str
    key: str = ""


OLLAMA = Known("ollama", "http://localhost:11434")

#: By the word before the slash in `litellm_params.model`.
PROVIDERS: Mapping[str, Known] = {
    "openai": Known("openai", "https://api.openai.com/v1", "OPENAI_API_KEY"),
    "anthropic": Known("anthropic", "https://api.anthropic.com", "ANTHROPIC_API_KEY"),
    "ollama": OLLAMA,
    "ollama_chat": OLLAMA,
    "hosted_vllm": Known("vllm", ""),
    "vllm": Known("vllm", ""),
    "openrouter": Known("openrouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    "litellm_proxy": Known("litellm", "", "LITELLM_PROXY_API_KEY"),
    "azure": Known("openai", "", "AZURE_API_KEY"),
    "gemini": Known("openai", "https://generativelanguage.googleapis.com/v1beta/openai", "GEMINI_API_KEY"),
    "groq": Known("openai", "https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    "mistral": Known("openai", "https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    "deepseek": Known("openai", "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
    "xai": Known("openai", "https://api.x.ai/v1", "XAI_API_KEY"),
    "together_ai": Known("openai", "https://api.together.xyz/v1", "TOGETHERAI_API_KEY"),
    "fireworks_ai": Known("openai", "https://api.fireworks.ai/inference/v1", "FIREWORKS_AI_API_KEY"),
    "cerebras": Known("openai", "https://api.cerebras.ai/v1", "CEREBRAS_API_KEY"),
    "deepinfra": Known("openai", "https://api.deepinfra.com/v1/openai", "DEEPINFRA_API_KEY"),
    "nvidia_nim": Known("openai", "https://integrate.api.nvidia.com/v1", "NVIDIA_NIM_API_KEY"),
    "lm_studio": Known("openai", ""),
    "openai_like": Known("openai", ""),
    "custom_openai": Known("openai", ""),
}

#: A model without such a word before it: whose it is, by how its name begins. All others are OpenAI's.
BARE = {"claude": "anthropic", "gemini": "gemini", "deepseek": "deepseek", "mistral": "mistral", "grok": "xai"}


def split(model: str, custom: object = None) -> tuple[str, str]:
    """LiteLLM's provider and the provider's own name of a model. `custom`: its `custom_llm_provider`."""
    if isinstance(custom, str) and custom:
        return custom, model.removeprefix(f"{custom}/")
    word, slash, name = model.partition("/")
    if slash:
        return word, name
    return next((owner for start, owner in BARE.items() if model.startswith(start)), "openai"), model
