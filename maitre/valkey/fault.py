"""What an error reply of Valkey means: the server cannot serve just now, or this command was wrong."""

from __future__ import annotations

from maitre.errors import MaitreError, StoreDown, ValkeyError

#: How an error reply begins, and the sentence for it. Replies that begin otherwise are about the command.
DOWN = {
    "LOADING": "Valkey is still loading its data.",
    "READONLY": "Valkey is a read-only replica, and not the primary any more.",
    "MASTERDOWN": "Valkey is a replica that has lost its primary.",
    "CLUSTERDOWN": "Valkey's cluster is down.",
    "NOREPLICAS": "Too few of Valkey's replicas are reachable.",
    "MISCONF": "Valkey cannot write its data to disk.",
    "OOM": "Valkey's memory is full.",
    "BUSY": "Valkey is kept busy by a script.",
    "NOAUTH": "Valkey wants a password, and the house has none.",
    "WRONGPASS": "Valkey refuses the house's password.",
    "ERR AUTH": "Valkey has no password, and the house gives one.",
    "NOPERM": "Valkey does not permit the house's user to do that.",
    "DENIED": "Valkey is in protected mode and takes local connections only.",
    "ERR max number of clients": "Valkey has as many clients as it may have.",
    "ERR DB index": "Valkey has no database of that number.",
}

#: Replies after which another connection may reach another server.
MOVED = ("READONLY ", "MASTERDOWN ")


def fault(reply: str) -> MaitreError:
    """The error to raise for an error reply."""
    for beginning, sentence in DOWN.items():
        if reply.startswith(beginning + " "):
            return StoreDown(sentence)
    return ValkeyError(reply)


def silent(reason: str) -> str:
    """The sentence for a server that does not answer."""
    return f"Valkey does not answer: {reason}."
