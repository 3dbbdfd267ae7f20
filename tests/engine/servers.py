"""The two servers that one engine may stand in, and everything in which they differ to a client.

@BOTH
def test_…(hall: Hall) -> None: …
"""

from __future__ import annotations

import pytest

#: Runs the tests of a module, or one test, on the hardened host and on the bare upstream server.
BOTH = pytest.mark.parametrize("server", ["host", "bare"], indirect=True, scope="module")
