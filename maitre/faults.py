"""A fault as a log may show it: its kind and where it came from, never its words, which may be a guest's."""

from __future__ import annotations

import traceback
from pathlib import Path

FRAMES = 6  # the innermost places that are shown


def outline(fault: BaseException) -> str:
    """The fault's type and its innermost places, on one line."""
    frames = traceback.extract_tb(fault.__traceback__)[-FRAMES:]
    places = " < ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in reversed(frames))
    return f"{type(fault).__name__} at {places or 'an unknown place'}"
