"""The form of `stack` in maitre.yaml, as pydantic checks it. The embedded house ignores it; compose/ reads it."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from maitre.keys.address import network_of

_LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
Host = Annotated[str, StringConstraints(max_length=253, pattern=rf"^{_LABEL}(\.{_LABEL})*$")]
Port = Annotated[int, Field(ge=1, le=65_535)]
HostKey = Literal["open_webui", "gateway", "dashboard", "langfuse"]
Access = Literal["public", "allowlist", "basic_auth"]
SecretName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
Amount = Annotated[str, StringConstraints(pattern=r"^[0-9]+(\.[0-9]+)?[kmg]b?$")]
Cpus = Annotated[str, StringConstraints(pattern=r"^[0-9]+(\.[0-9]+)?$")]
Variable = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]*$")]


class Form(BaseModel):
    """A section: an unknown field is a mistake. Numbers may stand where a text is wanted."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)


class TlsForm(Form):
    """`stack.tls`."""

    kind: Literal["letsencrypt-http", "letsencrypt-dns", "files", "none"] = "letsencrypt-http"
    email: Annotated[str, StringConstraints(pattern=r"^([^@\s]+@[^@\s]+\.[^@\s]+)?$")] = ""
    dns_provider: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]*$")] = ""
    credentials: dict[Variable, SecretName] = {}

    @model_validator(mode="after")
    def _whole(self) -> TlsForm:
        if self.kind == "letsencrypt-dns" and not (self.dns_provider and self.credentials):
            raise ValueError(
                "letsencrypt-dns needs dns_provider, and credentials, such as { CF_DNS_API_TOKEN: NAME_OF_A_SECRET }"
            )
        return self


class OllamaForm(Form):
    """`stack.ollama`."""

    instances: Annotated[int, Field(ge=1, le=16)] = 1
    models: list[Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._/-]*(:[A-Za-z0-9._-]+)?$")]] | None = None
    gpu: bool | None = None


class ServiceForm(Form):
    """One of `stack.services`: what is said here wins over the service's file."""

    image: str | None = None
    tag: str | None = None
    digest: Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")] | None = None
    cpus: Cpus | None = None
    memory: Amount | None = None
    reserved_cpus: Cpus | None = None
    reserved_memory: Amount | None = None
    replicas: int | None = Field(None, ge=1, le=16)
    bodies: dict[Annotated[int, Field(ge=1, le=12)], Annotated[int, Field(ge=1)]] = {}
    settings: dict[str, str] = {}
    env: dict[Variable, str] = {}

    @field_validator("tag")
    @classmethod
    def _pinned(cls, value: str | None) -> str | None:
        if value == "latest":
            raise ValueError("“latest” is no release; name one")
        return value

    @field_validator("settings", "env", mode="before")
    @classmethod
    def _texts(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {key: str(one).lower() if isinstance(one, bool) else one for key, one in value.items()}


class RateLimitForm(Form):
    """`stack.rate_limit`."""

    average: Annotated[int, Field(ge=1)] = 100
    burst: Annotated[int, Field(ge=1)] = 50
    files_burst: Annotated[int, Field(ge=1)] = 1000


class StackForm(Form):
    """`stack`."""

    size: Literal["small", "gpu"] = "small"
    project: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,40}$")] = "maitre"
    profiles: list[Literal["langfuse", "litellm", "vllm"]] = []
    bind: str = "0.0.0.0"
    http_port: Port = 80
    https_port: Port = 443
    tls: TlsForm = TlsForm()
    hosts: dict[HostKey, Host] = {}
    cloudflare: bool = False
    access: dict[HostKey, Access] = {}
    allow: list[str] = []
    rate_limit: RateLimitForm = RateLimitForm()
    ollama: OllamaForm = OllamaForm()
    services: dict[str, ServiceForm] = {}
    drain_timeout: Annotated[int, Field(ge=1, le=86_400)] = 300

    @field_validator("bind")
    @classmethod
    def _address(cls, value: str) -> str:
        try:
            return str(ip_address(value))
        except ValueError:
            raise ValueError(f"“{value}” is no address of this machine, such as 127.0.0.1") from None

    @field_validator("allow")
    @classmethod
    def _networks(cls, value: list[str]) -> list[str]:
        for one in value:
            network_of(one)
        return value

    @model_validator(mode="after")
    def _consistent(self) -> StackForm:
        if "allowlist" in self.access.values() and not self.allow:
            raise ValueError("an access is allowlist, but allow names no networks")
        if self.http_port == self.https_port:
            raise ValueError("http_port and https_port are the same")
        names = list(self.hosts.values())
        if twice := sorted({host for host in names if names.count(host) > 1}):
            raise ValueError(f"hosts: “{twice[0]}” is there twice")
        return self


def is_local(domain: str) -> bool:
    """Whether a name is of no use to the open internet, so that nobody signs a certificate for it."""
    return (
        "." not in domain
        or domain.endswith((".localhost", ".local", ".internal", ".test", ".example", ".invalid"))
        or bool(re.fullmatch(r"[0-9.]+", domain))
    )
