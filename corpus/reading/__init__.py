"""From files to documents, a module a format, each with a `Reader`: web_pages (on warc), jsonl, parquet, delimited,
text_files.

Start with `readers`: `read_files` for files at hand, `split` and `read` for a run. `reader` says what a format is,
`formats` which there are, `read_options` how they are read. Below the formats are `streams` (bounded decompression),
`http`, `charset`, `html` (a child process that extracts text), `parquet_footer` and `rows` (of tables); `records`
gathers what is read into batches. `first_records` tells, before a run works, whether the text is where the options say.
May import `corpus.io`, `corpus.documents`, `corpus.options` and `corpus.closure`."""
