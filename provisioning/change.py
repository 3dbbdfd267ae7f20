"""A change: one thing that `cli seed` would do, as a value."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

#: "skip" is not carried out: it tells the operator what only they can do.
Action = Literal["create", "update", "remove", "skip"]


@dataclass(frozen=True, slots=True)
class Change:
    """One step of a plan. `payload` belongs to the resource and may hold secrets, so it is never printed."""

    resource: str
    action: Action
    key: str
    sentence: str
    payload: Any = field(default=None, repr=False)

    def to_json(self) -> dict[str, str]:
        """The change without its payload."""
        return {"resource": self.resource, "action": self.action, "key": self.key, "sentence": self.sentence}


def fields_that_differ(old: Any, new: Any) -> str:
    """The names of the fields in which two dataclass values differ, for a sentence."""
    names: list[str] = []
    for field_ in dataclasses.fields(new):
        before, after = getattr(old, field_.name), getattr(new, field_.name)
        if before != after and field_.name == "limits":
            names += [name for name in {**before, **after} if before.get(name) != after.get(name)]
        elif before != after:
            names.append(field_.name)
    return listed(name.replace("_", " ") for name in names)


def listed(names: Sequence[str] | Any) -> str:
    """Names as a person writes them: “a”, “a and b”, “a, b and c”."""
    every = list(names)
    return " and ".join([", ".join(every[:-1]), every[-1]] if len(every) > 1 else every)


def within(document: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path of a nested document, or None."""
    value: Any = document
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
