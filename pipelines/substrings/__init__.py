"""Repeated passages of a corpus in shards, as maps. Start with `pipelines.steps.substring_dedup`, which says in which
order.

`windows`: the runs of repeated windows, found by their least hashes: chains by group, keys that stand twice, the
units of their chains, equal windows. `runs`: the runs of each group in order, whichever method has found them.
`keeping`: what is cut. Imports `corpus` and `pipelines.maps`; no step.
"""
