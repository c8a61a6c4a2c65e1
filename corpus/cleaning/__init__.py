"""Filters: they clean documents or drop them, row by row. A filter is one file.

A filter is a `corpus.step.Filter`. Its `apply(batch) -> Outcome` is pure: row order is
kept, other columns are carried along, and nothing depends on batch size, time or worker.
Kernels live in `corpus.text` where more than one filter wants them, else in the filter's
file. To add a filter, copy `length.py`, the shortest one.
"""
