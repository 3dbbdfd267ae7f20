"""What whole files become, whatever their names say."""

from __future__ import annotations

import pytest

from rag_service.parsing.parse import parse
from rag_service.parsing.parsed import Block, Heading, Paragraph, Table
from tests.rag_service.parsing import offices
from tests.rag_service.parsing.pdfs import pdf

PAGE = """<?xml version="1.0"?><!DOCTYPE html><html><head><title>Ціни &amp; умови</title><style>p {}</style></head>
<body><nav>Меню</nav><!-- a secret --><h1>Ціни</h1><p>Один<br>два <b>три</b></p><script>evil()</script>
<ul><li>чай<li>кава</ul><table><tr><th>A<th>B</tr><tr><td>1<td><p>2</p><tr><td>3</table><pre>x
 y</pre>tail</body></html>"""
NOTES = """---
title: "Нотатки"
---
Перший
======
Text with | a pipe.
<!-- hidden
# hidden --> shown

## Ціни ##

| Товар | Ціна |
|:------|-----:|
| Чай \\| кава | 12 |

```sh
# no heading
```
"""
QUOTED = '"Name","Note, long"\n"Anna","says ""hi""\nand goes"\n'

#: Name, bytes; kind, title, blocks.
WHOLE: dict[str, tuple[str, bytes, str, str, list[Block]]] = {
    "text": ("правила.txt", "Один\nдва\n\n\nтри".encode(), "text", "правила", [
        Paragraph("Один\nдва"), Paragraph("три"),
    ]),
    "text-with-mark": ("a.txt", "\ufeffЇжак".encode(), "text", "a", [Paragraph("Їжак")]),
    "utf-16": ("a.txt", "\ufeffЇжак 😀".encode("utf-16-le"), "text", "a", [Paragraph("Їжак 😀")]),
    "utf-16-big": ("a.txt", "\ufeffЇжак".encode("utf-16-be"), "text", "a", [Paragraph("Їжак")]),
    "controls": ("a.txt", b"one\x1b two \xc2\xad\xe2\x80\x8bthree", "text", "a", [Paragraph("one two three")]),
    "decomposed": ("a.txt", "и\u0306од".encode(), "text", "a", [Paragraph("йод")]),
    "no-name": ("", b"hello", "text", "", [Paragraph("hello")]),
    "markdown": ("notes.md", NOTES.encode(), "markdown", "Нотатки", [
        Heading("Перший", 1), Paragraph("Text with | a pipe.\nshown"), Heading("Ціни", 2),
        Table("Товар | Ціна", ("Чай | кава | 12",)), Paragraph("```sh\n# no heading\n```"),
    ]),
    "html": ("a.html", PAGE.encode(), "html", "Ціни & умови", [
        Heading("Ціни", 1), Paragraph("Один\nдва три"), Paragraph("- чай"), Paragraph("- кава"),
        Table("A | B", ("1 | 2", "3")), Paragraph("x\ny"), Paragraph("tail"),
    ]),
    "html-cp1251": ("a.html", '<html><meta charset="windows-1251"><p>Ціна'.encode("cp1251"), "html", "a", [
        Paragraph("Ціна"),
    ]),
    "csv": ("a.csv", QUOTED.encode(), "csv", "a", [Table("Name | Note, long", ('Anna | says "hi" and goes',))]),
    "csv-semicolons": ("a.csv", "Товар;Ціна\nЧай;1,5\nКава;2,5\n".encode("cp1251"), "csv", "a", [
        Table("Товар | Ціна", ("Чай | 1,5", "Кава | 2,5")),
    ]),
    "docx": ("a.docx", offices.docx(), "docx", "Правила готелю", [
        Heading("Заїзд", 1), Paragraph("Заїзд з 14:00, виїзд до 12:00."), Heading("Ціни", 2),
        Table("Номер | Ціна", ("Люкс | 5000 грн",)), Paragraph("Сніданок включено."),
    ]),
    "pptx": ("a.pptx", offices.pptx(), "pptx", "План на рік", [
        Heading("План на рік", 1, 1), Paragraph("Відкрити ресторан", 1), Paragraph("Сказати про дату", 1),
        Heading("", 1, 2), Table("Місто | Рік", ("Київ | 2027",), 2), Paragraph("Inside a group", 2),
    ]),
    "xlsx": ("прайс.xlsx", offices.xlsx(), "xlsx", "прайс", [
        Heading("Прайс", 1), Table("Товар | Цена | Дата", ("Чай | 12 | 2026-03-01", "Кофе | 7.5")),
        Heading("Far", 1), Paragraph("far away"),
    ]),
    "pdf": ("a.pdf", pdf(["Розділ\nДовгий рядок, який триває далі й\nдалі.\n- пункт", "Глава 😀\nEnd."],
                         title="Звіт", outline=[("Розділ", 1), ("Глава 😀", 2), ("Nowhere", 2)]), "pdf", "Звіт", [
        Heading("Розділ", 1, 1), Paragraph("Довгий рядок, який триває далі й далі.", 1), Paragraph("- пункт", 1),
        Heading("Nowhere", 1, 2), Heading("Глава 😀", 1, 2), Paragraph("End.", 2),
    ]),
}  # fmt: skip


