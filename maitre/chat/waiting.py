"""What a guest reads while waiting: the place in the line, and about how long, in English, Ukrainian and Russian."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from maitre.queue.shown import in_steps

_NEXT = {"en": "You are next in line", "uk": "Ваша черга наступна", "ru": "Ваша очередь следующая"}
_PLACE = {
    "en": "You are {place} in line",
    "uk": "Ваше місце в черзі — {place}",
    "ru": "Ваше место в очереди — {place}",
}
_USING = {"en": "Using {tools}…", "uk": "Використовую {tools}…", "ru": "Использую {tools}…"}
_SOON = {"en": "less than 10 seconds", "uk": "менше ніж 10 секунд", "ru": "меньше 10 секунд"}
_ABOUT = {"en": "about", "uk": "приблизно", "ru": "примерно"}

#: Of each unit its forms: of one, of a few, of many; a language with two has no few.
_UNITS: Mapping[str, Mapping[int, tuple[str, ...]]] = {
    "en": {1: ("second", "seconds"), 60: ("minute", "minutes"), 3600: ("hour", "hours")},
    "uk": {
        1: ("секунда", "секунди", "секунд"),
        60: ("хвилина", "хвилини", "хвилин"),
        3600: ("година", "години", "годин"),
    },
    "ru": {
        1: ("секунда", "секунды", "секунд"),
        60: ("минута", "минуты", "минут"),
        3600: ("час", "часа", "часов"),
    },
}


def queue_line(position: int, eta: float | None, code: str) -> str:
    """One sentence: the place in the line (1 is next) and the seconds until one's turn, rounded; a time that is not
    known is left out. `code` is one of ours."""
    place = _NEXT[code] if position <= 1 else _PLACE[code].format(place=ordinal(position, code))
    return f"{place}." if eta is None else f"{place}, {duration(eta, code)}."


def tool_line(tools: Sequence[str], code: str) -> str:
    """What the house is doing for an answer, by the names of its tools. `code` is one of ours."""
    return _USING[code].format(tools=", ".join(tools))


def duration(seconds: float, code: str) -> str:
    """About how long, in steps as one would say it."""
    rounded = in_steps(seconds)
    if rounded == 0:
        return _SOON[code]
    unit = 3600 if rounded >= 3600 else 60 if rounded >= 60 else 1
    number = rounded // unit
    forms = _UNITS[code][unit]
    return f"{_ABOUT[code]} {number} {forms[min(_form(number, code), len(forms) - 1)]}"


def ordinal(number: int, code: str) -> str:
    """The number as a place: 3rd, 3-тє, 3-е."""
    teens, last = 10 < number % 100 < 20, number % 10
    if code == "en":
        return f"{number}{'th' if teens else {1: 'st', 2: 'nd', 3: 'rd'}.get(last, 'th')}"
    if code == "ru":
        return f"{number}-е"
    if number % 1000 == 0:
        return f"{number}-не"
    if number % 100 == 40:
        return f"{number}-ве"
    ending = {1: "ше", 2: "ге", 3: "тє", 7: "ме", 8: "ме"}.get(last, "те")
    return f"{number}-{'те' if teens else ending}"


def _form(number: int, code: str) -> int:
    """Which of the forms goes with a number: 0 of one, 1 of a few, 2 of many (CLDR's plural rules)."""
    if code == "en":
        return 0 if number == 1 else 1
    if number % 10 == 1 and number % 100 != 11:
        return 0
    return 1 if 2 <= number % 10 <= 4 and not 12 <= number % 100 <= 14 else 2
