"""What a container sees of the house's folder: copies that hold only what its process reads.

So that what runs is what was deployed, a provider's key is not where nobody asks the provider, and a change in one
section restarts only those who read it. The assistants are seen by `cli seed` only: to all others they come from the
database.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from compose.text import yaml_text
from maitre.house.written import mapping
from traefik.networks import CLOUDFLARE

#: The sections that only the operator's side reads.
_OPERATORS = ("stack", "knowledge")
#: The sections that the RAG service reads.
_RAG = ("domain", "language", "time_zone", "currency", "providers", "models", "rag")


def house_copies(files: Mapping[str, str], cloudflare: bool) -> dict[str, str]:
    """The copies by their path below the rendered folder: `house/engine/maitre.yaml` and so on.

    `files`: the house's own files by their path in its folder. Guests reach the gateway through Traefik alone, whose
    address Docker chooses, and with `cloudflare` through one address of Cloudflare before it. Nobody else is believed
    whom a request is from, whatever the house says of its proxies elsewhere.
    """
    written = yaml.safe_load(files["maitre.yaml"])
    engine = {name: section for name, section in written.items() if name not in _OPERATORS}
    engine["trusted_proxies"] = [["traefik"], *([list(CLOUDFLARE)] if cloudflare else ())]
    seed = {name: section for name, section in written.items() if name != "stack"}
    rag = {name: written[name] for name in _RAG if name in written}
    rag |= {"plans": {}, "prices": {"version": "none"}, "providers": _without_keys(mapping(rag.get("providers")))}
    return {
        "house/engine/maitre.yaml": yaml_text(engine),
        "house/rag/maitre.yaml": yaml_text(rag),
        "house/seed/maitre.yaml": yaml_text(seed),
        **{f"house/engine/{name}": files[name] for name in tool_documents(files["maitre.yaml"])},
        **{f"house/seed/{name}": text for name, text in files.items() if name != "maitre.yaml"},
    }


def tool_documents(house: str) -> tuple[str, ...]:
    """The OpenAPI documents that the text of a maitre.yaml names, by their path in the house's folder."""
    return tuple(sorted({str(one["openapi"]) for one in mapping(yaml.safe_load(house).get("tools")).values()}))


def _without_keys(providers: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: {key: value for key, value in one.items() if key not in ("api_key", "limits")}
        for name, one in providers.items()
    }
