"""Keeping evaluation sets out of the training text.

    words           what a text is to this package: a sequence of normalised words, and their hashes
    index           the word n-grams of the items of evaluation files
    scanner         one pass over documents: where they hold n-grams of items
    decontaminate   from those matches to decisions about documents
    contaminated    the matches, for people with a table at hand

Start with `decontaminate.Decontaminate`, which puts them together. A paraphrase or a
translation of an item shares no n-gram with it and is found by nothing here.
"""
