"""Which characters a text file's bytes are. Pure."""

from __future__ import annotations

import codecs
import re

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16's, which it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DECLARED = re.compile(rb"""(?:charset|encoding)\s{0,9}=\s{0,9}["']?([A-Za-z0-9_.:-]{2,40})""")
_SAMPLE = 64 * 1024
# Letters of Russian and Ukrainian text in a thousand.
_FREQUENCY = dict(
    zip("оаеинтрсвлкмдпуяьыгзбчйхжшюцщэфіїєґё", (
        105, 82, 78, 72, 67, 59, 47, 47, 46, 42, 34, 32, 30, 27, 27, 20, 18, 15, 17, 18, 16, 14, 11, 9, 9, 8, 7, 5, 4,
        3, 3, 20, 6, 5, 1, 2,
    ), strict=True)
)  # fmt: skip


def marked(data: bytes) -> bool:
    """Whether the bytes begin with a byte order mark."""
    return data.startswith(tuple(mark for mark, _ in _MARKS))


def decode(data: bytes) -> str:
    """The text: by byte order mark, as UTF-8, by the encoding that the text declares (HTML, XML), else the likeliest
    of cp1251, KOI8-U, cp866 and cp1252. Never fails: what no encoding explains becomes U+FFFD."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start > len(data) - 4 and error.start > 0:  # cut inside the last character
            return data.decode("utf-8", "ignore")
    if (declared := _DECLARED.search(data[:2048])) and (known := _known(declared[1].decode("ascii"))):
        return data.decode(known, "replace")
    repaired = data[:_SAMPLE].decode("utf-8", "replace")
    # A damaged UTF-8 text has far more whole characters of several bytes than broken ones; another encoding has none.
    if repaired.count("�") * 10 < sum(character > "\x7f" for character in repaired):
        return data.decode("utf-8", "replace")
    return data.decode(_likeliest(data[:_SAMPLE]), "replace")


def _known(name: str) -> str | None:
    """Python's name of a declared encoding of single bytes; others are no use once UTF-8 has failed."""
    try:
        known = codecs.lookup(name).name
    except LookupError:
        return None
    try:
        return known if len(b"\xe0\xe1".decode(known, "replace")) == 2 and "a".encode(known) == b"a" else None
    except (UnicodeError, LookupError):
        return None


def _likeliest(sample: bytes) -> str:
    high = sum(byte > 127 for byte in sample)
    latin = len(re.findall(rb"[A-Za-z][\x80-\xff](?=[A-Za-z])", sample))
    if latin * 3 > high:  # single accented letters among plain ones: a Western text
        return "cp1252"
    return max(("cp1251", "koi8-u", "cp866"), key=lambda encoding: _likelihood(sample.decode(encoding, "replace")))


def _likelihood(text: str) -> int:
    """How much a text looks like Russian or Ukrainian: frequent letters, and capitals only where words begin."""
    score, before = 0, " "
    for character in text:
        if character > "\x7f":
            score += _FREQUENCY.get(character.lower(), -60)
            if character.isupper() and before.islower():
                score -= 80
        before = character
    return score
