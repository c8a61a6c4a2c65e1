"""What to train on."""

import pyarrow as pa

from tokenizer_training.configuration import TrainTokenizer, sampled


def test_sample_is_by_id_alone():
    ids = pa.array([f"document-{i}" for i in range(20000)])
    config = TrainTokenizer(sample_bytes=1000)
    chosen = sampled(ids, 4000, config)
    assert 4700 < chosen.sum() < 5300
    assert (sampled(ids[5000:], 4000, config) == chosen[5000:]).all()
    assert (sampled(ids, 4000, config, seed=1) != chosen).any()
    assert sampled(ids, 1000, config).all()
