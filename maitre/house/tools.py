"""The `tools` of a house's files: their documents read, and every mistake, each as `file: path: message`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from maitre.house.written import listed, mapping
from maitre.tools import calculator, search
from maitre.tools.addresses import is_address, is_open
from maitre.tools.openapi import Operation, operations

#: A document that is larger is not read. Bytes.
LARGEST = 4 * 1024 * 1024

#: Headers that say who asks: what they hold is never written in the file.
SECRET_HEADERS = ("authorization", "cookie", "proxy-authorization", "x-api-key", "api-key")

_SECRET = re.compile(r"secret:([A-Za-z0-9_.-]+)$")

#: Reads a YAML file of the house by its path; None when it cannot be read, which is said then.
Read = Callable[[str], Any]


def read_tools(
    tools: Mapping[str, Any],
    read: Read,
    secret: Callable[[str], str | None],
    check: Callable[[Mapping[str, Any]], str | None],
    problems: list[str],
) -> dict[str, tuple[Operation, ...]]:
    """The operations of each tool, as far as they can be read; what is wrong goes to `problems`. `check` says what is
    wrong with a JSON Schema."""
    found = {}
    for name, section in tools.items():
        written = section if isinstance(section, Mapping) else {}
        where = f"maitre.yaml: tools.{name}"
        for header, value in mapping(written.get("headers")).items():
            problems += [f"{where}.headers.{header}: {wrong}" for wrong in _header(str(header), str(value), secret)]
        if wrong := _url(written):
            problems.append(f"{where}.base_url: {wrong}")
        file, allow = written.get("openapi"), written.get("allow")
        if isinstance(file, str) and isinstance(allow, list):
            document = read(file)
            if document is not None:
                found[str(name)], wrongs = operations(str(name), document, [str(one) for one in allow])
                problems += [f"{file}: {wrong}" for wrong in [*wrongs, *_schemas(str(name), found[str(name)], check)]]
    return found


def header_parts(value: str) -> tuple[str, str | None]:
    """A header's value as it is written: its text, and the name of the secret at its end if there is one."""
    match = _SECRET.search(value)
    return (value, None) if match is None else (value[: match.start()], match[1])


def known_tools(tools: Mapping[str, Any]) -> list[str]:
    """The names that an assistant's `server_tools` may have."""
    every = [f"{name}.{id}" for name, section in tools.items() for id in listed(mapping(section).get("allow"))]
    return [calculator.TOOL.name, search.TOOL.name, *every]


def front_problems(front: Mapping[str, Any], tools: Mapping[str, Any], toolless: set[str]) -> list[str]:
    """What is wrong with an assistant's `server_tools`. `toolless`: models that take no tools."""
    wanted = front.get("server_tools")
    if not isinstance(wanted, list) or not wanted:
        return []
    there = sorted(known_tools(tools))
    problems = [f"unknown tool “{name}” (there is: {', '.join(there)})" for name in wanted if name not in there]
    if search.TOOL.name in wanted and not front.get("knowledge"):
        problems.append(f"the tool “{search.TOOL.name}” needs collections to search: write them into `knowledge`")
    if front.get("tools"):
        problems.append("an assistant with tools of the house takes no others (tools: true)")
    if front.get("json_answer"):
        problems.append("an assistant that answers in JSON has no tools")
    if front.get("model") in toolless:
        problems.append(f"the model “{front['model']}” takes no tools")
    return problems


def _url(written: Mapping[str, Any]) -> str | None:
    url = written.get("base_url")
    if not isinstance(url, str):
        return None
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return "is no URL"
    if parts.scheme not in ("http", "https") or not host or re.search(r"[\s\\]", url):
        return "must be an http(s) URL"
    if "@" in parts.netloc or parts.query or parts.fragment:
        return "must have no user, no ? and no #; what a server must be told goes into headers"
    if "." in parts.path.split("/") or ".." in parts.path.split("/"):
        return "must have no . or .. in its path"
    if not written.get("private") and (host == "localhost" or (is_address(host) and not is_open(host))):
        return f"“{host}” is not on the open internet; `private: true` allows the house's own network"
    return None


def _header(name: str, value: str, secret: Callable[[str], str | None]) -> list[str]:
    _, wanted = header_parts(value)
    if wanted is None:
        if name.lower() in SECRET_HEADERS:
            return ["secrets do not belong in this file; write “secret:NAME” and put it into .maitre/secrets/NAME"]
        return []
    if secret(wanted) is None:
        return [
            f"the secret “{wanted}” is missing;"
            f" put it into .maitre/secrets/{wanted} (mode 600) or MAITRE_SECRET_{wanted.upper()}"
        ]
    return []


def _schemas(name: str, found: tuple[Operation, ...], check: Callable[[Mapping[str, Any]], str | None]) -> list[str]:
    wrongs = ((one.id, check(one.tool(name).parameters)) for one in found)
    return [f"operation “{id}”: {wrong}" for id, wrong in wrongs if wrong]
