"""The HTTP client of Open WebUI's administration API.

Every answer is checked for its status and its content type: an unknown GET path of Open WebUI answers
200 with the web page of the app.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import requests

from maitre.errors import HouseError

TIMEOUT = (5, 60)  # seconds: to connect, to wait for an answer

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class OpenWebUIError(HouseError):
    """Open WebUI refused a request. `status` is the HTTP status, or 0 when it did not answer at all."""

    def __init__(self, sentence: str, status: int) -> None:
        super().__init__(sentence)
        self.status = status


class OpenWebUI:
    """Open WebUI at a base URL, as its administrator once `sign_in` was called."""

    def __init__(self, base_url: str, session: requests.Session | None = None) -> None:
        self.base_url = base_url.rstrip("/")
        self._session = session or requests.Session()
        if urlsplit(self.base_url).hostname in _LOOPBACK:
            self._session.trust_env = False  # a proxy of the environment cannot reach this machine's loopback

    def sign_in(self, email: str, password: str) -> str:
        """Sign in as an administrator; the token. Raises HouseError with the one thing to mend."""
        if self.get("/api/config").get("onboarding"):
            raise HouseError(
                f"Open WebUI at {self.base_url} has no administrator yet. Start it with WEBUI_ADMIN_EMAIL={email}"
                " and WEBUI_ADMIN_PASSWORD, or sign up there first."
            )
        try:
            answer = self.post("/api/v1/auths/signin", {"email": email, "password": password})
        except OpenWebUIError as refused:
            if refused.status == 429:
                raise HouseError("Open WebUI refuses more sign-ins for now; try again in three minutes.") from refused
            if refused.status in (400, 401, 403):
                raise HouseError(
                    f"Open WebUI at {self.base_url} does not accept the house's password of {email}. If it was"
                    " changed there, put the new one where the old one is: .maitre/logins.json for a demo user,"
                    " else .maitre/secrets/webui_admin_password."
                ) from refused
            raise
        if answer.get("role") != "admin":
            raise HouseError(f"{email} is not an administrator of Open WebUI at {self.base_url}.")
        token = str(answer["token"])
        self._session.headers["Authorization"] = f"Bearer {token}"
        return token

    def resume(self, email: str, token: str) -> bool:
        """Go on with the token of an earlier sign-in; False when Open WebUI no longer takes it."""
        self._session.headers["Authorization"] = f"Bearer {token}"
        try:
            who = self.get("/api/v1/auths/")
        except OpenWebUIError as refused:
            if refused.status not in (401, 403):
                raise
            who = {}
        if (who.get("email"), who.get("role")) == (email, "admin"):
            return True
        del self._session.headers["Authorization"]
        return False

    def get(self, path: str, **query: object) -> Any:
        """The JSON that a GET answers."""
        return self._ask("GET", path, params=query)

    def post(self, path: str, body: Mapping[str, Any] | None = None, **query: object) -> Any:
        """The JSON that a POST of JSON answers."""
        return self._ask("POST", path, params=query, json=body)

    def delete(self, path: str) -> Any:
        """The JSON that a DELETE answers."""
        return self._ask("DELETE", path)

    def _ask(self, method: str, path: str, **request: Any) -> Any:
        try:
            answer = self._session.request(method, self.base_url + path, timeout=TIMEOUT, **request)
        except requests.Timeout as slow:
            raise OpenWebUIError(f"Open WebUI at {self.base_url} does not answer in time ({path}).", 0) from slow
        except requests.RequestException as down:
            raise OpenWebUIError(
                f"Open WebUI at {self.base_url} cannot be reached. `cli status` shows what is up.", 0
            ) from down
        if not answer.ok:
            raise OpenWebUIError(
                f"Open WebUI answered {answer.status_code} to {method} {path}: {_detail(answer)}", answer.status_code
            )
        if not answer.headers.get("content-type", "").startswith("application/json"):
            raise OpenWebUIError(
                f"{self.base_url}{path} did not answer JSON: this is not Open WebUI, or a version without that path.",
                answer.status_code,
            )
        return answer.json()


def _detail(answer: requests.Response) -> str:
    try:
        detail = answer.json()["detail"]
    except (ValueError, KeyError, TypeError):
        detail = answer.reason or "no reason given"
    return str(detail)[:300]
