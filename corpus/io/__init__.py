"""Bytes in storage: paths on any pyarrow filesystem, shards of documents, folders of partitions.

Start with `paths`. Imports nothing else of ours."""
