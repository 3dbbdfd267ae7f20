"""A program of a page, running until the test is over."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.api.conftest import Client
from tests.guide.conftest import Desk
from tests.guide.page import named


@contextmanager
def running(desk: Desk, client: Client, page: str, file: str, *arguments: str, **more: str) -> Iterator[Path]:
    """The page's file, saved and started; the path of its log. `more`: what else stands in its environment."""
    program, log = desk.folder / file, desk.folder / f"{file}.log"
    program.write_text(named(page, file), "utf-8")
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, str(program), *arguments],
            env=desk.environment(client, **more),
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        yield log
    finally:
        process.terminate()
        process.wait(10)
