"""Tokens: the encoder (encoder, bpe, pretokenize), token shards (megatron, manifest), packing plans (packing). The
loader imports megatron, manifest, packing and hashing, and nothing else of ours; so keep those light."""
