"""What a release knows of a stored value. A newer one, that was rolled back, may have written fields that it added."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any


def known(form: type, value: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a value that the dataclass has; others are left out."""
    names = {one.name for one in fields(form)}
    return {name: one for name, one in value.items() if name in names}
