"""What a turn knows of the house's knowledge."""

from __future__ import annotations

from dataclasses import dataclass

from maitre.knowledge.passage import Passage
from maitre.knowledge.wish import KnowledgeWish


@dataclass(frozen=True, slots=True)
class Grounded:
    """What was found for a turn, the best first, and how much of it stands in the prompt: `text`, at the end of the
    system message, with `taken` of the passages. `mark` is the word of its marks. `read`: whether anybody answered."""

    wish: KnowledgeWish
    passages: tuple[Passage, ...] = ()
    mark: str = ""
    taken: tuple[Passage, ...] = ()
    text: str = ""
    read: bool = True

    @property
    def note(self) -> int | str:
        """What the trace says: how many passages went upstream."""
        return len(self.taken) if self.read else "unavailable"
