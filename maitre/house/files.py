"""A house's files read into their forms, with every mistake of every file, each as `file: path: message`."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from maitre.assistants.answer_jsonschema import schema_problem
from maitre.assistants.variable import TAKEN, places
from maitre.house.assistant_forms import AssistantForm, RouterForm
from maitre.house.forms import HouseForm
from maitre.house.references import check
from maitre.house.secrets import find_secret
from maitre.house.tools import LARGEST, read_tools
from maitre.house.written import mapping
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
    # References are checked on what was written, so that a mistake of form does not hide them. A file that is no YAML
    # at all has named nothing, and all that is wrong is that.
    if isinstance(raw, dict):
        check(directory, raw, fronts, files.problems)
    files.operations = read_tools(
        mapping(mapping(raw).get("tools")),
        lambda name: _yaml(name, _bytes(directory / name, name, files.problems, LARGEST), files.problems),
        lambda name: find_secret(directory, name),
        schema_problem,
        files.problems,
    )
    return files


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
    router = mapping(written).get("type") == "router"
    form: type[AssistantForm | RouterForm] = RouterForm if router else AssistantForm
    front = _parse(form, written, name, files.problems)
    try:
        prompt = parts[2].decode("utf-8").strip()
    except UnicodeDecodeError:
        files.problems.append(f"{name}: the prompt: is not UTF-8 text")
        return mapping(written)
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
    return mapping(written)


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
