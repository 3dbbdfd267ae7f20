"""What the store refuses. Pure."""

from __future__ import annotations

from maitre.errors import MaitreError


class StoreFault(MaitreError, ValueError):
    """Something that the store cannot do; one sentence says why."""


class FilterFault(StoreFault):
    """A filter that means nothing, such as "greater than" a list."""
