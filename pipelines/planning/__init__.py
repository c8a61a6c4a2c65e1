"""`winnow plan-tokens`: how many tokens a model wants, what that costs, how often the tokens at hand are read for it.
`laws` is the arithmetic, a published law each; `plan` applies it and says it. Nothing of it needs a run."""
