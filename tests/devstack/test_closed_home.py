"""Postgres for root, in a clone below a folder that nobody else may enter."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from devstack.places import ROOT

from .conftest import make_house

STORY = """
import sys
from pathlib import Path
from devstack import house, state
from maitre.settings import load_house
mine = load_house(Path(sys.argv[1]))
house.up(mine, only=["postgres"])
status = Path(f"/proc/{state.read(mine.state)['postgres'].who.pid}/status").read_text()
healthy = [one.healthy for one in house.status(mine) if one.name == "postgres"]
house.down(mine.state)
lines = dict(line.split(":", 1) for line in status.splitlines())
print(healthy[0], lines["Uid"].split()[0] != "0", int(lines["CapEff"], 16), int(lines["CapBnd"], 16))
"""
READ_SEARCH, OVERRIDE = 1 << 2, 1 << 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root drops root")
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv of util-linux")
@pytest.mark.parametrize(
    ("without", "kept"),
    [((), READ_SEARCH), (("setpriv", "--bounding-set=-dac_read_search"), OVERRIDE)],
    ids=["all capabilities", "the bounding set of Docker"],
)
def test_postgres_runs_unprivileged_below_a_closed_home(tmp_path: Path, without: tuple[str, ...], kept: int) -> None:
    """It drops root, keeps only the right to search folders, and works from initdb to a query."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    house = make_house(home / "house")
    done = subprocess.run(
        [*without, sys.executable, "-c", STORY, str(house.directory)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.stdout.split() == ["True", "True", str(kept), str(kept)], done.stderr
