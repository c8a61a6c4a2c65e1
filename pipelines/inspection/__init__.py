"""Looking at runs, a file a verb: `describe` what is there, `verify` that it is whole, `explain` what became of a
document, `trace` what a recipe does to one, `clean_work`. `lookup` finds documents, `places` are where in a text rules
found something."""
