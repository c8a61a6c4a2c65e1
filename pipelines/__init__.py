"""Running recipes: typed recipes, the engine (Ray or in-process), the steps, reports, command line.

Start with `run.py`, which turns a recipe into passes; `engine/` has the one verb they share.
The engine knows nothing about text, and no stage or step knows about Ray."""
