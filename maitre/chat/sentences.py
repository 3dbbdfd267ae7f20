"""Every sentence that a guest may read, in English, Ukrainian and Russian: what, why, until when.

The sentences avoid counting words, so that no plural rules are needed. `when` is rendered by `moment`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from maitre.chat.text import shown
from maitre.chat.window_sentences import WINDOW_SENTENCES
from maitre.errors import Refusal, Told

LANGUAGES = ("en", "uk", "ru")

SENTENCES: Mapping[str, Mapping[str, str]] = {
    **WINDOW_SENTENCES,
    "no_plan": {
        "en": "Your account has no plan yet. Ask the administrator for one.",
        "uk": "Ваш обліковий запис ще не має плану. Попросіть його в адміністратора.",
        "ru": "У вашей учётной записи ещё нет плана. Попросите его у администратора.",
    },
    "suspended": {
        "en": "Your account is suspended. Ask the administrator.",
        "uk": "Ваш обліковий запис призупинено. Зверніться до адміністратора.",
        "ru": "Ваша учётная запись приостановлена. Обратитесь к администратору.",
    },
    "address": {
        "en": "This API key may not be used from your address.",
        "uk": "Цим API-ключем не можна користуватися з вашої адреси.",
        "ru": "Этим API-ключом нельзя пользоваться с вашего адреса.",
    },
    "unknown_model": {
        "en": "There is no “{model}” in this house.",
        "uk": "У цьому домі немає «{model}».",
        "ru": "В этом доме нет «{model}».",
    },
    "not_in_plan": {
        "en": "“{model}” is not part of the {plan} plan.",
        "uk": "«{model}» не входить до плану {plan}.",
        "ru": "«{model}» не входит в план {plan}.",
    },
    "only_chats": {
        "en": "“{model}” makes no embeddings. Choose a model that does.",
        "uk": "«{model}» не робить ембедингів. Оберіть модель, яка це вміє.",
        "ru": "«{model}» не делает эмбеддингов. Выберите модель, которая это умеет.",
    },
    "empty_message": {
        "en": "The message is empty. Write something to get an answer.",
        "uk": "Повідомлення порожнє. Напишіть щось, щоб отримати відповідь.",
        "ru": "Сообщение пустое. Напишите что-нибудь, чтобы получить ответ.",
    },
    "bad_role": {
        "en": "The request cannot be read: every message needs a role of the OpenAI API.",
        "uk": "Запит не вдається прочитати: кожне повідомлення потребує ролі з OpenAI API.",
        "ru": "Запрос не удаётся прочитать: каждому сообщению нужна роль из OpenAI API.",
    },
    "bad_content": {
        "en": "The request cannot be read: a message's content is text or a list of parts.",
        "uk": "Запит не вдається прочитати: вміст повідомлення — це текст або список частин.",
        "ru": "Запрос не удаётся прочитать: содержимое сообщения — это текст или список частей.",
    },
    "bad_part": {
        "en": "The request cannot be read: every part of a message needs a type.",
        "uk": "Запит не вдається прочитати: кожна частина повідомлення потребує типу.",
        "ru": "Запрос не удаётся прочитать: каждой части сообщения нужен тип.",
    },
    "bad_nesting": {
        "en": "The request cannot be read: it is nested too deeply.",
        "uk": "Запит не вдається прочитати: у ньому забагато вкладень.",
        "ru": "Запрос не удаётся прочитать: в нём слишком много вложений.",
    },
    "other_assistant": {
        "en": "The session “{session}” belongs to another assistant.",
        "uk": "Сесія «{session}» належить іншому асистентові.",
        "ru": "Сессия «{session}» принадлежит другому ассистенту.",
    },
    "bad_variables": {
        "en": "The request cannot be read: “variables” are names with their values.",
        "uk": "Запит не вдається прочитати: «variables» — це назви з їхніми значеннями.",
        "ru": "Запрос не удаётся прочитать: «variables» — это имена с их значениями.",
    },
    "unknown_variable": {
        "en": "This assistant has no variable “{variable}”.",
        "uk": "Цей асистент не має змінної «{variable}».",
        "ru": "У этого ассистента нет переменной «{variable}».",
    },
    "missing_variable": {
        "en": "This assistant needs a value for the variable “{variable}”.",
        "uk": "Цьому асистентові потрібне значення змінної «{variable}».",
        "ru": "Этому ассистенту нужно значение переменной «{variable}».",
    },
    "bad_variable": {
        "en": "The value of the variable “{variable}” must be a text or a number.",
        "uk": "Значення змінної «{variable}» має бути текстом або числом.",
        "ru": "Значение переменной «{variable}» должно быть текстом или числом.",
    },
    "long_variable": {
        "en": "The value of the variable “{variable}” is too long (limit: {limit} characters).",
        "uk": "Значення змінної «{variable}» задовге (ліміт символів: {limit}).",
        "ru": "Значение переменной «{variable}» слишком длинное (лимит символов: {limit}).",
    },
    "nobody": {
        "en": "The request does not say who asks.",
        "uk": "Запит не каже, хто питає.",
        "ru": "В запросе не сказано, кто спрашивает.",
    },
    "too_long": {
        "en": "The conversation is too long for this model. Start a new chat or send less text.",
        "uk": "Розмова задовга для цієї моделі. Почніть новий чат або надішліть менше тексту.",
        "ru": "Разговор слишком длинный для этой модели. Начните новый чат или отправьте меньше текста.",
    },
    "only_embeddings": {
        "en": "“{model}” makes embeddings and cannot chat. Choose another model.",
        "uk": "«{model}» робить ембединги й не веде розмов. Оберіть іншу модель.",
        "ru": "«{model}» делает эмбеддинги и не ведёт разговоров. Выберите другую модель.",
    },
    "no_tools": {
        "en": "“{model}” takes no tools. Leave out “tools”, or choose a model that takes them.",
        "uk": "«{model}» не приймає інструментів. Приберіть «tools» або оберіть модель, яка їх приймає.",
        "ru": "«{model}» не принимает инструментов. Уберите «tools» или выберите модель, которая их принимает.",
    },
    "no_embeddings": {
        "en": "This model makes no embeddings. Choose an embedding model.",
        "uk": "Ця модель не робить ембедингів. Оберіть модель для ембедингів.",
        "ru": "Эта модель не делает эмбеддингов. Выберите модель для эмбеддингов.",
    },
    "embed_texts": {
        "en": "This model makes embeddings of texts only, not of token numbers.",
        "uk": "Ця модель робить ембединги лише текстів, а не номерів токенів.",
        "ru": "Эта модель делает эмбеддинги только текстов, а не номеров токенов.",
    },
    "unreadable_part": {
        "en": "This model cannot read a part of the message: “{part}”. Send text, or an image in the message itself.",
        "uk": "Ця модель не може прочитати частину повідомлення: «{part}». Надішліть текст або зображення всередині"
        " самого повідомлення.",
        "ru": "Эта модель не может прочитать часть сообщения: «{part}». Отправьте текст или изображение внутри"
        " самого сообщения.",
    },
    "house_full": {
        "en": "The house is full just now: too many guests wait for an answer. Try again in a few seconds.",
        "uk": "Зараз немає вільних місць: забагато гостей чекає на відповідь. Спробуйте за кілька секунд.",
        "ru": "Сейчас нет свободных мест: слишком много гостей ждёт ответа. Попробуйте через несколько секунд.",
    },
    "store_down": {
        "en": "The house cannot check your plan right now, so nothing was asked. Try again in a minute.",
        "uk": "Зараз не вдається перевірити ваш план, тому запит не надіслано. Спробуйте за хвилину.",
        "ru": "Сейчас не удаётся проверить ваш план, поэтому запрос не отправлен. Попробуйте через минуту.",
    },
    "provider_down": {
        "en": "The model does not answer right now. Try again in a minute.",
        "uk": "Модель зараз не відповідає. Спробуйте за хвилину.",
        "ru": "Модель сейчас не отвечает. Попробуйте через минуту.",
    },
    "provider_error": {
        "en": "The model answered with an error (code {upstream_status}). Try again, or tell the administrator.",
        "uk": "Модель відповіла помилкою (код {upstream_status}). Спробуйте ще раз або скажіть адміністраторові.",
        "ru": "Модель ответила ошибкой (код {upstream_status}). Попробуйте ещё раз или скажите администратору.",
    },
    "provider_broke": {
        "en": "The answer broke off before its end. Try again.",
        "uk": "Відповідь обірвалася, не закінчившись. Спробуйте ще раз.",
        "ru": "Ответ оборвался, не закончившись. Попробуйте ещё раз.",
    },
    "took_too_long": {
        "en": "The answer took longer than {seconds} seconds and was ended.",
        "uk": "Відповідь тривала довше ніж {seconds} с, тому її зупинено.",
        "ru": "Ответ длился дольше {seconds} с, поэтому он остановлен.",
    },
    "queue_full_user": {
        "en": "Your other requests are still waiting for this model, and no more may wait (limit: {limit})."
        " Try again when one of them is answered.",
        "uk": "Інші ваші запити ще чекають на цю модель, а більше чекати не може (ліміт: {limit})."
        " Спробуйте, коли на один із них прийде відповідь.",
        "ru": "Другие ваши запросы ещё ждут эту модель, а больше ждать не может (лимит: {limit})."
        " Попробуйте, когда на один из них придёт ответ.",
    },
    "queue_too_long": {
        "en": "Too many people are waiting for this model right now. Try again {when}.",
        "uk": "Зараз на цю модель чекає надто багато людей. Спробуйте ще раз {when}.",
        "ru": "Сейчас эту модель ждёт слишком много людей. Попробуйте ещё раз {when}.",
    },
    "bad_json": {
        "en": "The model did not manage to answer in the right form, even when asked again. Try another question.",
        "uk": "Моделі не вдалося відповісти в потрібній формі навіть із другої спроби. Спробуйте інше запитання.",
        "ru": "Модели не удалось ответить в нужной форме даже со второй попытки. Попробуйте другой вопрос.",
    },
    "no_answer": {
        "en": "The model kept asking for its tools and gave no answer. Ask in another way.",
        "uk": "Модель знову й знову зверталася до інструментів і не відповіла. Запитайте інакше.",
        "ru": "Модель снова и снова обращалась к инструментам и не ответила. Спросите иначе.",
    },
    "internal": {
        "en": "Something went wrong in the house. Try again, or tell the administrator this number: {number}.",
        "uk": "Щось пішло не так. Спробуйте ще раз або назвіть адміністраторові це число: {number}.",
        "ru": "Что-то пошло не так. Попробуйте ещё раз или назовите администратору это число: {number}.",
    },
}

_MONTHS = {
    "en": ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"],
    "uk": [
        "січня",
        "лютого",
        "березня",
        "квітня",
        "травня",
        "червня",
        "липня",
        "серпня",
        "вересня",
        "жовтня",
        "листопада",
        "грудня",
    ],
    "ru": [
        "января",
        "февраля",
        "марта",
        "апреля",
        "мая",
        "июня",
        "июля",
        "августа",
        "сентября",
        "октября",
        "ноября",
        "декабря",
    ],
}
_AT = {"en": "at {time}", "uk": "о {time}", "ru": "в {time}"}
_ON = {"en": "on {day} {month} at {time}", "uk": "{day} {month} о {time}", "ru": "{day} {month} в {time}"}


def language(*wanted: str | None) -> str:
    """The first language that we have, of codes such as `uk-UA`; English last."""
    for code in wanted:
        short = (code or "").replace("_", "-").split("-")[0].lower()
        if short in LANGUAGES:
            return short
    return "en"


def zone_of(name: str) -> ZoneInfo | None:
    """The time zone of that name, or None: a browser may say anything."""
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def moment(at: datetime, now: datetime, zone: ZoneInfo, code: str) -> str:
    """When something happens, by the clocks of `zone`, rounded up to the second: the clock for today, else the date."""
    if at.microsecond:
        at = at.replace(microsecond=0) + timedelta(seconds=1)
    local, today = at.astimezone(zone), now.astimezone(zone)
    clock = f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}"
    if local.date() == today.date():
        return _AT[code].format(time=f"{local:%H:%M:%S}")
    return _ON[code].format(day=local.day, month=_MONTHS[code][local.month - 1], time=clock)


def sentence(refusal: Refusal, *, code: str, now: datetime, zone: ZoneInfo, currency: str = "") -> str:
    """The refusal's one sentence in the language `code`. Names in it are made safe to show; `currency` is that of
    amounts."""
    if isinstance(refusal, Told):
        return str(refusal.values["text"])
    values = {name: shown(value) if isinstance(value, str) else value for name, value in refusal.values.items()}
    resets_at = refusal.values.get("resets_at")
    if isinstance(resets_at, datetime):
        values["when"] = moment(resets_at, now, zone, code)
    if values.get("resource") == "money":
        values |= {name: amount(int(str(values[name])), currency) for name in ("limit", "left", "needed")}
    return SENTENCES[refusal.key][code].format_map(values)


def amount(nano: int, currency: str) -> str:
    """An amount in 10⁻⁹ of the currency as people read it: with two decimals, and with more where it is smaller."""
    value = (Decimal(nano) / 10**9).normalize()
    return f"{value:.2f} {currency}" if value >= 1 or value == round(value, 2) else f"{value:f} {currency}"
