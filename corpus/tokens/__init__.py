"""What a trainer reads: token shards (megatron, manifest), packing plans (packing), and the hash behind every random
decision (mixing). The loader imports these and `corpus.io`, and nothing else of ours; so keep them light."""
