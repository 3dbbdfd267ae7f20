"""A RAG service in memory, behind `requests`: as much of its contract as the operator's side talks to.

A job moves by one step each time that it is asked for: waiting, working, then what `verdicts` says of its document's
key, else ready.
"""

from __future__ import annotations

import email
import json
import threading
from collections.abc import Callable
from http import HTTPStatus
from itertools import count
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import jwt
import requests
from requests.adapters import BaseAdapter

from provisioning.rag_http import Behalf, RagService

URL = "http://rag.test"
KEY = "the rag key, which is long enough for HS256"
MODEL = "vectors"
OPERATOR = Behalf("u1", "admin@x.io", operator=True)

Answer = tuple[int, Any]


def refused(status: int, code: str, sentence: str) -> Answer:
    return status, {"error": {"message": sentence, "type": "invalid_request_error", "code": code}}


class FakeRagService(BaseAdapter):
    """The state of a RAG service, and a transport that reads and writes it."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: dict[str, dict[str, Any]] = {}
        self.rows: dict[str, dict[str, Any]] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.verdicts: dict[str, str] = {}  # by key: the sentence with which its job fails
        self.stuck = False  # no worker is there
        self.asked: list[tuple[str, str, dict[str, Any]]] = []
        self.claims: list[dict[str, Any]] = []
        self.uploaded: list[str] = []
        self.before: Callable[[str, str], Answer | None] = lambda method, path: None
        self._ids = count(1)
        self._lock = threading.Lock()

    def client(self, behalf: Behalf = OPERATOR) -> RagService:
        session = requests.Session()
        session.mount(URL, self)
        return RagService(URL, KEY, behalf, session)

    def add(self, name: str, **fields: Any) -> dict[str, Any]:
        """A collection that is there."""
        plain = {"title": name, "description": "", "language": "simple", "index": "hnsw", "model": MODEL}
        readers = {"everyone": False, "users": [], "groups": [], "assistants": []}
        owner = {"user": "u1", "email": "admin@x.io"}
        self.shown[name] = {
            "name": name, **plain, "dimension": 3, "owner": owner, "readers": readers,
            "created_at": "2026-11-21", **fields,
        }  # fmt: skip
        return self.shown[name]

    def keys(self, name: str) -> list[str]:
        """The documents of a collection."""
        return sorted(row["key"] for row in self.rows.values() if row["collection"] == name)

    @property
    def written(self) -> list[tuple[str, str]]:
        """The requests that may have changed something."""
        return [(method, path) for method, path, _ in self.asked if method != "GET"]

    def close(self) -> None:
        pass

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        url = urlsplit(str(request.url))
        path = [unquote(part) for part in url.path.strip("/").split("/")]
        if hasattr(request.body, "read"):
            raise AssertionError("a body is sent whole")
        with self._lock:
            status, answer = self._answered(request, path, dict(parse_qsl(url.query)))
        response = requests.Response()
        response.status_code, response.reason, response.url = status, HTTPStatus(status).phrase, str(request.url)
        response.headers["content-type"] = "application/json"
        response._content = b"" if answer is None else json.dumps(answer).encode()
        return response

    def _answered(self, request: requests.PreparedRequest, path: list[str], query: dict[str, str]) -> Answer:
        method, plain = str(request.method), "/" + "/".join(path)
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return refused(401, "unauthorized", "Who are you?")
        self.claims.append(jwt.decode(request.headers["X-Maitre-On-Behalf-Of"], KEY, ["HS256"], issuer="maitre"))
        if (early := self.before(method, plain)) is not None:
            return early
        if path == ["index-document"]:
            body = _fields(request)
            self.asked.append((method, plain, body))
            return self._index(body)
        body = json.loads(request.body) if request.body else {}
        self.asked.append((method, plain, body))
        match method, path:
            case "GET", ["collections"]:
                return 200, {"collections": [self._whole(name) for name in sorted(self.shown)]}
            case "POST", ["collections"]:
                self.add(**body)
                return 201, self._whole(body["name"])
            case "PUT", ["collections", name]:
                self.shown.setdefault(name, {}) or self.add(name)
                self.shown[name].update(body)
                return 200, self._whole(name)
            case _, ["collections", name, *_] if name not in self.shown:
                return refused(404, "unknown_collection", f"There is no collection “{name}”.")
            case "GET", ["collections", name]:
                return 200, self._whole(name)
            case "DELETE", ["collections", name]:
                del self.shown[name]
                self.rows = {id: row for id, row in self.rows.items() if row["collection"] != name}
                return 204, None
            case "GET", ["collections", name, "documents"]:
                return 200, self._page(name, query)
            case "POST", ["collections", name, "re-index"]:
                rows = [row for row in self.rows.values() if row["collection"] == name]
                return 202, {"documents": [self._begin(row) for row in rows]}
            case "POST", ["collections", name, "import"]:
                return 202, self._begin(self._new(name, f"import of {body['table']}"))
            case "POST", ["documents", id, "re-index"]:
                return 202, self._begin(self.rows[id])
            case "DELETE", ["documents", id]:
                del self.rows[id]
                return 204, None
            case "GET", ["jobs", id]:
                return 200, self._step(self.jobs[id])
            case "POST", ["jobs", id, "cancel"]:
                self._end(self.jobs[id], "cancelled")
                return 200, self.jobs[id]
            case "POST", ["query"]:
                return 200, self._found(body)
        raise AssertionError(f"{method} {plain} is not in the contract")

    def _index(self, body: dict[str, Any]) -> Answer:
        if body["collection"] not in self.shown:
            return refused(404, "unknown_collection", f"There is no collection “{body['collection']}”.")
        if not body["file"]:
            return refused(400, "empty", f"“{body['key']}” is empty.")
        there = [
            row for row in self.rows.values() if (row["collection"], row["key"]) == (body["collection"], body["key"])
        ]
        row = there[0] if there else self._new(body["collection"], body["key"])
        bytes_and_metadata = [body["file"], body["metadata"]]
        if row["status"] == "ready" and row["made of"] == bytes_and_metadata:
            return 200, {"document": row["id"], "status": "unchanged"}
        self.uploaded.append(body["key"])
        row |= {"made of": bytes_and_metadata, "metadata": json.loads(body["metadata"]), "size": len(body["file"])}
        return 202, self._begin(row)

    def _new(self, collection: str, key: str) -> dict[str, Any]:
        id = f"d{next(self._ids)}"
        self.rows[id] = {
            "id": id, "collection": collection, "key": key, "title": "", "url": "", "metadata": {}, "size": 0,
            "chunks": 0, "pages": None, "status": "waiting", "fault": "", "fault_code": "", "job": "", "made of": None,
            "changed_at": "2026-11-21T12:00:00+00:00",
        }  # fmt: skip
        return self.rows[id]

    def _begin(self, row: dict[str, Any]) -> dict[str, Any]:
        id = str(next(self._ids))
        self.jobs[id] = {
            "job": id, "document": row["id"], "status": "waiting", "stage": "", "done": 0, "total": 0, "attempts": 0,
            "fault": "", "fault_code": "",
        }  # fmt: skip
        row |= {"job": id, "status": "waiting", "fault": ""}
        return {"document": row["id"], "job": id, "status": "waiting"}

    def _step(self, job: dict[str, Any]) -> dict[str, Any]:
        if self.stuck or job["status"] not in ("waiting", "working"):
            return job
        if job["status"] == "waiting":
            job |= {"status": "working", "stage": "embed", "done": 1, "total": 2}
        elif why := self.verdicts.get(self.rows[job["document"]]["key"]):
            self._end(job, "failed", why)
        else:
            job["done"] = 2
            self._end(job, "ready")
        return job

    def _end(self, job: dict[str, Any], status: str, why: str = "") -> None:
        job |= {"status": status, "stage": "", "fault": why}
        self.rows[job["document"]] |= {"status": status, "fault": why, "chunks": job["done"]}

    def _whole(self, name: str) -> dict[str, Any]:
        rows = [row for row in self.rows.values() if row["collection"] == name]
        statuses = {status: sum(row["status"] == status for row in rows) for status in {row["status"] for row in rows}}
        chunks = sum(row["chunks"] for row in rows)
        return {**self.shown[name], "documents": len(rows), "chunks": chunks, "statuses": statuses}

    def _page(self, name: str, query: dict[str, str]) -> dict[str, Any]:
        rows = [self.rows[id] for id in self.rows if self.rows[id]["collection"] == name]
        rows = sorted((row for row in rows if row["key"] > query.get("after", "")), key=lambda row: row["key"])
        rows = [row for row in rows if query.get("status") in (None, row["status"])]
        most = int(query["limit"])
        shown = [{field: value for field, value in row.items() if field != "made of"} for row in rows[:most]]
        return {"documents": shown, "next": shown[-1]["key"] if len(rows) > most else None}

    def _found(self, body: dict[str, Any]) -> dict[str, Any]:
        passage = {
            "id": "n1", "collection": "handbook", "document": "d1", "title": "[Dogs]", "text": "One\ndog " + "x " * 300,
            "score": 0.5, "page": 3, "heading": "Rules › Pets", "url": "https://x.io/dogs", "metadata": {},
        }  # fmt: skip
        told = {"text": "One dog [1].", "citations": [1], "model": "small", "usage": None}
        return {"passages": [passage], **({"answer": told} if body["answer"] else {})}


def _fields(request: requests.PreparedRequest) -> dict[str, Any]:
    """The fields of a multipart body."""
    assert isinstance(request.body, bytes)
    head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
    parts = email.message_from_bytes(head + request.body).get_payload()
    found: dict[str, Any] = {}
    for part in parts:
        assert not isinstance(part, str)
        raw = part.get_payload(decode=True)
        assert isinstance(raw, bytes)
        name = str(part.get_param("name", header="content-disposition"))
        found[name] = raw.decode("utf-8", "surrogateescape")
    return found
