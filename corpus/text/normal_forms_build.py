"""Makes `normal_forms_16_0.npz`, the file behind `corpus.text.normal_forms`; not used at run time.

pip install unicodedata2==16.0.0
python -m corpus.text.normal_forms_build
"""

from __future__ import annotations

import pathlib

import numpy as np

from corpus.text import normal_forms, unicode


def main() -> None:
    """Write the table beside this file, from the properties that unicodedata2 has."""
    import unicodedata2

    if unicodedata2.unidata_version != unicode.UNICODE_VERSION:
        raise SystemExit(f"unicodedata2 is version {unicodedata2.unidata_version}")
    hangul = range(normal_forms.SYLLABLE, normal_forms.SYLLABLE + normal_forms.SYLLABLES)
    classes = np.zeros(unicode.CODE_POINTS, np.uint8)
    changed: list[int] = []
    lengths: list[int] = []
    parts: list[int] = []
    pairs: list[list[int]] = []
    for code_point in range(unicode.CODE_POINTS):
        character = chr(code_point)
        classes[code_point] = unicodedata2.combining(character)
        if 0xD800 <= code_point < 0xE000 or code_point in hangul:
            continue
        whole = unicodedata2.normalize("NFD", character)
        if whole != character:
            changed.append(code_point)
            lengths.append(len(whole))
            parts += map(ord, whole)
        one_step = unicodedata2.decomposition(character).split()
        if whole != character and len(one_step) == 2 and unicodedata2.normalize("NFC", character) == character:
            pairs.append([*(int(part, 16) for part in one_step), code_point])
    marked = np.flatnonzero(classes)
    np.savez_compressed(
        pathlib.Path(__file__).with_name("normal_forms_16_0.npz"),
        marked=marked.astype(np.int32),
        classes=classes[marked],
        changed=np.array(changed, np.int32),
        lengths=np.array(lengths, np.int32),
        parts=np.array(parts, np.int32),
        pairs=np.array(sorted(pairs), np.int32),
    )


if __name__ == "__main__":
    main()
