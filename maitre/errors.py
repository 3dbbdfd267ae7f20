"""Every error that Maitre raises on purpose, in one tree.

MaitreError
├── ConfigError          the house's files are wrong: many problems at once, each `file: path: message`
├── HouseError           an operator's command cannot go on; the message is the sentence to print
├── BadKey               a new API key cannot be as somebody wants it; the message says why
├── StoreDown            Postgres or Valkey does not answer
├── KnowledgeDown        the RAG service does not answer, or takes no such question; the guest is answered without
├── ToolFault            a tool cannot do what a model asks; the model reads the text
├── ValkeyError          Valkey answered a command with an error: a mistake of ours
└── Refusal              a guest is told no, in one sentence from the catalogue
    ├── QuotaExceeded    a window is full; knows when it resets
    ├── NoPlace          too many others wait just now, or for too long
    ├── Unavailable      ours to mend: a store or the provider is down
    ├── BadRequest       the request itself cannot be served
    ├── Forbidden        this account, or this address, may not
    ├── UnknownModel     no such assistant or model, or it is not for this plan
    ├── Told             refused at an earlier place; the sentence is ready
    └── ProviderError    the upstream answered with an error

A refusal carries the *key* of its sentence and the values in it; `maitre.chat.sentences` renders it in the
guest's language. `status` and `type` are what an OpenAI client sees.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime


class MaitreError(Exception):
    """Something went wrong that Maitre knows how to name."""


class ConfigError(MaitreError):
    """The house's files have mistakes; `problems` lists all of them as `file: path: message`."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class HouseError(MaitreError):
    """An operator's command cannot go on; the text is the one sentence that the operator reads."""


class BadKey(MaitreError):
    """An API key cannot be made or changed as somebody wants it; the text is one sentence that says why."""


class StoreDown(MaitreError):
    """A store (Postgres or Valkey) did not answer."""


class KnowledgeDown(MaitreError):
    """The RAG service did not answer, or refused a question; the text is one sentence for the log."""


class ValkeyError(MaitreError):
    """Valkey answered a command with an error; the text is its reply, such as `WRONGTYPE …`."""


class ToolFault(MaitreError):
    """A tool cannot do what a model asks of it; the text is the sentence that the model reads."""


class Refusal(MaitreError):
    """A guest is told no. `key` names the sentence; `values` fill it."""

    status = 400
    type = "invalid_request_error"

    def __init__(self, key: str, /, *, retry_after: int | None = None, **values: object) -> None:
        super().__init__(key)
        self.key = key
        self.values = values
        self.retry_after = retry_after  # seconds, for the Retry-After header


class QuotaExceeded(Refusal):
    """A window of the guest's plan is full. `resets_at` is None for a total that never resets."""

    status = 429
    type = "rate_limit_error"

    def __init__(self, key: str, /, *, resets_at: datetime | None, retry_after: int | None, **values: object) -> None:
        super().__init__(key, retry_after=retry_after, resets_at=resets_at, **values)
        self.resets_at = resets_at


class NoPlace(Refusal):
    """The guest may not wait here, or not so long; their own plan is not the reason."""

    status = 429
    type = "rate_limit_error"


class Unavailable(Refusal):
    """A part of the house is down; nothing is served unmetered meanwhile."""

    status = 503
    type = "server_error"


class BadRequest(Refusal):
    """The request itself cannot be served: empty, too long, malformed."""


class Forbidden(Refusal):
    """Who asks is known, and may not: a suspended account, or an address outside of a rule."""

    status = 403
    type = "permission_error"


class UnknownModel(Refusal):
    """There is no such assistant or model, or the guest's plan does not have it."""

    status = 404


class Told(Refusal):
    """Refused at an earlier place, whose sentence and HTTP status came along."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__("told", text=text)
        self.status = status
        if status == QuotaExceeded.status:
            self.type = QuotaExceeded.type


class ProviderError(Refusal):
    """The upstream answered with an error, or its stream broke. `accepted`: it had taken the request, and may have
    worked on it."""

    type = "upstream_error"

    def __init__(
        self,
        key: str,
        /,
        *,
        status: int,
        detail: str = "",
        cause: str = "",
        accepted: bool = False,
        retry_after: int | None = None,
        upstream_code: str = "",
        upstream_message: str = "",
        **values: object,
    ) -> None:
        super().__init__(key, retry_after=retry_after, **values)
        self.status = status
        self.accepted = accepted or key == "provider_broke"
        self.cause = cause  # ours, for the log
        self.detail = detail  # the upstream's words, for the trace: they may quote a guest's
        self.upstream_code = upstream_code  # scrubbed, for the guest: `providers/upstream_error.py` says what is shown
        self.upstream_message = upstream_message
