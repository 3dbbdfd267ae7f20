"""What the operator wishes of the stack, read from a house's folder and completed with the defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from compose.stack.catalogue import read_services
from compose.stack.models import models_of
from compose.stack.selection import OLLAMA, derived, of_ollama
from compose.stack.service import Service
from compose.stack.settings import Ollama, RateLimit, Stack, Tls
from maitre.errors import ConfigError
from maitre.house.stack_forms import StackForm, is_local
from maitre.providers.provider import EMBEDDED
from maitre.settings import House

#: Host keys and their names below the domain. The RAG service has none: nobody outside needs it.
HOSTS = {"open_webui": "chat", "gateway": "api", "dashboard": "traefik"}
#: Those that exist only with a profile.
PROFILE_HOSTS = {"langfuse": "langfuse"}
ACCESS = {"open_webui": "public", "gateway": "public", "dashboard": "basic_auth", "langfuse": "basic_auth"}


def read_stack(house: House) -> tuple[Stack, dict[str, Service]]:
    """The stack that maitre.yaml wishes, and the services of its size. Raises ConfigError with every problem, each as
    `file: path: message`."""
    written = yaml.safe_load((house.directory / "maitre.yaml").read_text("utf-8")).get("stack") or {}
    form = StackForm.model_validate(written)
    services = read_services(form.size)
    problems = [*_names(form, services), *_domain(form, house), *_providers(form, house)]
    if problems:
        raise ConfigError([f"maitre.yaml: {problem}" for problem in problems])
    return _stack(form, house), services


def _stack(form: StackForm, house: House) -> Stack:
    names = HOSTS | {key: name for key, name in PROFILE_HOSTS.items() if key in form.profiles}
    overrides = {name: one.model_dump(exclude_defaults=True) for name, one in form.services.items()}
    plain: dict[str, Any] = form.model_dump(
        exclude={"tls", "ollama", "services", "profiles", "allow", "hosts", "access", "rate_limit"}
    )
    return Stack(
        **plain,
        profiles=tuple(sorted(set(form.profiles))),
        tls=Tls(**form.tls.model_dump()),
        hosts={key: form.hosts.get(key, f"{name}.{house.domain}") for key, name in names.items()},  # type: ignore[call-overload]
        access={key: form.access.get(key, ACCESS[key]) for key in names},  # type: ignore[call-overload]
        allow=tuple(form.allow),
        rate_limit=RateLimit(**form.rate_limit.model_dump()),
        ollama=Ollama(
            instances=form.ollama.instances,
            models=tuple(form.ollama.models if form.ollama.models is not None else models_of(house, form.size)),
            gpu=form.size == "gpu" if form.ollama.gpu is None else form.ollama.gpu,
        ),
        services=overrides,
    )


def _names(form: StackForm, services: Mapping[str, Service]) -> list[str]:
    known = ", ".join(sorted(services))
    profiles = {one.profile for one in services.values()}
    problems = [f"stack.profiles: “{one}” has no services yet" for one in form.profiles if one not in profiles]
    for name, wish in form.services.items():
        if name not in services:
            problems.append(f"stack.services.{name}: there is no such service (there is: {known})")
            continue
        settings = services[name].settings
        known_settings = ", ".join(sorted(settings)) or "none"
        problems += [
            f"stack.services.{name}.settings.{key}: there is no such setting (there is: {known_settings})"
            for key in wish.settings
            if key not in settings
        ]
        if wish.replicas and wish.replicas > 1 and services[name].rollout == "replace":
            rolled = ", ".join(sorted(one.name for one in services.values() if one.rollout == "beside"))
            problems.append(f"stack.services.{name}.replicas: only these may have several: {rolled}")
        route = services[name].route
        if wish.bodies and not (route and route.bodies):
            problems.append(f"stack.services.{name}.bodies: the bodies of its requests are not counted")
        if services[name].build and (wish.image or wish.tag or wish.digest):
            problems.append(f"stack.services.{name}: its image is built from these sources, and cannot be another one")
    return problems


def _domain(form: StackForm, house: House) -> list[str]:
    if not form.tls.kind.startswith("letsencrypt") or not is_local(house.domain):
        return []
    return [
        f"domain: Let's Encrypt signs no certificate for “{house.domain}”; write a domain of yours, or choose"
        " stack.tls.kind: files (own certificates) or none"
    ]


def _providers(form: StackForm, house: House) -> list[str]:
    """What only works in the embedded house, and numbers that are written twice."""
    problems = [
        f"providers.{name}.base_url: “embedded” is the server of `cli up`; in the stack write http://{OLLAMA}:11434/v1"
        for name, one in house.providers.items()
        if one.base_url == EMBEDDED
    ]
    own = form.services[OLLAMA].settings if OLLAMA in form.services else {}
    fields = {"num_parallel": "max_concurrent", "context_length": "context"}
    asking = ", ".join(one.name for one in of_ollama(house))
    problems += [
        f"stack.services.{OLLAMA}.settings.{name}: follows from `{fields[name]}` of the provider {asking}; set it there"
        for name in derived(house)
        if name in own
    ]
    return problems
