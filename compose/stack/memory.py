"""Amounts of memory as Compose writes them. Pure."""

from __future__ import annotations


def size(written: str | int) -> int:
    """Bytes, from `512m`, `2g` or a number."""
    if isinstance(written, int):
        return written
    text = written.strip().lower().removesuffix("b").removesuffix("i")
    powers = {"k": 1, "m": 2, "g": 3, "t": 4}
    return int(float(text.rstrip("kmgt") or 0) * 1024 ** powers.get(text[-1:], 0))
