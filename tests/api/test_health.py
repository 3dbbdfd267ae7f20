"""`/healthz`, `/readyz` and `/metrics` on the real gateway."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import requests

from tests.api.conftest import Client


def test_a_gateway_without_a_store_lives_but_is_not_ready(client: Client, eventually: Callable[..., Any]) -> None:
    """Who balances load leaves it alone until the store is back; nothing restarts it."""
    ready = f"{client.url}/readyz"
    assert requests.get(ready, timeout=30).json() == {"status": "ready"}
    client.hall.stop("valkey")
    try:
        eventually(lambda: requests.get(ready, timeout=30).status_code == 503, "it went on being ready")
        assert requests.get(f"{client.url}/healthz", timeout=30).status_code == 200
    finally:
        client.hall.start("valkey")
    eventually(lambda: requests.get(ready, timeout=30).status_code == 200, "it did not become ready again")


def test_metrics_are_for_the_operators_key(client: Client) -> None:
    """A guest's key does not open them."""
    url = f"{client.url}/metrics"
    assert requests.get(url, timeout=30).status_code == 401
    assert client.get("/metrics").status_code == 401
    key = client.hall.house.secret("metrics_key")
    text = requests.get(url, headers={"Authorization": f"Bearer {key}"}, timeout=30).text
    assert "maitre_running 1.0" in text
    assert "maitre_traces_dropped " in text
    assert "maitre_holds 0" in text
    assert 'maitre_connections{to="valkey"} 1' in text
    assert 'maitre_connections{to="upstream-scripted"} 0' in text
    assert int(text.partition("\nmaitre_tasks ")[2].split()[0]) > 0


def test_a_request_is_counted_by_its_route_and_status(client: Client) -> None:
    """A path with names in it is one route, and an unknown one is none: a scanner cannot fill the memory."""
    for path in ("/v1/queue/one", "/v1/queue/two", "/some/where", "/else/where"):
        client.get(path)
    key = client.hall.house.secret("metrics_key")
    text = requests.get(f"{client.url}/metrics", headers={"Authorization": f"Bearer {key}"}, timeout=30).text
    assert 'maitre_requests_total{route="/v1/queue/{id}",status="404"} ' in text
    assert 'maitre_requests_total{route="none",status="404"} ' in text
    assert "else" not in text.replace("# HELP", "")
