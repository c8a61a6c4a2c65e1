"""Looking at runs: `describe` says what is there, `verify` what is wrong, `explain` what became of a document; `places` are
where in a text rules found something."""
