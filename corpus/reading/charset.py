"""From the bytes of a page to its text: which character encoding is it in?"""

from __future__ import annotations

import codecs
import re

from resiliparse.parse.encoding import detect_encoding, map_encoding_to_html5

_BYTE_ORDER_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_DECLARATION = re.compile(
    rb"""<meta\s[^>]{0,200}?charset\s*=\s*["']?\s*([\w.:-]+)|<\?xml\s[^>]{0,100}?encoding\s*=\s*["']([\w.:-]+)""",
    re.IGNORECASE,
)
_DECLARATION_WITHIN = 4096
"""Bytes searched for a declaration. The HTML standard asks for 1024; crawls have later ones."""


def decode(data: bytes, declared: str | None = None, markup: bool = True) -> str:
    """Text of a page in any encoding; never fails, and never loses a page to a wrong label.

    A byte order mark decides. Bytes that are valid UTF-8, or nearly, are UTF-8 whatever their
    label says: text in another encoding does not pass for it by accident. Then the label is
    tried: `declared` (the HTTP header's), and the page's own <meta> or XML declaration if
    `markup`; then what uchardet detects. If the bytes fit none of them, those that do not fit
    the first become U+FFFD.

    >>> from corpus.reading import charset
    >>> charset.decode(b"gr\\xfcn", declared="iso-8859-1"), charset.decode("grün".encode(), declared="iso-8859-1")
    ('grün', 'grün')
    """
    if b"\x1b" not in data:  # as in nearly all; with it, 7-bit ISO-2022-JP would pass for UTF-8
        try:
            return data.decode().removeprefix("\ufeff")
        except UnicodeDecodeError:
            pass
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    labels = (declared, _own(data) if markup else None)
    encodings = [known for label in labels if (known := _known(label, data))]
    if "iso2022_jp" not in encodings:  # 7-bit, so that any such page is valid UTF-8
        if (text := _utf8(data)) is not None:
            return text
    encodings.append(detect_encoding(data) or "utf-8")  # it always finds one
    for encoding in encodings:
        try:
            return data.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            pass
    return data.decode(encodings[0], "replace")


def _own(data: bytes) -> str | None:
    match = _DECLARATION.search(data, 0, _DECLARATION_WITHIN)
    return (match[1] or match[2]).decode() if match else None


def _known(name: str | None, data: bytes) -> str | None:
    """Python's name of an encoding label by the WHATWG table (so that latin-1 is cp1252)."""
    encoding = map_encoding_to_html5(name, fallback_utf8=False) if name else None
    if encoding and encoding.startswith("utf-16") and b"\0" not in data[:1024]:
        return None  # a label that can be read as ASCII is wrong, and any bytes would fit
    return encoding


def _utf8(data: bytes) -> str | None:
    """The text if `data` is UTF-8 but for at most one error in ten characters beyond ASCII."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        text = data.decode("utf-8", "replace")
        errors = text.count("\ufffd")
        beyond_ascii = len(text) - len(text.encode("ascii", "ignore"))
        return text if errors * 10 <= beyond_ascii else None
