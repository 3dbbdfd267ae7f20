"""A house's files read into their forms, with every mistake of every file, each as `file: path: message`."""

from __future__ import annotations

import os
import re
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from maitre.assistants.answer_jsonschema import schema_problem
from maitre.assistants.variable import TAKEN, places
from maitre.house_forms import AssistantForm, HouseForm, RouterForm
from maitre.house_tools import LARGEST, front_problems, read_tools
from maitre.providers.alias import loop
from maitre.tools.openapi import Operation

M = TypeVar("M", bound=BaseModel)

#: Slugs that are the house's own: refused requests are sent to the model `assistants.refused`.
RESERVED = ("refused",)

_FRONT_MATTER = re.compile(rb"\A(?:\xef\xbb\xbf)?---[ \t]*\r?\n(.*?\r?\n)---[ \t]*(?:\r?\n|\Z)(.*)\Z", re.DOTALL)


@dataclass(slots=True)
class Files:
    """What the files hold, and what is wrong with them. Assistants are by slug: file, front matter, prompt."""

    house: HouseForm | None = None
    assistants: dict[str, tuple[str, AssistantForm | RouterForm, str]] = field(default_factory=dict)
    operations: dict[str, tuple[Operation, ...]] = field(default_factory=dict)  # by the name of their tool
    problems: list[str] = field(default_factory=list)


def read_files(directory: Path) -> Files:
    """Read and check `maitre.yaml` and `assistants/*.md`; nothing is raised."""
    files = Files()
    raw = _yaml("maitre.yaml", _bytes(directory / "maitre.yaml", "maitre.yaml", files.problems), files.problems)
    files.house = _parse(HouseForm, raw, "maitre.yaml", files.problems)
    fronts = {}
    for file in sorted((directory / "assistants").glob("*.md")):
        fronts[f"assistants/{file.name}"] = _read_assistant(file, files)
    # References are checked on what was written, so that a mistake of form does not hide them.
    _check(directory, _dict(raw), fronts, files.problems)
    files.operations = read_tools(
        _dict(_dict(raw).get("tools")),
        lambda name: _yaml(name, _bytes(directory / name, name, files.problems, LARGEST), files.problems),
        lambda name: find_secret(directory, name),
        schema_problem,
        files.problems,
    )
    return files


def find_secret(directory: Path, name: str) -> str | None:
    """A secret: the environment's MAITRE_SECRET_<NAME>, else the file `.maitre/secrets/<name>`; None if missing."""
    if value := os.environ.get(f"MAITRE_SECRET_{name.upper()}"):
        return value
    try:
        return (directory / ".maitre" / "secrets" / name).read_text("utf-8").strip() or None
    except (OSError, ValueError):
        return None


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────


