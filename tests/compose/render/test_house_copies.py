"""What each container sees of the house."""

from __future__ import annotations

from pathlib import Path

import pytest

from compose.render.house_copies import house_copies
from devstack.places import ROOT
from maitre.keys.proxies import Proxies
from maitre.settings import load_house
from traefik.networks import CLOUDFLARE

TRAEFIK = Proxies(("traefik",), once=True)


@pytest.mark.parametrize(
    ("cloudflare", "believed"),
    [(False, (TRAEFIK,)), (True, (TRAEFIK, Proxies(CLOUDFLARE, once=True)))],
    ids=["alone", "behind Cloudflare"],
)
def test_the_engine_believes_traefik_alone(tmp_path: Path, cloudflare: bool, believed: tuple[Proxies, ...]) -> None:
    """And one address of Cloudflare's before it, whichever proxies the house has elsewhere."""
    written = (ROOT / "config" / "maitre.yaml").read_text("utf-8")
    assert "trusted_proxies: [] " in written
    files = {"maitre.yaml": written.replace("trusted_proxies: []", "trusted_proxies: [10.0.0.0/8]")}
    (tmp_path / "maitre.yaml").write_text(house_copies(files, cloudflare)["house/engine/maitre.yaml"], "utf-8")
    assert load_house(tmp_path).trusted_proxies == believed
