"""An Open WebUI in memory, behind `requests`: as much of 0.12.4 as provisioning talks to, with its oddities.

`model/update` leaves the grants alone; a new user is put into the default group; an unknown GET answers the
web page with 200; our models are reached only through a right connection; a new Function is off.
"""

from __future__ import annotations

import json
import re
from copy import deepcopy
from http import HTTPStatus
from itertools import count
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests
from requests.adapters import BaseAdapter

URL = "http://webui.test"
PIPELINES = ("http://pipes:9099", "key")
GATEWAY = ("http://gate:9100/v1", "gateway key")
PASSWORD = "right"

_FIRST: dict[str, dict[str, Any]] = {
    "/api/v1/users/default/permissions": {"chat": {"file_upload": True, "edit": True}, "features": {}, "workspace": {}},
    "/api/v1/auths/admin/config": {"ENABLE_SIGNUP": True, "DEFAULT_GROUP_ID": "", "WEBUI_URL": ""},
    "/api/v1/tasks/config": {"ENABLE_TAGS_GENERATION": True, "TASK_MODEL": ""},
    "/api/v1/configs/models": {"DEFAULT_MODELS": None, "MODEL_ORDER_LIST": []},
    "/api/v1/retrieval/embedding": {
        "RAG_EMBEDDING_ENGINE": "openai",
        "RAG_EMBEDDING_MODEL": "theirs",
        "RAG_EMBEDDING_BATCH_SIZE": 1,
        "ENABLE_ASYNC_EMBEDDING": True,
        "openai_config": {"url": "https://api.openai.com/v1", "key": ""},
    },
    "/api/v1/retrieval/config": {"BYPASS_EMBEDDING_AND_RETRIEVAL": True, "TOP_K": 3},
    "/openai/config": {
        "ENABLE_OPENAI_API": True,
        "OPENAI_API_BASE_URLS": ["http://theirs/v1"],
        "OPENAI_API_KEYS": ["theirs"],
        "OPENAI_API_CONFIGS": {},
    },
}

_OPEN = ("/api/config", "/api/v1/auths/signin")