class _Loader(yaml.SafeLoader):
    """A YAML loader that does not take the second of two equal keys silently."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable) and key in seen:
                raise yaml.MarkedYAMLError(problem=f"“{key}” is there twice", problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def _bytes(file: Path, name: str, problems: list[str], largest: int | None = None) -> bytes | None:
    try:
        raw = file.read_bytes()
    except OSError as bad:
        problems.append(f"{name}: the file: cannot be read ({bad.strerror})")
        return None
    if largest is not None and len(raw) > largest:
        problems.append(f"{name}: the file: is larger than {largest} bytes")
        return None
    return raw


def _yaml(name: str, raw: bytes | None, problems: list[str]) -> Any:
    try:
        return None if raw is None else yaml.load(raw.decode("utf-8"), _Loader)
    except UnicodeDecodeError as bad:
        problems.append(f"{name}: byte {bad.start}: is not UTF-8 text")
    except yaml.YAMLError as bad:
        mark = getattr(bad, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "the file"
        what = getattr(bad, "problem", None) or "cannot be read"
        problems.append(f"{name}: {where}: broken YAML: {what}")
    except (ValueError, RecursionError) as bad:
        problems.append(f"{name}: the file: broken YAML: {bad}")  # a date such as 2026-02-30
    return None


def _parse(form: type[M], value: Any, file: str, problems: list[str]) -> M | None:
    if value is None:
        if not any(problem.startswith(f"{file}: ") for problem in problems):
            problems.append(f"{file}: the file: is empty")
        return None
    if not isinstance(value, dict):
        problems.append(f"{file}: the file: must be fields with values")
        return None
    try:
        return form.model_validate(value)
    except ValidationError as bad:
        for error in bad.errors(include_url=False, include_input=False):
            path = ".".join(str(part) for part in error["loc"]) or "the file"
            problems.append(f"{file}: {path}: {error['msg'].removeprefix('Value error, ')}")
    return None


def _read_assistant(file: Path, files: Files) -> Mapping[str, Any]:
    """Add the assistant to `files`; its front matter as it was written."""
    name = f"assistants/{file.name}"
    raw = _bytes(file, name, files.problems)
    if raw is None:
        return {}
    parts = _FRONT_MATTER.match(raw)
    if parts is None:
        files.problems.append(f"{name}: the file: must begin with front matter between two lines of ---")
        return {}
    written = _yaml(name, parts[1], files.problems)
    router = _dict(written).get("type") == "router"
    form: type[AssistantForm | RouterForm] = RouterForm if router else AssistantForm
    front = _parse(form, written, name, files.problems)
    try:
        prompt = parts[2].decode("utf-8").strip()
    except UnicodeDecodeError:
        files.problems.append(f"{name}: the prompt: is not UTF-8 text")
        return _dict(written)
    if router and prompt:
        files.problems.append(f"{name}: the prompt: a router has none; write it into the assistants that it leads to")
    if not prompt and not router:
        files.problems.append(f"{name}: the prompt: is empty; write it below the front matter")
    if front is not None:
        slug = front.slug or file.stem
        if re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", slug) is None:
            files.problems.append(f"{name}: slug: “{slug}” must be lower-case letters, digits and hyphens")
        elif slug in RESERVED:
            files.problems.append(f"{name}: slug: “{slug}” is the house's own")
        elif slug in files.assistants:
            files.problems.append(f"{name}: slug: “{slug}” is taken by {files.assistants[slug][0]}")
        else:
            files.assistants[slug] = (name, front, prompt)
        if isinstance(front, AssistantForm):
            _check_variables(name, front, prompt, files.problems)
    return _dict(written)


# ── references between the files ─────────────────────────────────────────────────────────────────────────


def _check(
    directory: Path, house: Mapping[str, Any], fronts: Mapping[str, Mapping[str, Any]], problems: list[str]
) -> None:
    def known(where: str, names: Iterable[object], among: Iterable[object] | None, what: str) -> None:
        if among is None:
            return  # the section itself is missing or no section, which is said already
        among = sorted(str(one) for one in among)
        for name in names:
            if isinstance(name, str) and name not in among:
                problems.append(f"{where}: unknown {what} “{name}” (there is: {', '.join(among) or 'none'})")

    plans = house["plans"] if isinstance(house.get("plans"), dict) else None
    models = _models(house["providers"], problems) if isinstance(house.get("providers"), dict) else None
    aliases = _aliases(_dict(house.get("models")), models or {}, problems)
    public = None if models is None else {**models, **aliases}
    groups, users = _dict(house.get("groups")), _list(house.get("users"))
    for name, provider in _dict(house.get("providers")).items():
        _check_key(directory, str(name), _dict(provider).get("api_key"), problems)
    for file, front in fronts.items():
        _check_front(file, front, problems)
    tools = _dict(house.get("tools"))
    toolless = {
        str(id)
        for provider in _dict(house.get("providers")).values()
        for id, model in _dict(_dict(provider).get("models")).items()
        if _dict(model).get("tools") is False
    }
    for file, front in fronts.items():
        problems += [f"{file}: server_tools: {wrong}" for wrong in front_problems(front, tools, toolless)]
    known("maitre.yaml: default_plan", [house.get("default_plan")], plans, "plan")
    known("maitre.yaml: prices.models", _dict(_dict(house.get("prices")).get("models")), models, "model")
    for id, use in aliases.items():
        known(f"maitre.yaml: models.{id}.use", use, public, "model")
    for slug, plan in (plans or {}).items():
        known(f"maitre.yaml: plans.{slug}.models", _list(_dict(plan).get("models")), public, "model")
    seen: set[str] = set()
    for index, user in enumerate(users):
        known(f"maitre.yaml: users.{index}.plan", [_dict(user).get("plan")], plans, "plan")
        known(f"maitre.yaml: users.{index}.groups", _list(_dict(user).get("groups")), groups, "group")
        email = str(_dict(user).get("email") or "").lower()
        if email and email in seen:
            problems.append(f"maitre.yaml: users.{index}.email: “{_dict(user)['email']}” is there twice")
        seen.add(email)
    embedders = _embedders(_dict(house.get("providers")), problems)
    slugs = {str(front.get("slug") or Path(file).stem): front.get("type") == "router" for file, front in fronts.items()}
    for file, front in fronts.items():
        known(f"{file}: model", [front.get("model")], public, "model")
        if front.get("model") in embedders:
            problems.append(f"{file}: model: “{front['model']}” makes embeddings and cannot chat")
        known(f"{file}: plans", _list(front.get("plans")), plans, "plan")
        for where, slug in _ways(front) if front.get("type") == "router" else ():
            known(f"{file}: {where}", [slug], slugs, "assistant")
            if isinstance(slug, str) and slugs.get(slug):
                problems.append(f"{file}: {where}: “{slug}” is a router itself")
        for index, route in enumerate(_list(front.get("routes"))):
            known(f"{file}: routes.{index}.plans", _list(_dict(route).get("plans")), plans, "plan")


def _models(providers: Mapping[str, Any], problems: list[str]) -> dict[str, str]:
    """Whose each model is."""
    owners: dict[str, str] = {}
    for provider, section in providers.items():
        for id in _dict(_dict(section).get("models")):
            if str(id) in owners:
                where = f"maitre.yaml: providers.{provider}.models.{id}"
                problems.append(f"{where}: is already a model of “{owners[str(id)]}”")
            owners.setdefault(str(id), str(provider))
    return owners


def _embedders(providers: Mapping[str, Any], problems: list[str]) -> set[object]:
    """The models that make embeddings."""
    found: set[object] = set()
    for name, section in providers.items():
        own = {id for id, form in _dict(_dict(section).get("models")).items() if _dict(form).get("embedding") is True}
        if _dict(section).get("kind") == "anthropic":
            where = f"maitre.yaml: providers.{name}.models"
            problems += [f"{where}.{id}.embedding: Anthropic makes no embeddings" for id in sorted(map(str, own))]
        found |= own
    return found


def _aliases(sections: Mapping[str, Any], owners: Mapping[str, str], problems: list[str]) -> dict[str, list[str]]:
    """What each alias names."""
    written = {
        str(id): [one for one in _list(_dict(section).get("use")) if isinstance(one, str)]
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


def _check_variables(file: str, front: AssistantForm, prompt: str, problems: list[str]) -> None:
    standing = places(prompt)
    for name, variable in front.variables.items():
        where = f"{file}: variables.{name}"
        if name in TAKEN:
            problems.append(f"{where}: the name is the API's own")
        if name not in standing:
            problems.append(f"{where}: the prompt has no {{{{{name}}}}}")
        if variable.required and variable.default:
            problems.append(f"{where}: what is required needs no default")
        if len(variable.default) > variable.max_length:
            problems.append(f"{where}.default: is longer than max_length")


def _ways(front: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """Where a router leads to, and where that is written."""
    yield "default", front.get("default")
    for index, route in enumerate(_list(front.get("routes"))):
        yield f"routes.{index}.assistant", _dict(route).get("assistant")
        for variant, way in _dict(_dict(route).get("split")).items():
            yield f"routes.{index}.split.{variant}.assistant", _dict(way).get("assistant")


def _dict(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
