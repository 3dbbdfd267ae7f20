"""PDF files written by hand: text in any script needs no font file, only a map from its bytes to Unicode."""

from __future__ import annotations

from collections.abc import Sequence


def pdf(
    pages: Sequence[str],
    title: str = "",
    outline: Sequence[tuple[str, int]] = (),
    drawing: bool = False,
    copies: int = 1,
    encrypt: bool = False,
) -> bytes:
    """A PDF of the pages' lines. `outline`: titles with their pages from 1; `drawing`: a rectangle on each page and no
    text; `copies`: the page tree has each page so often."""
    letters = sorted({letter for page in pages for letter in page if letter != "\n"})
    codes = {letter: number for number, letter in enumerate(letters, start=1)}
    objects: list[bytes] = [b""] * 4  # the catalogue, the pages, the font, its map
    kids = []
    for page in pages:
        stream = b"0 0 100 100 re f" if drawing else _shown(page, codes)
        objects.append(_stream(stream))
        objects.append(
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Resources<</Font<</F 3 0 R>>>>/Contents %d 0 R>>"
            % len(objects)
        )
        kids += [b"%d 0 R" % len(objects)] * copies
    objects[0] = b"<</Type/Catalog/Pages 2 0 R%s>>"
    objects[1] = b"<</Type/Pages/Count %d/Kids[%s]>>" % (len(kids), b" ".join(kids))
    widths = b" ".join([b"600"] * (len(letters) + 1))
    objects[2] = b"<</Type/Font/Subtype/Type1/BaseFont/Courier/FirstChar 0/LastChar %d/Widths[%s]/ToUnicode 4 0 R>>" % (
        len(letters),
        widths,
    )
    objects[3] = _stream(_map(codes))
    extra = b""
    if outline:
        first = len(objects) + 2
        extra = b"/Outlines %d 0 R" % (first - 1)
        last = first + len(outline) - 1
        objects.append(b"<</Type/Outlines/First %d 0 R/Last %d 0 R/Count %d>>" % (first, last, len(outline)))
        for number, (words, page) in enumerate(outline, start=first):
            after = b"/Next %d 0 R" % (number + 1) if number < last else b""
            objects.append(
                b"<</Title%s/Parent %d 0 R%s/Dest[%s/Fit]>>" % (_hex(words), first - 1, after, kids[page - 1])
            )
    objects[0] %= extra
    trailer = b"/Root 1 0 R"
    if title:
        objects.append(b"<</Title%s>>" % _hex(title))
        trailer += b"/Info %d 0 R" % len(objects)
    if encrypt:
        # The hashes fit no password.
        objects.append(b"<</Filter/Standard/V 2/R 3/Length 128/P -44/O<%s>/U<%s>>>" % (b"11" * 32, b"22" * 32))
        trailer += b"/Encrypt %d 0 R/ID[<00><00>]" % len(objects)
    return _file(objects, trailer)


def _shown(page: str, codes: dict[str, int]) -> bytes:
    rows = [b"<%s> Tj T*" % bytes(codes[letter] for letter in row).hex().encode() for row in page.split("\n")]
    return b"BT /F 10 Tf 12 TL 50 740 Td %s ET" % b" ".join(rows)


def _map(codes: dict[str, int]) -> bytes:
    rows = [f"<{code:02x}> <{letter.encode('utf-16-be').hex()}>" for letter, code in codes.items()]
    parts = [rows[start : start + 100] for start in range(0, len(rows), 100)]
    body = "\n".join(f"{len(part)} beginbfchar\n" + "\n".join(part) + "\nendbfchar" for part in parts)
    return (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /M def /CMapType 2 def\n"
        f"1 begincodespacerange <00> <ff> endcodespacerange\n{body}\nendcmap end end"
    ).encode()


def _hex(words: str) -> bytes:
    return b"<feff%s>" % words.encode("utf-16-be").hex().encode()


def _stream(data: bytes) -> bytes:
    return b"<</Length %d>>\nstream\n%s\nendstream" % (len(data), data)


def _file(objects: list[bytes], trailer: bytes) -> bytes:
    out, places = bytearray(b"%PDF-1.7\n"), []
    for number, content in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    return bytes(out + b"trailer\n<</Size %d%s>>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, trailer, start))
