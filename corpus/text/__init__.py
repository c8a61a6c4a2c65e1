"""Numba kernels over Arrow string columns, and the frozen Unicode tables they share.

Everything here works on UTF-8 bytes and offsets (`arrow.buffers`), knows nothing of
files, stages or recipes, and imports nothing else of ours.

    unicode     what a code point is, Unicode 16.0, frozen in the package
    normal_forms  NFC and NFD
    scripts     letters of scripts that are written without spaces
    arrow       a string column as (bytes, offsets), and back
    utf8        decoding one code point, forwards and backwards
    spans       lines, stripping and words, as Python's `str` methods see them
    search      finding ASCII words regardless of case, as `needle in text.lower()` does
    sentences   counting English sentences by rule
    punkt       the same by NLTK's model, where it is installed
    lowering    lower case of whole texts, as `str.lower`
    hashing     64-bit and 128-bit hashes of byte ranges and of lines
    select      a string column with some of its lines left out
    ranges      cutting byte ranges out of texts, at boundaries of characters, words or lines
    urls        what makes two URLs the same page

Start with `arrow.buffers` and `spans`.
"""
