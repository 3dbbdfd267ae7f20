"""Markdown: headings, pipe tables and fenced code are seen, the rest stays as it is written."""

from __future__ import annotations

import re

from rag_service.parsing.parsed import Reading

_ATX = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*))?$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_RULE = re.compile(r" {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$")
_TITLE = re.compile(r"title[ \t]*:[ \t]*(.+)", re.IGNORECASE)


def read(text: str, reading: Reading, page: int | None = None) -> str:
    """The blocks, and the title that its front matter says."""
    lines, title = _front_matter(_without_comments(text).splitlines())
    waiting: list[str] = []

    def flush() -> None:
        reading.paragraph("\n".join(waiting), page)
        waiting.clear()

    fence, index = "", 0
    while index < len(lines):
        row = lines[index]
        index += 1
        following = lines[index] if index < len(lines) else ""
        mark = _FENCE.match(row)
        if fence:
            waiting.append(row)
            if mark and mark[1].startswith(fence):
                fence = ""
        elif mark:
            fence = mark[1]
            waiting.append(row)
        elif not row.strip():
            flush()
        elif heading := _ATX.match(row):
            flush()
            reading.heading(_unclosed(heading[2] or ""), len(heading[1]), page)
        elif not waiting and following.strip() and set(following.strip()) in ({"="}, {"-"}) and "|" not in row:
            reading.heading(row, 1 if following.strip()[0] == "=" else 2, page)
            index += 1
        elif "|" in row and "|" in following and _RULE.match(following):
            flush()
            rows = [row]
            index += 1
            while index < len(lines) and "|" in lines[index]:
                rows.append(lines[index])
                index += 1
            reading.table([reading.row(_cells(row)) for row in rows], page)
        else:
            waiting.append(row)
    flush()
    return title


def _front_matter(lines: list[str]) -> tuple[list[str], str]:
    """The lines after YAML front matter, and the title in it."""
    if not lines or lines[0].strip() != "---":
        return lines, ""
    for number, row in enumerate(lines[1:200], start=1):
        if row.strip() == "---":
            titles = [found[1].strip().strip("'\"") for row in lines[1:number] if (found := _TITLE.match(row))]
            return lines[number + 1 :], titles[0] if titles else ""
    return lines, ""


def _without_comments(text: str) -> str:
    parts, start = [], 0
    while (begin := text.find("<!--", start)) >= 0 and (end := text.find("-->", begin)) >= 0:
        parts.append(text[start:begin])
        start = end + 3
    return "".join(parts) + text[start:]


def _unclosed(text: str) -> str:
    """A heading without the `#` that may close it."""
    bare = text.rstrip().rstrip("#")
    return bare if not bare or bare[-1] in " \t" else text


def _cells(row: str) -> list[str]:
    row = row.strip().removeprefix("|").replace("\\|", "\0")
    return [cell.replace("\0", "|").strip() for cell in row.removesuffix("|").split("|")]
