"""XLNet: rows and targets by plain Python after data_utils.py, who sees whom against its _local_perm."""

import numpy as np
import pytest

from corpus.loader import TokenStream
from corpus.loader.objectives.xlnet import attention
from corpus.tokens.mixing import combine

from . import reference
from .conftest import CLS, END, PAD, SEP, starts

ODDS = [1 / n for n in range(1, 6)]


def sample_mask(draws, tokens, goal, alpha=6, beta=1):
    chosen, done, at = [False] * len(tokens), 0, 0
    while at < len(tokens) and done < goal:
        size = min(draws.length(ODDS), goal - done)
        context = size * alpha // beta
        left = draws.below(context)
        begin = at + left
        while begin < len(tokens) and not starts(tokens[begin]):
            begin += 1
        if begin + size >= len(tokens):
            break
        chosen[begin : begin + size] = [True] * size
        done, at = done + size, begin + size + context - left
    while done < goal:
        k = draws.below(len(tokens))
        done += not chosen[k]
        chosen[k] = True
    return chosen


def targets_and_ranks(halves, key, wanted, group, reuse, turn=1):
    draws, found, word = reference.Draws(key, reference.PERMUTATION), [], 0
    for half, tokens in enumerate(halves):
        goal = wanted // 2 if half else wanted - wanted // 2
        chosen = sample_mask(draws, tokens[::turn], min(goal, len(tokens)))[::turn]  # np.flip, as _sample_mask has it
        order, word = list(range(group)), 0
        for k in range(group - 1):
            word = word >> 32 if k % 2 else draws.word()
            other = k + ((word & 0xFFFFFFFF) * (group - k) >> 32)
            order[k], order[other] = order[other], order[k]
        for k, (token, target) in enumerate(zip(tokens, chosen)):
            functional = token in (SEP, CLS)
            rank = half * reuse + k // group * group + order[k % group] if target or functional else -1
            found.append((token if target and not functional else -100, rank))
    return found


def compose(tokens, following, elsewhere, key, segments, room, turn=1):
    """(the second half, segments of it, whether B is from elsewhere)."""
    if segments == 1:
        text = following[:room]
        return [*text, SEP, CLS], [0] * (len(text) + 1) + [2], False
    draws, a = reference.Draws(key, reference.SEGMENTS), min(room, len(following))
    cuts = [k for k in range(1, a) if following[k - (turn == 1)] in (13, END)]
    turned = not cuts or draws.uniform() < 0.5
    cut = cuts[draws.below(len(cuts))] if cuts else a
    if turned:
        size = min(max(1, room - cut), len(elsewhere))
        begin = draws.below(len(elsewhere) - size + 1)
        first, second = following[:cut], elsewhere[begin : begin + size]
    else:
        first, second = following[:cut], following[cut:a]
    while len(first) + len(second) > room:
        if len(first) > len(second):
            first = first[:-1]
        else:
            second = second[:-1]
    return [*first, SEP, *second, SEP, CLS], [0] * (len(first) + 1) + [1] * (len(second) + 1) + [2], turned


