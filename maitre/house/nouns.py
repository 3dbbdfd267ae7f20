"""The nouns of what the forms hold."""

from __future__ import annotations

from pathlib import Path

from maitre.assistants.assistant import Assistant
from maitre.assistants.variable import Variable
from maitre.house.assistant_forms import AssistantForm, AssistantMemoryForm, RouterForm
from maitre.house.forms import (
    CollectionForm,
    HouseForm,
    MemoryForm,
    PlanForm,
    ProviderForm,
    RagForm,
    TextFormForm,
    ToolForm,
    limits_in,
)
from maitre.house.secrets import find_secret
from maitre.house.tools import header_parts
from maitre.keys.networks import Networks
from maitre.knowledge.collection import Collection, Rag, Readers, TextForm
from maitre.knowledge.wish import KnowledgeWish
from maitre.memory.memory import Memory
from maitre.providers.provider import Provider
from maitre.queue.line import Capacity
from maitre.quota.plan import Plan
from maitre.quota.subject import HOUSE, Subject
from maitre.routing.routing import Routing, Rule, Similar, Way
from maitre.tools.openapi import Operation
from maitre.tools.source import Source


def provider(directory: Path, name: str, form: ProviderForm) -> Provider:
    """A provider, with its key if it is a secret."""
    where, _, key_name = (form.api_key or "").partition(":")
    key = (find_secret(directory, key_name) or "") if where == "secret" else ""
    sealed = key_name if where == "sealed" else ""
    queue = None
    if form.max_concurrent is not None:
        queue = Capacity(
            name, form.max_concurrent, form.max_tokens_in_flight, form.max_waiting_per_user, form.max_wait_seconds
        )
    first, *more = [(one.url, one.slots) for one in form.base_url]
    return Provider(
        name,
        form.kind,
        first[0],
        key,
        queue,
        sealed,
        slots=first[1],
        more=tuple(more),
        timeout=form.timeout_seconds,
    )


def asked_secrets(house: HouseForm) -> tuple[str, ...]:
    """The names of the secrets that providers and tools ask for."""
    keys = [(form.api_key or "").partition(":") for form in house.providers.values()]
    headers = [header_parts(value)[1] for form in house.tools.values() for value in form.headers.values()]
    found = {name for where, _, name in keys if where == "secret"} | {name for name in headers if name}
    return tuple(sorted(found))


def source(directory: Path, name: str, form: ToolForm, operations: tuple[Operation, ...]) -> Source:
    """A server of tools, with its secrets."""
    headers, secrets = {}, []
    for header, value in form.headers.items():
        text, wanted = header_parts(value)
        secret = (find_secret(directory, wanted) or "") if wanted else ""
        headers[header] = text + secret
        secrets += [secret] if secret else []
    return Source(
        name=name,
        base_url=form.base_url,
        operations=operations,
        headers=headers,
        secrets=tuple(secrets),
        timeout_seconds=form.timeout_seconds,
        max_bytes=form.max_bytes,
        private=form.private,
    )


def plan(slug: str, form: PlanForm, currency: str) -> Plan:
    """A plan."""
    return Plan(
        slug=slug,
        name=form.name,
        price=form.price,
        currency=currency,
        limits=limits_in(form),
        max_answer_tokens=form.max_answer_tokens,
        models=tuple(form.models),
        record=form.record,
        weight=form.weight,
        fail=form.fail,
        prepaid=form.prepaid,
        networks=Networks(tuple(form.networks.allow), tuple(form.networks.deny)),
    )


def rag(form: RagForm | None) -> Rag | None:
    """How the house's knowledge is made, if it has any."""
    if form is None:
        return None
    return Rag(
        embedding=form.embedding,
        query=_text_form(form.query),
        passage=_text_form(form.passage),
        docling=form.docling,
        max_file_bytes=form.max_file_mb * 2**20,
        answer_model=form.answer_model,
    )


def _text_form(form: TextFormForm) -> TextForm:
    return TextForm(form.prefix, form.input_type)


def collection(name: str, form: CollectionForm) -> Collection:
    """A collection that the house's files describe."""
    readers = Readers(
        form.readers.everyone,
        tuple(email.lower() for email in form.readers.users),
        tuple(form.readers.groups),
        tuple(form.readers.assistants),
    )
    return Collection(
        name=name,
        title=form.name or name,
        description=form.description,
        language=form.language,
        owner=form.owner.lower() if form.owner else None,
        readers=readers,
        files=tuple(form.files),
        index=form.index,
    )


def budgets(house: HouseForm) -> dict[Subject, dict[str, int]]:
    """The limits of the house, its providers and models, by the names of WINDOWS."""
    every = {HOUSE: house.limits}
    for name, provider in house.providers.items():
        every[Subject("provider", name)] = provider.limits
        every |= {Subject("model", id): model.limits for id, model in provider.models.items()}
    return {subject: limits for subject, form in every.items() if (limits := limits_in(form))}


def assistant(slug: str, front: AssistantForm | RouterForm, prompt: str, memory: MemoryForm) -> Assistant:
    """An assistant, or a router."""
    if isinstance(front, RouterForm):
        fields = front.model_dump(exclude={"slug", "routes", "default", "similar"}) | {"plans": tuple(front.plans)}
        return Assistant(slug=slug, model="", prompt="", routing=_routing(slug, front), **fields)
    fields = front.model_dump(exclude={"slug", "limits", "memory", "variables"})
    fields["memory"] = _memory(front.memory, memory)
    fields["knowledge"] = None if front.knowledge is None else KnowledgeWish.from_json(front.knowledge.model_dump())
    fields["variables"] = {name: Variable(**one.model_dump()) for name, one in front.variables.items()}
    fields |= {"plans": tuple(front.plans), "overrides": tuple(front.overrides), "limits": limits_in(front.limits)}
    fields |= {"server_tools": tuple(front.server_tools), "examples": tuple(front.examples)}
    return Assistant(slug=slug, prompt=prompt, **fields)


def _memory(own: AssistantMemoryForm | None, house: MemoryForm) -> Memory | None:
    """An assistant's memory: the house's, but for what it says itself."""
    if own is None:
        return None
    told = {name: value for name, value in own.model_dump().items() if value is not None}
    return Memory(**{**house.model_dump(), **told})


def _routing(slug: str, front: RouterForm) -> Routing:
    rules = []
    for route in front.routes:
        split = (route.split or {}).items()
        ways = tuple(Way(way.assistant, f"{slug}:{name}", way.weight) for name, way in split)
        conditions = {name: tuple(getattr(route, name)) for name in ("contains", "plans", "groups", "languages")}
        rules.append(Rule(ways or (Way(route.assistant or ""),), **conditions))
    similar = None if front.similar is None else Similar(tuple(front.similar.assistants), front.similar.margin)
    return Routing((*rules, Rule((Way(front.default),))), similar)
