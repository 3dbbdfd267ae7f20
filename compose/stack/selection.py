"""Which services a house needs, with the operator's wishes and the house's own numbers in them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from compose.stack.memory import size
from compose.stack.service import Limits, Service
from compose.stack.settings import Stack
from compose.stack.vllm import each_gpu
from maitre.providers.provider import Provider
from maitre.settings import House
from maitre.tracing.untraced import NOWHERE

OLLAMA, VLLM, LANGFUSE = "ollama", "vllm", "langfuse"
_TRACES = "MAITRE_TRACES_URL"


def selection(house: House, stack: Stack, services: Mapping[str, Service]) -> dict[str, Service]:
    """The services of this house by name, sorted. Raises nothing: compose.stack.wishes has checked the names."""
    found = {
        name: overridden(one if LANGFUSE in stack.profiles else _untraced(one), stack.services.get(name, {}))
        for name, one in services.items()
        if _needed(name, one, house, stack)
    }
    if OLLAMA in found:
        found |= {one.name: one for one in _instances(_of_house(found[OLLAMA], house), stack)}
        found["ollama_models"] = _pulling(found["ollama_models"], stack)
    if VLLM in found:
        found |= {one.name: one for one in each_gpu(found[VLLM])}
    there = found.keys()
    kept = {
        name: {other: how for other, how in one.depends_on.items() if other in there} for name, one in found.items()
    }
    return {name: replace(found[name], depends_on=kept[name]) for name in sorted(found)}


def _untraced(service: Service) -> Service:
    """A service that would send traces to the stack's own Langfuse, where there is none. The operator's wish may name
    another one."""
    return replace(service, env={**service.env, _TRACES: NOWHERE}) if _TRACES in service.env else service


def overridden(service: Service, wish: Mapping[str, Any]) -> Service:
    """The service with what `stack.services.<name>` says."""
    image = {
        key: wish[form] for key, form in (("name", "image"), ("tag", "tag"), ("digest", "digest")) if wish.get(form)
    }
    bodies = wish.get("bodies")
    return replace(
        service,
        image=replace(service.image, **image),
        route=replace(service.route, bodies=bodies) if service.route and bodies else service.route,
        limits=_limits(service.limits, {key: wish[key] for key in Limits.__slots__ if wish.get(key)}),
        settings={**service.settings, **wish.get("settings", {})},
        env={**service.env, **wish.get("env", {})},
        replicas=wish.get("replicas") or service.replicas,
    )


def _limits(limits: Limits, wish: Mapping[str, Any]) -> Limits:
    """A smaller limit takes along what is kept for the service: Docker keeps no more than that."""
    new = replace(limits, **wish)
    memory, cpus = new.reserved_memory, new.reserved_cpus
    return replace(
        new,
        reserved_memory=new.memory if memory and size(memory) > size(new.memory) else memory,
        reserved_cpus=new.cpus if cpus and float(cpus) > float(new.cpus) else cpus,
    )


def of_ollama(house: House) -> list[Provider]:
    """The house's providers that talk to the stack's own Ollama."""
    return [one for _, one in sorted(house.providers.items()) if OLLAMA in map(_host, _urls(one))]


def derived(house: House) -> dict[str, str]:
    """Ollama's settings that the house says elsewhere: `max_concurrent` of the providers that talk to it, and the
    `context` of their models. They are written in one place only."""
    asked = of_ollama(house)
    names = {one.name for one in asked}
    slots = [one.queue.max_concurrent for one in asked if one.queue is not None]
    contexts = [one.context for one in house.models.values() if one.provider in names and one.context]
    found = {"num_parallel": max(slots, default=0), "context_length": max(contexts, default=0)}
    return {name: str(value) for name, value in found.items() if value}


def _urls(provider: Provider) -> list[str]:
    return [provider.base_url, *(url for url, _ in provider.more)]


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


def _needed(name: str, service: Service, house: House, stack: Stack) -> bool:
    if service.profile is not None and service.profile not in stack.profiles:
        return False
    match name:
        case "pipelines":
            return house.webui.connection == "pipelines"
        case "rag" | "rag_worker" | "migrate_rag":
            return house.rag is not None
        case "ollama" | "ollama_models":
            return bool(of_ollama(house))
        case _:
            return True


def _of_house(service: Service, house: House) -> Service:
    """Ollama with the house's numbers. Several instances share the provider's calls."""
    return replace(service, settings={**service.settings, **derived(house)})


def _instances(service: Service, stack: Stack) -> Iterator[Service]:
    """Every Ollama, all behind the one name; each with a GPU of its own where there are several."""
    count = stack.ollama.instances
    parallel = -(-int(service.settings["num_parallel"]) // count)
    for number in range(1, count + 1):
        gpus = () if not stack.ollama.gpu else ("all",) if count == 1 else (str(number - 1),)
        yield replace(
            service,
            name=OLLAMA if number == 1 else f"{OLLAMA}_{number}",
            settings={**service.settings, "num_parallel": str(parallel)},
            aliases=(OLLAMA,) if number > 1 else (),
            gpus=gpus,
        )


def _pulling(service: Service, stack: Stack) -> Service:
    return replace(service, command=(*service.command, *stack.ollama.models))
