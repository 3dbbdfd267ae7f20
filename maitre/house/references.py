"""What a house's files say of one another: every name in them must stand for something."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from maitre.assistants.answer_jsonschema import schema_problem
from maitre.house.knowledge import check_knowledge
from maitre.house.secrets import find_secret
from maitre.house.tools import front_problems
from maitre.house.written import listed, mapping
from maitre.providers.alias import loop, members


def check(
    directory: Path, house: Mapping[str, Any], fronts: Mapping[str, Mapping[str, Any]], problems: list[str]
) -> None:
    """Add to `problems` what is wrong with `maitre.yaml` and, by file, the assistants' front matter, as written."""

    def known(where: str, names: Iterable[object], among: Iterable[object] | None, what: str) -> None:
        if among is None:
            return  # the section itself is missing or no section, which is said already
        among = sorted(str(one) for one in among)
        for name in names:
            if isinstance(name, str) and name not in among:
                problems.append(f"{where}: unknown {what} “{name}” (there is: {', '.join(among) or 'none'})")

    plans = house["plans"] if isinstance(house.get("plans"), dict) else None
    models = _models(house["providers"], problems) if isinstance(house.get("providers"), dict) else None
    aliases = _aliases(mapping(house.get("models")), models or {}, problems)
    public = None if models is None else {**models, **aliases}
    groups, users = mapping(house.get("groups")), listed(house.get("users"))
    for name, provider in mapping(house.get("providers")).items():
        _check_key(directory, str(name), mapping(provider).get("api_key"), problems)
    for file, front in fronts.items():
        _check_front(file, front, problems)
    tools = mapping(house.get("tools"))
    toolless = {
        str(id)
        for provider in mapping(house.get("providers")).values()
        for id, model in mapping(mapping(provider).get("models")).items()
        if mapping(model).get("tools") is False
    }
    toolless |= {id for id in aliases if not loop(id, aliases) and toolless & set(members(id, aliases))}
    for file, front in fronts.items():
        problems += [f"{file}: server_tools: {wrong}" for wrong in front_problems(front, tools, toolless)]
    known("maitre.yaml: default_plan", [house.get("default_plan")], plans, "plan")
    known("maitre.yaml: prices.models", mapping(mapping(house.get("prices")).get("models")), models, "model")
    for id, use in aliases.items():
        known(f"maitre.yaml: models.{id}.use", use, public, "model")
    for slug, plan in (plans or {}).items():
        known(f"maitre.yaml: plans.{slug}.models", listed(mapping(plan).get("models")), public, "model")
    seen: set[str] = set()
    for index, user in enumerate(users):
        known(f"maitre.yaml: users.{index}.plan", [mapping(user).get("plan")], plans, "plan")
        known(f"maitre.yaml: users.{index}.groups", listed(mapping(user).get("groups")), groups, "group")
        email = str(mapping(user).get("email") or "").lower()
        if email and email in seen:
            problems.append(f"maitre.yaml: users.{index}.email: “{mapping(user)['email']}” is there twice")
        seen.add(email)
    embedders = _embedders(mapping(house.get("providers")), problems)
    embedders |= _embedding_aliases(aliases, embedders, problems)
    slugs = {str(front.get("slug") or Path(file).stem): front.get("type") == "router" for file, front in fronts.items()}
    check_knowledge(house, fronts, public, embedders, slugs, known, problems)
    for file, front in fronts.items():
        known(f"{file}: model", [front.get("model")], public, "model")
        if front.get("model") in embedders:
            problems.append(f"{file}: model: “{front['model']}” makes embeddings and cannot chat")
        known(f"{file}: plans", listed(front.get("plans")), plans, "plan")
        for where, slug in _ways(front) if front.get("type") == "router" else ():
            known(f"{file}: {where}", [slug], slugs, "assistant")
            if isinstance(slug, str) and slugs.get(slug):
                problems.append(f"{file}: {where}: “{slug}” is a router itself")
        for index, route in enumerate(listed(front.get("routes"))):
            known(f"{file}: routes.{index}.plans", listed(mapping(route).get("plans")), plans, "plan")