@pytest.mark.parametrize("segments", [1, 2])
@pytest.mark.parametrize("length, reuse, group", [(12, 6, 3), (64, 32, 32), (60, 20, 20), (40, 8, 4)])
@pytest.mark.parametrize("both", [False, True])
def test_rows_are_those_of_plain_python(samples_of, corpus, segments, length, reuse, group, both):
    _, stream, _ = corpus
    rows, samples = samples_of("xlnet", length, segments=segments, reuse=reuse, permutation=group, bidirectional=both)
    turns = []
    more = -(-(length - reuse) // reuse) * reuse
    for number, (row, (tokens, _, key)) in enumerate(zip(rows, samples, strict=True)):
        at = (number + 1) * reuse
        other = int(combine(np.uint64(key), np.uint64(1))) % len(samples) * reuse
        turn = -1 if both and int(combine(np.uint64(key), np.uint64(2))) % 2 else 1
        turns.append(turn)
        before = stream[max(0, at - reuse - more) : at - reuse]
        tokens, following = tokens[::turn], stream[at : at + more] if turn == 1 else before[::-1]
        second, parts, turned = compose(
            tokens, following, stream[other : other + more][::turn], key, segments, length - reuse - 1 - segments, turn
        )
        found = targets_and_ranks((tokens, second), key, length // 6, group, reuse, turn)
        labels, ranks = [list(each) for each in zip(*found)]
        if set(labels) == {-100}:
            labels[0], ranks[0] = tokens[0], max(ranks[0], 0)
        gap = [None] * (reuse - len(tokens))
        labels[len(tokens) : len(tokens)] = ranks[len(tokens) : len(tokens)] = gap

        def padded(values, padding):
            return [padding if v is None else v for v in values] + [padding] * (length - len(values))

        assert row["tokens"] == padded([*tokens, *gap, *second], PAD)
        assert row["segments"] == padded([0] * reuse + parts, 0)
        assert row["labels"] == padded(labels, -100) and row["ranks"] == padded(ranks, -2)
        if segments == 2:
            assert row["sentence_labels"] == turned
    assert not both or 0.3 < np.mean(np.array(turns) == -1) < 0.7


def local_perm(tokens, is_masked, index):
    """_local_perm of data_utils.py: its perm_mask, 1 where i must not see j."""
    functional = np.isin(tokens, (SEP, CLS))
    non_mask = ~is_masked & ~functional
    rev_index = np.where(non_mask, -1, index)
    targets = ~non_mask & ~functional
    own = np.where(targets, rev_index, rev_index + 1)
    return (own[:, None] <= rev_index[None, :]) & ~non_mask[None, :]


def test_attention_is_that_of_its_code(corpus):
    """Each half by _local_perm; the first never sees the second, the second all of the first."""
    folder, reuse = corpus[0], 16
    stream = TokenStream(folder, objective="xlnet", sequence_length=32, batch_size=2, segments=1)
    for _ in range(20):
        batch = next(stream)
        seen = attention(batch["ranks"], batch["labels"], reuse)
        for tokens, labels, ranks, sees in zip(batch["tokens"], batch["labels"], batch["ranks"], seen):
            if (ranks == -2).any():
                continue
            for half in (slice(0, reuse), slice(reuse, 32)):
                expected = ~local_perm(tokens[half], labels[half] != -100, ranks[half])
                assert np.array_equal(sees[half, half], expected)
            assert not sees[:reuse, reuse:].any() and sees[reuse:, :reuse].all()


def test_targets_are_a_sixth(corpus):
    stream = TokenStream(corpus[0], objective="xlnet", sequence_length=96, batch_size=1, segments=1)
    counts = [int((batch["labels"] != -100).sum()) for batch in stream]
    assert max(counts) == 16 and sum(counts) > 14 * len(counts) * 0.8


@pytest.mark.parametrize("both", [False, True])
def test_lanes(corpus, both):
    """What follows a row's first half is the first half of its lane's next row; an epoch has every token once, and of
    lanes both ways every other goes backwards, in the next epoch the others."""
    folder, tokens, _ = corpus
    shape = {"objective": "xlnet", "sequence_length": 32, "batch_size": 3, "lanes": 3, "segments": 1, "epochs": 2}
    stream = TokenStream(folder, bidirectional=both, **shape)
    found = [row[:16] for batch in stream for row, lane in zip(batch["tokens"], batch["lanes"]) if lane >= 0]
    ordered, ways = sorted(tokens), {}
    assert len(found) == 2 * stream.samples
    for epoch in (0, 1):
        part = found[epoch * stream.samples : (epoch + 1) * stream.samples]
        assert sorted(np.concatenate(part).tolist()) == sorted(ordered + [PAD] * (16 * len(part) - len(ordered)))
        for k, row in enumerate(part):
            if PAD in row:
                continue
            lane = (epoch * stream.samples + k) % 3
            backward = both and (lane + epoch) % 2 == 1
            row = row[::-1] if backward else row
            at = next(i for i in range(0, len(tokens), 16) if tokens[i : i + 16] == row.tolist())
            if (epoch, lane) in ways:
                assert at - ways[epoch, lane] == (-16 if backward else 16)
            ways[epoch, lane] = at
    stream = TokenStream(folder, bidirectional=both, **shape | {"epochs": 1})
    before, compared = next(stream), 0
    for batch in stream:
        for row in range(3):
            full = batch["lanes"][row] >= 0 and PAD not in batch["tokens"][row][:16]
            if full and not batch["starts"][row]:
                assert batch["tokens"][row][:14].tolist() == before["tokens"][row][16:30].tolist()
                compared += 1
        before = batch
    assert compared > 3 * 50


def test_refused(corpus):
    shape = {"objective": "xlnet", "sequence_length": 32, "batch_size": 1}
    for options, said in (
        ({"boundaries": "positions"}, "without boundaries"),
        ({"packing": "plan"}, "xlnet reads windows alone"),
        ({"permutation": 5}, "permutation 5 must divide the halves of a row, 16 and 16"),
        ({"reuse": 30}, "no room for 30 tokens"),
        ({"alpha": 0}, "alpha must be"),
        ({"bidirectional": 1}, "bidirectional must be true or false"),
    ):
        with pytest.raises(ValueError, match=said):
            TokenStream(corpus[0], **shape | options)
