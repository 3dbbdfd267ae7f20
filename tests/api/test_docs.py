"""`/openapi.json` and `/docs` on the real gateway."""

from __future__ import annotations

import requests

from tests.api.conftest import Client


def test_the_document_and_its_page_need_no_key(client: Client) -> None:
    """And come from this server alone."""
    document = requests.get(f"{client.url}/openapi.json", timeout=30).json()
    assert document["openapi"].startswith("3.1")
    page = requests.get(f"{client.url}/docs", timeout=30)
    assert "://" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for name in ("swagger-ui-bundle.js", "swagger-ui.css", "start.js"):
        assert requests.get(f"{client.url}/docs/{name}", timeout=30).status_code == 200
    assert requests.get(f"{client.url}/docs/other.js", timeout=30).status_code == 404
