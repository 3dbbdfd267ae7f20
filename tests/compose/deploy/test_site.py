"""The rendered files on the disk."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

import pytest

from tests.compose import small
from tests.compose.conftest import Yard


@pytest.fixture
def narrow() -> Iterator[None]:
    """Root's umask of a hardened machine."""
    before = os.umask(0o077)
    yield
    os.umask(before)


def test_containers_reach_their_files_whatever_the_umask(yard: Yard, narrow: None) -> None:
    """Every folder on the way is open to others, and so is the file; what is above may be passed through."""
    yard.go(small.files(**{"house/engine/tools/a/b.yaml": "a: 1\n"}))
    modes = {
        name: stat.S_IMODE((yard.stack / name).stat().st_mode)
        for name in (".", "house", "house/engine", "house/engine/tools", "house/engine/tools/a", "traefik/dynamic")
    }
    assert modes.pop(".") == 0o711
    assert set(modes.values()) == {0o755}
    assert stat.S_IMODE((yard.stack / "house/engine/tools/a/b.yaml").stat().st_mode) == 0o644
