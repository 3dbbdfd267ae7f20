"""How a provider is, as the choice of a model sees it."""

from __future__ import annotations

from typing import Protocol


class Health(Protocol):
    """Of one provider, as far as this process knows."""

    @property
    def addresses(self) -> int:
        """How many URLs it has."""

    def well(self) -> bool:
        """Whether it is worth asking now. Of one that was ill for a while only one who asks hears yes: their call is
        the probe."""

    def spare(self, tries: int) -> bool:
        """Whether another of its addresses is well, after so many calls of one turn."""

    def again(self) -> bool:
        """Take a retry from its budget; whether there was one."""
