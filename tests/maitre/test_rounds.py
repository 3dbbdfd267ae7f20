"""Rounds go on whatever happens, and say each thing once."""

from __future__ import annotations

import asyncio
import logging

import pytest

from maitre.errors import StoreDown
from maitre.rounds import Rounds


async def after(rounds: Rounds, done: asyncio.Event) -> None:
    """Let the rounds run until then."""
    running = asyncio.create_task(rounds.run())
    await done.wait()
    running.cancel()
    await asyncio.wait([running])


async def test_a_step_that_fails_keeps_no_other_from_being_taken(caplog: pytest.LogCaptureFixture) -> None:
    """Every round takes every step; each thing that is wrong is one line, and so is its end."""
    rounds, done, taken = 0, asyncio.Event(), 0

    async def falter() -> None:
        nonlocal rounds
        rounds += 1
        if rounds <= 3:
            raise StoreDown("Postgres does not answer.")
        if rounds <= 5:
            raise ValueError("Tell nobody: soup")
        if rounds == 7:
            done.set()

    async def go_on() -> None:
        nonlocal taken
        taken += 1

    with caplog.at_level(logging.WARNING):
        await after(Rounds(0, go_on, falter), done)
    assert taken >= rounds
    first, second, third = caplog.messages
    assert first == "Postgres does not answer."
    assert second.startswith("A step of the house-keeping failed, and is tried again: ValueError")
    assert third == "The house-keeping goes on as it should."


async def test_a_fault_is_told_without_its_words(caplog: pytest.LogCaptureFixture) -> None:
    """An exception may quote what a guest wrote; the log has its kind and its place."""
    done = asyncio.Event()

    async def quote() -> None:
        done.set()
        raise ValueError("Tell nobody: soup")

    await after(Rounds(0, quote), done)
    assert "soup" not in caplog.text
