"""What the operator wants of the stack: the section `stack` of maitre.yaml. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Size = Literal["small", "gpu"]
Access = Literal["public", "allowlist", "basic_auth"]
SIZES: tuple[Size, ...] = ("small", "gpu")


@dataclass(frozen=True, slots=True)
class Tls:
    """Where the certificates come from: Let's Encrypt by HTTP or DNS challenge, the secrets `tls_certificate` (PEM with
    its chain) and `tls_key`, or nowhere."""

    kind: Literal["letsencrypt-http", "letsencrypt-dns", "files", "none"] = "letsencrypt-http"
    email: str = ""  # Let's Encrypt's account
    dns_provider: str = ""  # lego's name of it, such as cloudflare
    credentials: Mapping[str, str] = field(default_factory=dict)  # the DNS provider's variables -> names of secrets


@dataclass(frozen=True, slots=True)
class Ollama:
    """How many Ollamas stand behind the one name, with which models, and whether they have a GPU."""

    instances: int = 1
    models: tuple[str, ...] = ()
    gpu: bool = False


@dataclass(frozen=True, slots=True)
class RateLimit:
    """Requests of one address. `average`: a second; `burst`: at once; `files_burst`: at once, of files that never
    change. Open WebUI's first page asks for some two hundred of those before anybody can sign in."""

    average: int = 100
    burst: int = 50
    files_burst: int = 1000


@dataclass(frozen=True, slots=True)
class Stack:
    """The operator's wishes, complete: what was left out has its default."""

    size: Size = "small"
    project: str = "maitre"
    profiles: tuple[str, ...] = ()
    bind: str = "0.0.0.0"
    http_port: int = 80
    https_port: int = 443
    tls: Tls = field(default_factory=Tls)
    hosts: Mapping[str, str] = field(default_factory=dict)  # host key -> host name
    cloudflare: bool = False
    access: Mapping[str, Access] = field(default_factory=dict)  # host key -> who may come
    allow: tuple[str, ...] = ()  # networks of `access: allowlist`
    rate_limit: RateLimit = field(default_factory=RateLimit)
    ollama: Ollama = field(default_factory=Ollama)
    services: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # overrides of a service's values
    drain_timeout: int = 300  # seconds that an old replica gets for its open streams
