"""What an error reply means."""

from __future__ import annotations

import pytest

from maitre.errors import StoreDown, ValkeyError
from maitre.valkey.fault import fault

#: Replies as the server writes them, and a word of the sentence; None: the command was wrong, not the server.
REPLIES: dict[str, str | None] = {
    "LOADING Valkey is loading the dataset in memory": "loading",
    "READONLY You can't write against a read only replica. script: abc, on @user_script:1.": "replica",
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.": "primary",
    "CLUSTERDOWN The cluster is down": "cluster",
    "NOREPLICAS Not enough good replicas to write.": "replicas",
    "MISCONF Valkey is configured to save RDB snapshots, but it's currently unable to persist to disk.": "disk",
    "OOM command not allowed when used memory > 'maxmemory'.": "memory",
    "BUSY Valkey is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.": "script",
    "NOAUTH Authentication required.": "password",
    "WRONGPASS invalid username-password pair or user is disabled.": "password",
    "ERR AUTH <password> called without any password configured for the default user.": "password",
    "NOPERM User maitre has no permissions to run the 'evalsha' command": "permit",
    "DENIED Running in protected mode because protected mode is enabled": "protected",
    "ERR max number of clients reached": "clients",
    "ERR DB index is out of range": "database",
    "BUSYGROUP Consumer Group name already exists": None,
    "WRONGTYPE Operation against a key holding the wrong kind of value": None,
    "NOSCRIPT No matching script. Please use EVAL.": None,
    "ERR unknown command 'X'": None,
    "": None,
}


@pytest.mark.parametrize("reply", REPLIES)
def test_fault(reply: str) -> None:
    """A server that cannot serve is StoreDown in a sentence of ours; any other error keeps the server's words."""
    word, error = REPLIES[reply], fault(reply)
    if word is None:
        assert type(error) is ValkeyError
        assert str(error) == reply
    else:
        assert type(error) is StoreDown
        assert word in str(error)
        assert str(error).endswith(".")
