"""The Pipelines host with leases of seconds, so that a test need not wait half a minute for what a crash left.

Run in our server's place: `python -m tests.engine.crash.short_leases gateway.pipelines_host:app --port …`. The
constants are changed before anything reads them; all else is the product as it is.
"""

from __future__ import annotations

from datetime import timedelta

from maitre.chat import pulse
from maitre.queue import line

#: Of holds and rows, and how often they are renewed; of tickets in a line, in seconds.
LEASE, RENEW, TICKET = timedelta(seconds=6), timedelta(seconds=1), 6

if __name__ == "__main__":
    from maitre.http import http_server

    pulse.LEASE, pulse.RENEW, line.LEASE = LEASE, RENEW, TICKET
    http_server.main()