@pytest.mark.parametrize("case", WHOLE)
def test_a_whole_file_becomes_its_blocks(case: str) -> None:
    """Text, headings, tables and pages come out in order, without what no reader sees."""
    name, data, kind, title, blocks = WHOLE[case]
    parsed = parse(name, data)
    assert (parsed.kind, parsed.title) == (kind, title)
    assert list(parsed.blocks) == blocks


#: Names and types that say something else, or nothing; what the file is.
LIES: dict[str, tuple[str, bytes, str, str]] = {
    "pdf-as-text": ("a.txt", pdf(["hello"]), "text/plain", "pdf"),
    "docx-as-pdf": ("a.pdf", offices.docx(), "application/pdf", "docx"),
    "xlsx-as-docx": ("a.docx", offices.xlsx(), "", "xlsx"),
    "html-as-markdown": ("a.md", b"\n <!DOCTYPE HTML><p>x", "text/markdown", "html"),
    "text-as-pdf": ("a.pdf", b"just words", "application/pdf", "text"),
    "text-as-image": ("a.png", b"just words", "image/png", "text"),
    "type-without-name": ("blob", b"# x", "text/markdown; charset=utf-8", "markdown"),
    "csv-by-type": ("export", b"a,b\n1,2", "text/csv", "csv"),
    "name-before-type": ("a.md", b"# x", "application/octet-stream", "markdown"),
    "text-about-pdf": ("a.txt", b"A PDF begins with %PDF-1.7", "", "text"),
    "text-about-images": ("a.txt", b"GIF89a and ID3 are marks", "", "text"),
    "pdf-after-a-mail": ("a.pdf", b"From: somebody\r\n\r\n" + pdf(["hello"]), "", "pdf"),
    "macros": ("a.docm", offices.macros(), "", "docx"),
}


@pytest.mark.parametrize("case", LIES)
def test_the_content_decides_what_a_file_is(case: str) -> None:
    """A name or type that lies costs nothing; among texts it is the name that tells."""
    name, data, media_type, kind = LIES[case]
    assert parse(name, data, media_type).kind == kind


RUSSIAN = "Съешь же ещё этих мягких французских булок, да выпей чаю. Цена 1500 рублей."
UKRAINIAN = "Ґанок, їжак і єнот: жебракують філософи при ґанку церкви в Гадячі."
WESTERN = "Le café est très bon, déjà vu; für alle Gäste, señor."


@pytest.mark.parametrize(
    ("text", "encoding"),
    [(text, encoding) for text in (RUSSIAN, RUSSIAN.upper()) for encoding in ("cp1251", "koi8-r", "cp866")]
    + [(UKRAINIAN, "cp1251"), (UKRAINIAN, "koi8-u"), (WESTERN, "cp1252"), ("Привет", "cp1251"), ("Привіт", "koi8-u")],
)
def test_cyrillic_and_western_texts_are_read_in_their_encoding(text: str, encoding: str) -> None:
    """Files of old programs keep their letters."""
    assert parse("a.txt", text.encode(encoding)).blocks == (Paragraph(text),)


def test_a_damaged_utf_8_text_keeps_its_other_letters() -> None:
    """One bad byte does not turn a text into another alphabet; a cut one loses its last letter only."""
    data = RUSSIAN.encode()
    assert parse("a.txt", data + b"\xff" + data).blocks == (Paragraph(f"{RUSSIAN}�{RUSSIAN}"),)
    assert parse("a.txt", "Привет".encode()[:-1]).blocks == (Paragraph("Приве"),)
