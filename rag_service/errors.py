"""What the service refuses, as its HTTP answers say it."""

from __future__ import annotations

from maitre.errors import MaitreError

#: How the process that reads files says that docling-serve is away: no fault of the file, which may be read later.
DOCLING_DOWN = "docling_down"


class Refused(MaitreError):
    """A request that is refused with one sentence. `code` is for programs, as in OpenAI's errors."""

    def __init__(self, status: int, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.code = status, code


class Unreadable(MaitreError):
    """A file of which no text can be had. `code`: encrypted, empty, scanned, too_large, broken, unknown_type."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
