"""Templates in the texts of a service file: {domain}, {setting.NAME} and their like. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from maitre.errors import HouseError

_PLACE = re.compile(r"\{([a-z_]+(?:\.[a-z0-9_]+)?)\}")


def fill(text: str, values: Mapping[str, str], where: str) -> str:
    """The text with every {name} replaced. Raises HouseError, which begins with `where`, for an unknown name."""

    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise HouseError(f"{where}: “{match[0]}” means nothing (there is: {', '.join(sorted(values))}).")
        return values[match[1]]

    return _PLACE.sub(value, text)
