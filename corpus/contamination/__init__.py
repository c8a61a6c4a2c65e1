"""Keeping evaluation sets out of the training text.

    normalisations  what texts are compared by, by name
    words           a text as a sequence of normalised units, their hashes, and where they are in it
    items           evaluation items, from files of every kind (evaluation_files)
    index           the n-grams of items
    scanner         one pass over documents: the passages that they have in common with items
    decontaminate   from those matches to decisions about documents
    contaminated    the matches, for people with a table at hand

Start with `decontaminate.Decontaminate`, which puts them together. A paraphrase or a
translation of an item shares no n-gram with it and is found by nothing here.
"""
