"""Where cuts may begin and end, by the definition."""

import unicodedata


def is_boundary(value, position, to):
    """Whether a text, as UTF-8, may be cut there."""
    if position in (0, len(value)):
        return True
    if to == "line":
        return value[position - 1 : position] == b"\n"
    if 0x80 <= value[position] < 0xC0:
        return False
    before = value[:position].decode()
    if to == "sentence":  # where a line or a sentence begins; texts here end sentences with ". " and a capital
        lines = before.split("\n")
        return not lines[-1].strip() and before.endswith("\n") or lines[-1].endswith(". ")
    if to == "word" and unicodedata.category(value[position:].decode()[0]).startswith("M"):
        return False
    return (
        to == "character"
        or before[-1].isspace()
        or before[-1] in "、。〃〈〉《》「」『』【】〔〕〖〗〘〙〚〛！（），．：；？｡｢｣､"
    )


def snapped(value, start, end, to):
    """(start, end) of the outermost boundaries within a range; None if nothing is between them."""
    inside = [p for p in range(start, end + 1) if is_boundary(value, p, to)]
    return (inside[0], inside[-1]) if inside and inside[0] < inside[-1] else None