class FakeOpenWebUI(BaseAdapter):
    """The state of an Open WebUI, and a transport that reads and writes it."""

    def __init__(self, served: list[str]) -> None:
        super().__init__()
        self.documents = deepcopy(_FIRST)
        self.users: dict[str, dict[str, Any]] = {}
        self.groups: dict[str, dict[str, Any]] = {}
        self.rows: dict[str, dict[str, Any]] = {}
        self.valves: dict[str, dict[str, Any]] = {"quota_filter": {"pipelines": [], "priority": 7}}
        self.functions: dict[str, dict[str, Any]] = {}
        self.served = served
        self.asked: list[tuple[str, str]] = []
        self.broken: str | None = None  # a path that answers 500
        self._ids = count(1)
        self.add_user("admin@x.io", "admin")

    def session(self) -> requests.Session:
        session = requests.Session()
        session.mount(URL, self)
        return session

    def add_user(self, email: str, role: str) -> dict[str, Any]:
        user: dict[str, Any] = {
            "id": f"u{next(self._ids)}",
            "email": email,
            "name": email,
            "role": role,
            "group_ids": [],
        }
        default = self.documents["/api/v1/auths/admin/config"]["DEFAULT_GROUP_ID"]
        user["group_ids"] = [default] if default else []
        self.users[user["id"]] = user
        return user

    def group(self, name: str) -> set[str]:
        """The e-mails in the group of that name."""
        (id,) = (id for id, group in self.groups.items() if group["name"] == name)
        return {user["email"] for user in self.users.values() if id in user["group_ids"]}

    @property
    def written(self) -> list[tuple[str, str]]:
        """The requests that may have changed something."""
        return [(method, path) for method, path in self.asked if method != "GET" and not path.endswith("/signin")]

    def close(self) -> None:
        pass

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        url = urlsplit(str(request.url))
        self.asked.append((str(request.method), url.path))
        body = json.loads(request.body) if request.body else {}
        status, answer = 200, None
        if url.path == self.broken:
            status, answer = 500, {"detail": "out of paper"}
        elif url.path not in _OPEN and request.headers.get("Authorization") != "Bearer token of admin@x.io":
            status, answer = 401, {"detail": "Not authenticated"}
        else:
            status, answer = self.answer(str(request.method), url.path, dict(parse_qsl(url.query)), body)
        response = requests.Response()
        response.status_code, response.reason, response.url = status, HTTPStatus(status).phrase, str(request.url)
        response.headers["content-type"] = "text/html" if answer is None else "application/json"
        response._content = b"<html>" if answer is None else json.dumps(answer).encode()
        return response

    def answer(self, method: str, path: str, query: dict[str, str], body: dict[str, Any]) -> tuple[int, Any]:
        if method == "POST" and path.removesuffix("/update") in self.documents:
            self.documents[path.removesuffix("/update")] = body
            return 200, body
        if method == "GET" and path in self.documents:
            return 200, deepcopy(self.documents[path])
        match method, path.removeprefix("/api/v1"):
            case "GET", "/api/config":
                return 200, {"status": True, "onboarding": not self.users}
            case "POST", "/auths/signin":
                users = [user for user in self.users.values() if user["email"] == body["email"]]
                if not users or body["password"] != PASSWORD:
                    return 400, {"detail": "incorrect"}
                return 200, {**users[0], "token": f"token of {users[0]['email']}"}
            case "GET", "/auths/":
                return 200, next(user for user in self.users.values() if user["email"] == "admin@x.io")
            case "POST", "/auths/add":
                return 200, self.add_user(body["email"], body["role"])
            case "GET", "/users/":
                page = list(self.users.values())[2 * int(query["page"]) - 2 : 2 * int(query["page"])]
                return 200, {"users": deepcopy(page), "total": len(self.users)}
            case "GET", "/groups/":
                return 200, deepcopy(list(self.groups.values()))
            case "POST", "/groups/create":
                group = {**body, "id": f"g{next(self._ids)}"}
                self.groups[group["id"]] = group
                return 200, group
            case "GET", "/models/all":
                return 200, deepcopy(list(self.rows.values()))
            case "POST", "/models/create":
                self.rows[body["id"]] = body
                return 200, body
            case "POST", "/models/model/update":
                self.rows[body["id"]] = {**body, "access_grants": self.rows[body["id"]]["access_grants"]}
                return 200, body
            case "POST", "/models/model/access/update":
                self.rows[body["id"]]["access_grants"] = body["access_grants"]
                return 200, body
            case "POST", "/models/model/delete":
                return 200, bool(self.rows.pop(body["id"]))
            case "GET", "/api/models":
                connected = self._connected(PIPELINES) or self._connected(GATEWAY)
                return 200, {"data": [{"id": id} for id in self.served] if connected else []}
            case "GET", "/functions/export":
                return 200, deepcopy(list(self.functions.values()))
            case "POST", "/functions/create":
                self.functions[body["id"]] = {**body, "valves": None, "is_active": False, "is_global": False}
                return 200, self.functions[body["id"]]
        return self.answer_by_id(method, path, body)

    def answer_by_id(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        if found := re.fullmatch(r"/api/v1/users/(\w+)/update", path):
            self.users[found[1]].update(body)
            return 200, self.users[found[1]]
        if found := re.fullmatch(r"/api/v1/groups/id/(\w+)/(update|delete|users/add|users/remove)", path):
            id, verb = found.groups()
            for user in self.users.values():
                inside = set(user["group_ids"]) - {id} if verb == "delete" else set(user["group_ids"])
                if user["id"] in body.get("user_ids", ()):
                    inside = inside | {id} if verb == "users/add" else inside - {id}
                user["group_ids"] = sorted(inside)
            if verb == "delete":
                self.groups.pop(id)
            elif verb == "update":
                self.groups[id].update({**body, "data": {**self.groups[id].get("data", {}), **body["data"]}})
            return 200, True
        if found := re.fullmatch(r"/api/v1/functions/id/(\w+)/(.+)", path):
            return self.answer_for_functions(*found.groups(), body)
        if path.startswith("/api/v1/pipelines/"):
            return self.answer_for_pipelines(method, path.removeprefix("/api/v1/pipelines/"), body)
        return (200 if method == "GET" else 405), (None if method == "GET" else {"detail": "Method Not Allowed"})

    def answer_for_functions(self, id: str, verb: str, body: dict[str, Any]) -> tuple[int, Any]:
        function = self.functions[id]
        match verb:
            case "update":
                function.update(body)
            case "valves/update":
                function["valves"] = body
            case "toggle":
                function["is_active"] = not function["is_active"]
            case "toggle/global":
                function["is_global"] = not function["is_global"]
            case "delete":
                del self.functions[id]
        return 200, function

    def answer_for_pipelines(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        if not self._connected(PIPELINES):
            return 404, {"detail": "Pipeline not found"}
        if path == "":
            return 200, {"data": [{"id": id, "type": "filter", "valves": True} for id in self.valves]}
        id = path.split("/")[0]
        if method == "POST":
            self.valves[id] = body
        return 200, self.valves[id]

    def _connected(self, wanted: tuple[str, str]) -> bool:
        document = self.documents["/openai/config"]
        return wanted in zip(document["OPENAI_API_BASE_URLS"], document["OPENAI_API_KEYS"], strict=True)
