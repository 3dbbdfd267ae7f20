"""The sentences for full windows, in English, Ukrainian and Russian, by the keys of `maitre.quota.reservation.refusal`.

They avoid counting words, so that no plural rules are needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

_TOKENS = {
    "en": "(limit: {limit}, left: {left}, needed: up to {needed})",
    "uk": "(ліміт: {limit}, лишилося: {left}, потрібно: до {needed})",
    "ru": "(лимит: {limit}, осталось: {left}, нужно: до {needed})",
}

#: Whose limit it is, in the genitive.
_WHOSE = {
    "key": {"en": "this API key", "uk": "цього API-ключа", "ru": "этого API-ключа"},
    "assistant": {"en": "this assistant", "uk": "цього асистента", "ru": "этого ассистента"},
    "model": {"en": "this model", "uk": "цієї моделі", "ru": "этой модели"},
    "provider": {"en": "this model's provider", "uk": "постачальника цієї моделі", "ru": "поставщика этой модели"},
    "house": {"en": "this house", "uk": "цього дому", "ru": "этого дома"},
}
_WIDER = {
    "busy": {
        "en": "The limit of {whose} is taken by other answers just now. Try again in a few seconds.",
        "uk": "Ліміт {whose} зараз зайнято іншими відповідями. Спробуйте за кілька секунд.",
        "ru": "Лимит {whose} сейчас занят другими ответами. Попробуйте через несколько секунд.",
    },
    "full": {
        "en": "The limit of {whose} is used up for now. You can ask again {{when}}.",
        "uk": "Ліміт {whose} наразі вичерпано. Знову запитати можна {{when}}.",
        "ru": "Лимит {whose} пока исчерпан. Снова спросить можно {{when}}.",
    },
    "spent": {
        "en": "The limit of {whose} is used up. Tell the administrator.",
        "uk": "Ліміт {whose} вичерпано. Скажіть про це адміністраторові.",
        "ru": "Лимит {whose} исчерпан. Скажите об этом администратору.",
    },
}


def _requests() -> Iterator[tuple[str, Mapping[str, str]]]:
    spans = {
        "minute": {"en": "for this minute", "uk": "на цю хвилину", "ru": "на эту минуту"},
        "day": {"en": "for today", "uk": "на сьогодні", "ru": "на сегодня"},
        "month": {"en": "for this month", "uk": "на цей місяць", "ru": "на этот месяц"},
    }
    for span, words in spans.items():
        yield (
            f"requests_{span}",
            {
                "en": f"You have used the {{plan}} plan's requests {words['en']} (limit: {{limit}})."
                " You can ask again {when}.",
                "uk": f"Ви використали запити плану {{plan}} {words['uk']} (ліміт: {{limit}})."
                " Знову запитати можна {when}.",
                "ru": f"Вы использовали запросы плана {{plan}} {words['ru']} (лимит: {{limit}})."
                " Снова спросить можно {when}.",
            },
        )
    yield (
        "requests_total",
        {
            "en": "The {plan} plan's requests are used up (limit: {limit}). Ask the administrator for another plan.",
            "uk": "Запити плану {plan} вичерпано (ліміт: {limit}). Попросіть адміністратора про інший план.",
            "ru": "Запросы плана {plan} исчерпаны (лимит: {limit}). Попросите администратора о другом плане.",
        },
    )


def _sums() -> Iterator[tuple[str, Mapping[str, str]]]:
    yield (
        "tokens_minute",
        {
            "en": f"The {{plan}} plan's tokens for this minute do not suffice {_TOKENS['en']}. Try again {{when}}.",
            "uk": f"Токенів плану {{plan}} на цю хвилину не вистачає {_TOKENS['uk']}. Спробуйте ще раз {{when}}.",
            "ru": f"Токенов плана {{plan}} на эту минуту не хватает {_TOKENS['ru']}. Попробуйте ещё раз {{when}}.",
        },
    )
    spans = {
        "day": {"en": "for today", "uk": "на сьогодні", "ru": "на сегодня"},
        "month": {"en": "for this month", "uk": "на цей місяць", "ru": "на этот месяц"},
    }
    for span, words in spans.items():
        yield (
            f"tokens_{span}",
            {
                "en": f"The {{plan}} plan's tokens {words['en']} do not suffice {_TOKENS['en']}."
                " They are renewed {when}.",
                "uk": f"Токенів плану {{plan}} {words['uk']} не вистачає {_TOKENS['uk']}. Вони оновляться {{when}}.",
                "ru": f"Токенов плана {{plan}} {words['ru']} не хватает {_TOKENS['ru']}. Они обновятся {{when}}.",
            },
        )
        yield (
            f"money_{span}",
            {
                "en": f"The {{plan}} plan's budget {words['en']} does not suffice {_TOKENS['en']}."
                " It is renewed {when}.",
                "uk": f"Бюджету плану {{plan}} {words['uk']} не вистачає {_TOKENS['uk']}. Він оновиться {{when}}.",
                "ru": f"Бюджета плана {{plan}} {words['ru']} не хватает {_TOKENS['ru']}. Он обновится {{when}}.",
            },
        )
    ask = {
        "en": "Ask the administrator for another plan.",
        "uk": "Попросіть адміністратора про інший план.",
        "ru": "Попросите администратора о другом плане.",
    }
    yield (
        "tokens_total",
        {
            "en": f"The {{plan}} plan's tokens are used up {_TOKENS['en']}. {ask['en']}",
            "uk": f"Токени плану {{plan}} вичерпано {_TOKENS['uk']}. {ask['uk']}",
            "ru": f"Токены плана {{plan}} исчерпаны {_TOKENS['ru']}. {ask['ru']}",
        },
    )
    yield (
        "money_total",
        {
            "en": f"The {{plan}} plan's budget is used up {_TOKENS['en']}. {ask['en']}",
            "uk": f"Бюджет плану {{plan}} вичерпано {_TOKENS['uk']}. {ask['uk']}",
            "ru": f"Бюджет плана {{plan}} исчерпан {_TOKENS['ru']}. {ask['ru']}",
        },
    )


def _wider() -> Iterator[tuple[str, Mapping[str, str]]]:
    for scope, whose in _WHOSE.items():
        for how, sentences in _WIDER.items():
            yield f"{how}_{scope}", {code: text.format(whose=whose[code]) for code, text in sentences.items()}


WINDOW_SENTENCES: Mapping[str, Mapping[str, str]] = {
    **dict(_requests()),
    **dict(_sums()),
    **dict(_wider()),
    "money_balance": {
        "en": "Your balance does not suffice (left: {left}, needed: up to {needed}). Top it up to go on.",
        "uk": "На вашому рахунку не вистачає коштів (лишилося: {left}, потрібно: до {needed}). Поповніть його.",
        "ru": "На вашем счёте не хватает средств (осталось: {left}, нужно: до {needed}). Пополните его.",
    },
    "calls_now": {
        "en": "As many of your answers are being written as the {plan} plan allows at once (limit: {limit})."
        " Try again when one is finished.",
        "uk": "Зараз пишеться стільки ваших відповідей, скільки план {plan} дозволяє водночас (ліміт: {limit})."
        " Спробуйте, коли одна закінчиться.",
        "ru": "Сейчас пишется столько ваших ответов, сколько план {plan} разрешает одновременно (лимит: {limit})."
        " Попробуйте, когда один закончится.",
    },
    "tokens_held": {
        "en": "Your other answers are still being written and hold the rest of what the {plan} plan allows."
        " Try again in a few seconds.",
        "uk": "Інші ваші відповіді ще пишуться й тримають решту того, що дозволяє план {plan}."
        " Спробуйте за кілька секунд.",
        "ru": "Другие ваши ответы ещё пишутся и держат остаток того, что разрешает план {plan}."
        " Попробуйте через несколько секунд.",
    },
}
