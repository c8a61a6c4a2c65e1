"""Which language a document is in.

`detect.Language` is the stage. `langdetect` (with its data, `profiles`) and `fasttext` are the two
identifiers, functions over a string column. May import `corpus.documents` and `corpus.text`.
"""
