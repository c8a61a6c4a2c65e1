"""Which language a document is in.

`detect.Language` is the stage. `langdetect` (with `langdetect_text` and its data, `profiles`) and `fasttext`
(with the files it reads, `fasttext_model`) are the two identifiers, over texts or, with `by_line`, their lines.
May import `corpus.documents` and `corpus.text`.
"""
