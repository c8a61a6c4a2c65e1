"""What a trainer reads: token shards (megatron, manifest), packing plans (packing, sentence_packing), and what is
behind every random decision, a hash (mixing) and random numbers of a key (philox). The loader imports these and
`corpus.io`, and nothing else of ours; so keep them light."""
