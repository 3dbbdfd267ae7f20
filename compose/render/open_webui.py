"""What Open WebUI's environment is in the stack: on Postgres, behind Traefik, one replica."""

from __future__ import annotations

from maitre.settings import House
from provisioning.open_webui_env import Environment, wanted

#: Traefik's internal entry points: our own parts behind them are replaced without a dropped request.
PIPELINES, GATEWAY = "http://traefik:9099", "http://traefik:8000/v1"

#: By the driver that its package brings along; the one that a bare `postgresql://` means is in its official image only.
DATABASE = "postgresql+psycopg://open_webui:{secret.open_webui_db_password_url}@postgres:5432/open_webui"


def environment(house: House, url: str) -> Environment:
    """Open WebUI's environment. `url`: where browsers find it.

    Its sockets work without Valkey, since there is one replica of it. The vectors of its own files stay in the store
    that its image brings, in its data volume.
    """
    models = GATEWAY if house.webui.connection == "gateway" else PIPELINES
    same = wanted(house, url, models, GATEWAY if house.rag is not None else None)
    cookies = {"WEBUI_SESSION_COOKIE_SECURE": "true", "WEBUI_AUTH_COOKIE_SECURE": "true"}
    plain = {**same.plain, **(cookies if url.startswith("https://") else {})}
    return Environment(plain, {**same.secret, "DATABASE_URL": DATABASE})
