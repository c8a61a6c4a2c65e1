"""Looking at runs: in `explain`, what is there, what is wrong, what became of a document; `places` are where in a text
rules found something."""
