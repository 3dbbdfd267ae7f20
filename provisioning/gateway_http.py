"""The house's gateway, as `cli seed` asks it for embeddings."""

from __future__ import annotations

import time

import requests

from maitre.errors import HouseError
from provisioning import on_behalf

#: Texts of one call.
BATCH = 64
PATIENCE = 120.0  # seconds for one call


class Gateway:
    """Makes embeddings on the account of a user, an administrator of the house; each call is a row of the ledger."""

    def __init__(self, url: str, key: str, model: str, session: requests.Session | None = None) -> None:
        self._url, self._key, self._model = url.rstrip("/"), key, model
        self._session = session or requests.Session()

    def embed(self, texts: list[str], input_type: str | None, user_id: str) -> list[list[float]]:
        """Their vectors, in order. Raises HouseError."""
        vectors: list[list[float]] = []
        for start in range(0, len(texts), BATCH):
            vectors += self._embed(texts[start : start + BATCH], input_type, user_id)
        return vectors

    def _embed(self, texts: list[str], input_type: str | None, user_id: str) -> list[list[float]]:
        body = {"model": self._model, "input": texts} | ({"input_type": input_type} if input_type else {})
        headers = on_behalf.headers(self._key, time.time(), user_id)
        try:
            answer = self._session.post(f"{self._url}/v1/embeddings", json=body, headers=headers, timeout=PATIENCE)
            told = answer.json()
        except requests.RequestException as fault:
            raise HouseError(f"The gateway at {self._url} makes no embeddings: {type(fault).__name__}.") from fault
        if answer.status_code != 200:
            why = told.get("error", {}).get("message") if isinstance(told, dict) else None
            raise HouseError(f"The gateway at {self._url} makes no embeddings: {why or answer.status_code}")
        return [one["embedding"] for one in sorted(told["data"], key=lambda one: int(one["index"]))]
