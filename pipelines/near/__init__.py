"""Near-duplicates of a corpus in shards: what a run of `corpus.dedup.near` does as maps. Start with
`pipelines.steps.near_dedup`, which says in which order.

`candidates`: signatures and what shares a bucket. `sidecars`: the shingles of documents, between maps. `verification`:
what is alike. `clustering`: what goes. `known`: documents that come before all of a run's and stay, `index`: where they
are kept, and `index_changes` how they come there and go. `overlap`: how much of a corpus is in another one. `tables`:
who is in which cluster, for people; `matrices`: whose documents go because of whose. `differences`: what of two texts
differs, which is no map. Imports `corpus` and `pipelines.maps`; no step.
"""
