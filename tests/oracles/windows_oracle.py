"""Repeated substrings by the definition, with a dictionary of windows, and where cuts may begin and end."""


def repeated_ranges(documents, min_bytes):
    """[(document, start, end, first document)] of a list of byte strings: a window repeats if it starts at or after
    the end of its first occurrence."""
    first, ranges, base = {}, [], 0
    for number, document in enumerate(documents):
        for start in range(len(document) - min_bytes + 1):
            window = document[start : start + min_bytes]
            position, holder = first.setdefault(window, (base + start, number))
            if base + start < position + min_bytes:
                continue
            if ranges and ranges[-1][0] == number and start <= ranges[-1][2]:
                ranges[-1][2] = start + min_bytes
            else:
                ranges.append([number, start, start + min_bytes, holder])
        base += len(document)
    return [tuple(r) for r in ranges]


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
    return (
        to == "character"
        or before[-1].isspace()
        or before[-1] in "、。〃〈〉《》「」『』【】〔〕〖〗〘〙〚〛！（），．：；？｡｢｣､"
    )


def snapped(value, start, end, to):
    """(start, end) of the outermost boundaries within a range; None if nothing is between them."""
    inside = [p for p in range(start, end + 1) if is_boundary(value, p, to)]
    return (inside[0], inside[-1]) if inside and inside[0] < inside[-1] else None
