"""Case folding against `str.casefold`, for the characters that this Python knows."""

import unicodedata

from corpus.text import folding, unicode


def test_every_character_folds_as_str_casefold():
    found = folding.folding()
    one, several = found.one(), found.several()
    for code_point in range(unicode.CODE_POINTS):
        if 0xD800 <= code_point < 0xE000 or unicodedata.category(chr(code_point)) == "Cn":
            continue
        parts = found.parts[found.begins[code_point] : found.begins[code_point + 1]].tolist() or [code_point]
        assert "".join(map(chr, parts)) == chr(code_point).casefold()
        assert len(parts) <= folding.LONGEST and several[code_point] == (len(parts) > 1)
        assert several[code_point] or [one[code_point]] == parts
    assert several.sum() == 104 and one[0x1E9E] == 0x1E9E
