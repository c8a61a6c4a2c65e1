"""Contamination of a corpus in shards: the scan of each group of shards, how many documents have which gram, the table
of all passages with what is done to documents, and what that says of the evaluation items.

`spans` makes the table, `verdicts` what is said of items; `scores` joins that with what a model has answered.
"""
