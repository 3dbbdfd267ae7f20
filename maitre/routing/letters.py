"""The language of a text, told by its letters: English, Ukrainian or Russian. Pure."""

from __future__ import annotations

import re

#: How much of a text is looked at. Characters.
LOOKED_AT = 4000

_LATIN = re.compile("[A-Za-z]")
_CYRILLIC = re.compile("[Ѐ-ӿ]")
_UKRAINIAN = re.compile("[іїєґІЇЄҐ]")
_RUSSIAN = re.compile("[ыэъёЫЭЪЁ]")


def language_of(text: str, told: str = "") -> str:
    """`en`, `uk`, `ru`, or what was `told` (by the guest's browser) where the letters do not say. Cyrillic without a
    letter that only one of the two has is what was told if that is Ukrainian or Russian, else Russian: a Ukrainian
    sentence without і, ї, є and ґ is rare."""
    seen = text[:LOOKED_AT]
    latin, cyrillic = len(_LATIN.findall(seen)), len(_CYRILLIC.findall(seen))
    if not latin and not cyrillic:
        return told
    if latin > cyrillic:
        return "en"
    ukrainian, russian = len(_UKRAINIAN.findall(seen)), len(_RUSSIAN.findall(seen))
    if ukrainian == russian:
        return told if told in ("uk", "ru") else "ru"
    return "uk" if ukrainian > russian else "ru"
