"""Is it really there? Small questions to a running part, each answered within two seconds."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any

PATIENCE = 2.0  # seconds


def http_json(port: int, path: str) -> Any:
    """The JSON of a 200 answer to GET; None for any other answer or none."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read(1_000_000)
        return json.loads(body) if answer.status == 200 else None
    except (OSError, ValueError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def valkey_answers(port: int, password: str) -> bool:
    """Whether Valkey accepts the password and says PONG (it does not while it loads its data)."""
    secret = password.encode()
    words = b"*2\r\n$4\r\nAUTH\r\n$%d\r\n%s\r\n*1\r\n$4\r\nPING\r\n" % (len(secret), secret)
    try:
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as link:
            link.sendall(words)
            heard = b""
            while heard.count(b"\r\n") < 2 and (more := link.recv(200)):
                heard += more
    except OSError:
        return False
    return heard == b"+OK\r\n+PONG\r\n"
