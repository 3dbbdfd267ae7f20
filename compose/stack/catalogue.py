"""The services that there are: every file of compose/services/, checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from compose.stack.service import Service
from compose.stack.service_form import ServiceForm, of_size, service_of
from compose.stack.settings import Size
from maitre.errors import ConfigError

SERVICES = Path(__file__).parents[1] / "services"


def read_services(size: Size, folder: Path = SERVICES) -> dict[str, Service]:
    """Every service with the values of a size, by name. Raises ConfigError with every problem of every file, each as
    `file: path: message`."""
    found: dict[str, Service] = {}
    problems: list[str] = []
    for file in sorted(folder.glob("*.yaml")):
        if (form := _read(file, size, problems)) is not None:
            found[file.stem] = service_of(file.stem, form)
    for name, service in found.items():
        for other in service.depends_on:
            if other not in found:
                problems.append(f"services/{name}.yaml: depends_on.{other}: there is no such service")
    if problems:
        raise ConfigError(problems)
    return found


def _read(file: Path, size: Size, problems: list[str]) -> ServiceForm | None:
    name = f"services/{file.name}"
    try:
        written: Any = yaml.safe_load(file.read_text("utf-8"))
        return ServiceForm.model_validate(of_size(written, size))
    except yaml.YAMLError as bad:
        mark = getattr(bad, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark else "the file"
        problems.append(f"{name}: {where}: broken YAML: {getattr(bad, 'problem', None) or 'cannot be read'}")
    except ValidationError as bad:
        for error in bad.errors(include_url=False, include_input=False):
            path = ".".join(str(part) for part in error["loc"]) or "the file"
            problems.append(f"{name}: {path}: {error['msg'].removeprefix('Value error, ')}")
    return None
