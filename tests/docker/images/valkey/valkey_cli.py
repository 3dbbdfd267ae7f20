#!/usr/bin/env python3
"""As much of valkey-cli as a health check and a test need: one command, its answer printed; the package has none."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from io import BufferedRWPair


def main() -> int:
    """Send the words, print the answer, and fail when it is an error."""
    asked = argparse.ArgumentParser(add_help=False)
    asked.add_argument("-h", dest="host", default="127.0.0.1")
    asked.add_argument("-p", dest="port", type=int, default=6379)
    asked.add_argument("-n", dest="database")
    asked.add_argument("-a", "--pass", dest="password")
    asked.add_argument("--user", default="default")
    asked.add_argument("--no-auth-warning", action="store_true")
    asked.add_argument("--raw", action="store_true")
    asked.add_argument("-e", action="store_true")
    asked.add_argument("words", nargs=argparse.REMAINDER)
    given = asked.parse_args()
    password = given.password or os.environ.get("VALKEYCLI_AUTH") or os.environ.get("REDISCLI_AUTH")
    first = [["AUTH", given.user, password]] if password else []
    first += [["SELECT", given.database]] if given.database else []
    with socket.create_connection((given.host, given.port), timeout=5) as connection:
        stream = connection.makefile("rwb")
        for command in [*first, given.words]:
            stream.write(b"*%d\r\n" % len(command) + b"".join(map(_bulk, command)))
            stream.flush()
            well, text = _answer(stream)
            if not well:
                break
    print(text)
    return 0 if well else 1


def _bulk(word: str) -> bytes:
    data = word.encode()
    return b"$%d\r\n%b\r\n" % (len(data), data)


def _answer(stream: BufferedRWPair) -> tuple[bool, str]:
    line = stream.readline().decode().rstrip("\r\n")
    kind, rest = line[:1], line[1:]
    if kind == "$":
        return True, "" if rest == "-1" else stream.read(int(rest) + 2)[:-2].decode()
    if kind == "*":
        return True, "\n".join(_answer(stream)[1] for _ in range(int(rest)))
    return kind != "-", rest


if __name__ == "__main__":
    sys.exit(main())
