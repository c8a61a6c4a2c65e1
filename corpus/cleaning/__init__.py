"""Row-wise stages that clean documents or drop them. A filter is one file.

A stage is a frozen dataclass whose fields are its configuration. It has a `name`, the
`rules` it may report, and `apply(batch) -> documents.Outcome`, which is pure: row order is
kept, other columns are carried along, and nothing depends on batch size, time or worker.
Kernels live in `corpus.text` where more than one filter wants them, else in the filter's
file. To add a filter, copy `length.py`, the shortest one.
"""
