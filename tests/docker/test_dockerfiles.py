"""Every Dockerfile, ours and the stand-ins', as hadolint sees it. No engine is needed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from devstack.places import ROOT
from tests.docker.programs import program

FILES = sorted([*ROOT.glob("compose/images/*/Dockerfile"), *ROOT.glob("tests/docker/images/*/Dockerfile")])


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_hadolint_finds_nothing(file: Path) -> None:
    """No finding of any weight."""
    found = subprocess.run([program("hadolint"), str(file)], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr


def test_there_are_dockerfiles() -> None:
    """Both of ours are looked at."""
    assert {file.parent.name for file in FILES} >= {"engine", "rag", "postgres", "open_webui"}
