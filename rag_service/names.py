"""How a collection may be called. Pure."""

from __future__ import annotations

import re

#: What guests said, as the engine keeps it for their memories: asked only by its name.
MEMORY = "^memory-[0-9a-f]{40}$"

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
