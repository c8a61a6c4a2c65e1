"""From files to documents, a module a format: warc and web_pages, jsonl, parquet, text files.

Start with `readers.read`. Below the formats are `streams` (bounded decompression), `http`, `charset`, `html` (a child
process that extracts text) and `parquet_footer`; `records` gathers what is read into batches. May import `corpus.io`,
`corpus.documents`, `corpus.options` and `corpus.closure`."""
