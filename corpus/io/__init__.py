"""Where documents come from and go: paths on any pyarrow filesystem, readers, HTML extraction.

Start with `readers.read`. May import `corpus.documents` and `corpus.closure` only."""
