"""Functions that tests name as filters of a user's own."""

import pyarrow.compute as pc


def has_space(text):
    return " " in text


def have_space(column):
    return pc.match_substring(column, " ").to_numpy(zero_copy_only=False)


def count(text, letter):
    return text.count(letter)


def words(text):
    return text.split()[0]

