"""The HTTP client of the RAG service. Each request says on whose behalf it is, in a token that the house signs."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO
from urllib.parse import quote, urlsplit

import requests

from maitre.errors import HouseError
from provisioning import on_behalf

CONNECT, READ = 5, 120  # seconds: to connect, to wait for an answer
PAGE = 500  # documents of one listing

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True, slots=True)
class Behalf:
    """On whose behalf the service is asked. An operator may do everything; anybody else what the collections' owners
    and readers allow."""

    user_id: str
    email: str = ""
    groups: tuple[str, ...] = ()
    operator: bool = False


class RagError(HouseError):
    """The service refused a request. `status` is the HTTP status, or 0 when it did not answer at all; `code` is for
    programs."""

    def __init__(self, sentence: str, status: int, code: str = "") -> None:
        super().__init__(sentence)
        self.status, self.code = status, code

    @property
    def passing(self) -> bool:
        """Whether the service itself is away or busy, so that every other request would fail too."""
        return self.status in (0, 401, 502, 503, 504)


class RagService:
    """The RAG service at a base URL. `key`: the house's secret `rag_key`. Usable from several threads."""

    def __init__(self, base_url: str, key: str, behalf: Behalf, session: requests.Session | None = None) -> None:
        self.base_url = base_url.rstrip("/")
        self.behalf = behalf
        self._key = key
        self._session = session or requests.Session()
        if urlsplit(self.base_url).hostname in _LOOPBACK:
            self._session.trust_env = False  # a proxy of the environment cannot reach this machine's loopback

    def speaking_for(self, behalf: Behalf) -> RagService:
        """The same service, asked on somebody else's behalf."""
        return RagService(self.base_url, self._key, behalf, self._session)

    def get(self, *path: str, **query: object) -> Any:
        """The JSON that a GET answers. The parts of the path are quoted here."""
        return self._ask("GET", path, params=query)

    def put(self, *path: str, body: Mapping[str, Any]) -> Any:
        """The JSON that a PUT of JSON answers."""
        return self._ask("PUT", path, json=body)

    def post(self, *path: str, body: Mapping[str, Any] | None = None, seconds: int = READ) -> Any:
        """The JSON that a POST of JSON answers within so many seconds."""
        return self._ask("POST", path, seconds, json=body)

    def delete(self, *path: str) -> None:
        """Delete something."""
        self._ask("DELETE", path)

    def upload(
        self, collection: str, key: str, name: str, file: BinaryIO, metadata: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Have a file indexed as the document of that key: its `document`, its `job` unless it is unchanged, its
        `status`."""
        fields = {"collection": collection, "key": key, "metadata": json.dumps(metadata or {})}
        answer: dict[str, Any] = self._ask("POST", ("index-document",), data=fields, files={"file": (name, file)})
        return answer

    def collections(self) -> dict[str, dict[str, Any]]:
        """Those that may be read, by name."""
        return {one["name"]: one for one in self.get("collections")["collections"]}

    def documents(self, collection: str, status: str = "") -> Iterator[dict[str, Any]]:
        """A collection's documents in the order of their keys; with `status`, those of that status."""
        after, more = "", True
        while more:
            query = {"limit": PAGE, "after": after, **({"status": status} if status else {})}
            page = self.get("collections", collection, "documents", **query)
            yield from page["documents"]
            after, more = page["next"] or "", bool(page["next"])

    def _ask(self, method: str, path: tuple[str, ...], seconds: int = READ, **request: Any) -> Any:
        url = "/".join((self.base_url, *(quote(part, safe="") for part in path)))
        who = self.behalf
        headers = on_behalf.headers(self._key, time.time(), who.user_id, who.email, who.groups, operator=who.operator)
        try:
            answer = self._session.request(method, url, timeout=(CONNECT, seconds), headers=headers, **request)
        except requests.Timeout as slow:
            raise RagError(f"The RAG service at {self.base_url} does not answer in time.", 0) from slow
        except requests.RequestException as down:
            raise RagError(
                f"The RAG service at {self.base_url} cannot be reached. `cli status` shows what is up.", 0
            ) from down
        if not answer.ok:
            raise _refused(self.base_url, answer)
        if answer.status_code == requests.codes.no_content:
            return None
        try:
            return answer.json()
        except ValueError as other:
            raise RagError(f"What answers at {self.base_url} is not the RAG service.", answer.status_code) from other


def _refused(base_url: str, answer: requests.Response) -> RagError:
    if answer.status_code == requests.codes.unauthorized:
        sentence = (
            f"The RAG service at {base_url} does not take this house's secret rag_key. If the secret is new, run"
            " `cli up`; else compare the clocks of both machines."
        )
        return RagError(sentence, answer.status_code)
    try:
        error = answer.json()["error"]
        return RagError(str(error["message"])[:500], answer.status_code, str(error.get("code") or ""))
    except (ValueError, KeyError, TypeError):
        sentence = f"The RAG service at {base_url} answered {answer.status_code} {answer.reason}."
        return RagError(sentence, answer.status_code)