def _models(providers: Mapping[str, Any], problems: list[str]) -> dict[str, str]:
    """Whose each model is."""
    owners: dict[str, str] = {}
    for provider, section in providers.items():
        for id in mapping(mapping(section).get("models")):
            if str(id) in owners:
                where = f"maitre.yaml: providers.{provider}.models.{id}"
                problems.append(f"{where}: is already a model of “{owners[str(id)]}”")
            owners.setdefault(str(id), str(provider))
    return owners


def _embedders(providers: Mapping[str, Any], problems: list[str]) -> set[object]:
    """The models that make embeddings."""
    found: set[object] = set()
    for name, section in providers.items():
        own = {
            id for id, form in mapping(mapping(section).get("models")).items() if mapping(form).get("embedding") is True
        }
        if mapping(section).get("kind") == "anthropic":
            where = f"maitre.yaml: providers.{name}.models"
            problems += [f"{where}.{id}.embedding: Anthropic makes no embeddings" for id in sorted(map(str, own))]
        found |= own
    return found


def _embedding_aliases(aliases: Mapping[str, list[str]], embedders: set[object], problems: list[str]) -> set[object]:
    """The aliases of embedders: each of one, since the vectors of another mean something else."""
    found: set[object] = set()
    for id in aliases:
        behind = () if loop(id, aliases) else members(id, aliases)
        if embedders & set(behind):
            found.add(id)
            if len(behind) > 1:
                embedder = next(one for one in behind if one in embedders)
                problems.append(
                    f"maitre.yaml: models.{id}.use: must be one model, because “{embedder}” makes embeddings:"
                    " those of different models do not mean the same"
                )
    return found


def _aliases(sections: Mapping[str, Any], owners: Mapping[str, str], problems: list[str]) -> dict[str, list[str]]:
    """What each alias names."""
    written = {
        str(id): [one for one in listed(mapping(section).get("use")) if isinstance(one, str)]
        for id, section in sections.items()
    }
    for id in written:
        if id in owners:
            problems.append(f"maitre.yaml: models.{id}: is already a model of “{owners[id]}”")
        elif way := loop(id, written):
            problems.append(f"maitre.yaml: models.{id}.use: goes round in a loop ({' → '.join(way)})")
    return written


def _check_key(directory: Path, provider: str, written: object, problems: list[str]) -> None:
    if not isinstance(written, str):
        return
    kind, _, secret = written.partition(":")
    where = f"maitre.yaml: providers.{provider}.api_key"
    if kind == "sealed" and re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,62}", secret):
        return  # whether it is there only the database knows
    if kind != "secret":
        problems.append(
            f"{where}: keys do not belong in this file; write “secret:NAME” and put the key into .maitre/secrets/NAME,"
            " or “sealed:NAME” and put it in with `cli provider key set NAME`"
        )
    elif find_secret(directory, secret) is None:
        problems.append(
            f"{where}: the secret “{secret}” is missing;"
            f" put it into .maitre/secrets/{secret} (mode 600) or MAITRE_SECRET_{secret.upper()}"
        )


def _check_front(file: str, front: Mapping[str, Any], problems: list[str]) -> None:
    schema = front.get("json_schema")
    if isinstance(schema, dict):
        if not front.get("json_answer"):
            problems.append(f"{file}: json_schema: needs json_answer: true")
        elif wrong := schema_problem(schema):
            problems.append(f"{file}: json_schema: {wrong}")
    if front.get("tools") and front.get("type") == "one-shot":
        problems.append(f"{file}: tools: a one-shot assistant hears no tool's answer")
    if front.get("memory") not in (None, False) and front.get("type") == "one-shot":
        problems.append(f"{file}: memory: a one-shot assistant hears nothing but the last message")


def _ways(front: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """Where a router leads to, and where that is written."""
    yield "default", front.get("default")
    similar = front.get("similar")
    for slug in listed(similar) or listed(mapping(similar).get("assistants")):
        yield "similar", slug
    for index, route in enumerate(listed(front.get("routes"))):
        yield f"routes.{index}.assistant", mapping(route).get("assistant")
        for variant, way in mapping(mapping(route).get("split")).items():
            yield f"routes.{index}.split.{variant}.assistant", mapping(way).get("assistant")
