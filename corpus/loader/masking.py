"""Which tokens of a row are masked, and what stands in their place: BERT's, RoBERTa's and ALBERT's rules as one kernel.

BERT (google-research/bert, create_pretraining_data.py): of a row of n tokens max(1, round(0.15 n)) are taken, round
half to even, at most `most`, from its tokens that are not special in an order drawn at random; with whole words a word
that would exceed the budget is passed over. RoBERTa (fairseq, mask_tokens_dataset.py): floor(0.15 n + u), u uniform in
[0, 1), of all tokens, special ones too. ALBERT (google-research/albert): runs of 1 to `ngrams` words, n of them with a
probability in proportion to 1/n, fewer where the budget has no room. What is taken becomes the mask token, a random one
or stays, each token by a draw of its own.
"""

from __future__ import annotations

import numba
import numpy as np

from corpus.tokens import philox

_HALF = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)


@numba.njit(cache=True, nogil=True)
def budget(state, length, share, rounded, most):
    """How many of `length` tokens are masked: at least 1, and `most` at most, where that is not 0."""
    if rounded:
        count = np.int64(np.round(length * share))  # half to even, as Python rounds
    else:
        count = np.int64(length * share + philox.uniform(state))
    count = max(1, count)
    return min(count, most) if most > 0 else count


@numba.njit(cache=True, nogil=True, inline="always")
def replace(state, tokens, labels, row, place, low, masked_below, random_below, mask, pool):
    """Make a token a label: `low` (of 2^32) says what becomes of it."""
    labels[row, place] = tokens[row, place]
    if low < masked_below:
        tokens[row, place] = mask
    elif low < random_below:
        tokens[row, place] = pool[philox.below(state, len(pool))]


@numba.njit(cache=True, nogil=True)
def _find(tokens, length, eligible, places):
    """How many of the first `length` tokens of a row may be taken, and their `places` (int32[L])."""
    if len(eligible) == 0:
        for place in range(length):
            places[place] = place
        return length
    found = 0
    for place in range(length):
        places[found] = place
        found += eligible[tokens[place]]
    return found


@numba.njit(cache=True, nogil=True)
def mask_tokens(
    tokens, lengths, keys, eligible, pool, mask, share, rounded, most, masked_below, random_below, labels
):  # fmt: skip
    """Mask single tokens of the rows `tokens` [B, L], of `lengths` (int64[B]), in place; `labels` [B, L] get what they
    were. `eligible` (bool[V]; [0]: all are) says which may be taken, `pool` (int64) holds those that may be put there;
    `masked_below` and `random_below` are bounds (of 2^32) of a draw."""
    state = philox.state()
    places = np.empty(tokens.shape[1], np.int32)
    for row in range(len(lengths)):
        length = lengths[row]
        if length == 0:
            continue
        philox.seat(state, keys[row], philox.MASKING)
        found = _find(tokens[row], length, eligible, places)
        count = min(found, budget(state, length, share, rounded, most))
        for k in range(count):
            drawn = philox.word(state)
            other = k + np.int64(((drawn >> _HALF) * np.uint64(found - k)) >> _HALF)
            place = places[other]
            places[other] = places[k]
            replace(state, tokens, labels, row, place, drawn & _LOW, masked_below, random_below, mask, pool)
        if count == 0:  # special tokens alone: the first is a label, and stays
            labels[row, 0] = tokens[row, 0]


@numba.njit(cache=True, nogil=True)
def find_words(tokens, row, length, eligible, starts, places, firsts):
    """(eligible tokens, words) of a row: their `places` (int32), and in `firsts` (int32[words + 1]) which of these each
    word begins with. A word begins with a token that says so, and behind one that is not eligible."""
    found, words = 0, 0
    before = False
    for place in range(length):
        token = tokens[row, place]
        here = len(eligible) == 0 or eligible[token]
        if here:
            if not before or starts[token]:
                firsts[words] = found
                words += 1
            places[found] = place
            found += 1
        before = here
    firsts[words] = found
    return found, words


@numba.njit(cache=True, nogil=True)
def mask_words(
    tokens, lengths, keys, eligible, starts, ngrams, pool, mask, share, rounded, most, masked_below, random_below,
    labels
):  # fmt: skip
    """As `mask_tokens`, whole words that begin where `starts` (bool[V]) says, up to `ngrams` that follow each other."""
    state = philox.state()
    longest = tokens.shape[1]
    places = np.empty(longest, np.int32)
    firsts = np.empty(longest + 1, np.int32)
    order = np.empty(longest, np.int32)
    covered = np.empty(longest, np.bool_)
    odds = 1.0 / np.arange(1, ngrams + 1)
    for row in range(len(lengths)):
        length = lengths[row]
        if length == 0:
            continue
        philox.seat(state, keys[row], philox.MASKING)
        found, words = find_words(tokens, row, length, eligible, starts, places, firsts)
        count = min(found, budget(state, length, share, rounded, most))
        for word in range(words):
            order[word] = word
            covered[word] = False
        masked, k = 0, 0
        while masked < count and k < words:
            other = k + philox.below(state, words - k)
            word = order[other]
            order[other] = order[k]
            k += 1
            run = min(ngrams, words - word)
            if ngrams > 1:
                run = draw_length(state, odds, run)
            while run > 0 and masked + firsts[word + run] - firsts[word] > count:
                run -= 1
            free = run > 0
            for each in range(word, word + run):
                free = free and not covered[each]
            if not free:
                continue
            for each in range(word, word + run):
                covered[each] = True
            for each in range(firsts[word], firsts[word + run]):
                low = philox.word(state) & _LOW
                replace(state, tokens, labels, row, places[each], low, masked_below, random_below, mask, pool)
            masked += firsts[word + run] - firsts[word]
        if masked == 0:  # special tokens, or words that are longer than the budget: one is a label, and stays
            first = places[0] if found else 0
            labels[row, first] = tokens[row, first]


@numba.njit(cache=True, nogil=True)
def draw_length(state, odds, most):
    """A number from 1 to `most`, n with a probability in proportion to odds[n - 1]."""
    left = philox.uniform(state) * odds[:most].sum()
    drawn = 1
    while drawn < most and left >= odds[drawn - 1]:
        left -= odds[drawn - 1]
        drawn += 1
    return drawn


def bounds(mask_share: float, random_share: float) -> tuple[np.uint64, np.uint64]:
    """Of 2^32: a draw below the first makes a token the mask, one below the second a random one."""
    whole = 1 << 32
    masked = round(mask_share * whole)
    return np.uint64(masked), np.uint64(min(whole, masked + round(random_share * whole)))


@numba.njit(cache=True, nogil=True)
def draw_with_replacement(tokens, lengths, keys, eligible, mask, share, most, masked_below, labels):
    """As `mask_tokens` by ELECTRA's rule: places are drawn with replacement, each draw puts the mask or nothing."""
    state = philox.state()
    places = np.empty(tokens.shape[1], np.int32)
    for row in range(len(lengths)):
        length = lengths[row]
        if length == 0:
            continue
        philox.seat(state, keys[row], philox.MASKING)
        found = _find(tokens[row], length, eligible, places)
        if found == 0:
            labels[row, 0] = tokens[row, 0]
            continue
        for _ in range(budget(state, length, share, True, most)):
            drawn = philox.word(state)
            place = places[np.int64(((drawn >> _HALF) * np.uint64(found)) >> _HALF)]
            if labels[row, place] < 0:
                labels[row, place] = tokens[row, place]
            if drawn & _LOW < masked_below:
                tokens[row, place] = mask


@numba.njit(cache=True, nogil=True)
def mask_spans(
    tokens, lengths, keys, eligible, starts, odds, other, other_lengths, pool, mask, share, masked_below, random_below,
    labels, left, right,
):  # fmt: skip
    """SpanBERT's masks (facebookresearch/SpanBERT, pretraining/fairseq/data/masking.py), in place: until ceil(share n)
    of the n tokens that may be are masked, a token that is not is drawn, and from the beginning of its word on so many
    words are masked as a draw of `odds` says (float64, of 1, 2, .. words), the last of them cut where there are enough.
    Spans that touch are one. Of each one draw says what all its tokens become; random ones are those at random places
    of row r of `other` [B, M] (`other_lengths`; where that is special, one of `pool`). `left` and `right` (int32[B, L],
    -1 before) get of each masked token the places of the tokens before its span and behind it, where both are there.
    """
    state = philox.state()
    longest = tokens.shape[1]
    places, word_of = np.empty(longest, np.int32), np.empty(longest, np.int32)
    firsts = np.empty(longest + 1, np.int32)
    masked = np.zeros(longest, np.bool_)
    for row in range(len(lengths)):
        length = lengths[row]
        if length == 0:
            continue
        philox.seat(state, keys[row], philox.MASKING)
        found, words = find_words(tokens, row, length, eligible, starts, places, firsts)
        if found == 0:
            labels[row, 0] = tokens[row, 0]
            continue
        for word in range(words):
            word_of[firsts[word] : firsts[word + 1]] = word
        count, done = max(1, np.int64(np.ceil(found * share))), 0
        while done < count:
            anchor = philox.below(state, found)
            run = draw_length(state, odds, len(odds))
            if masked[places[anchor]]:
                continue
            word = word_of[anchor]
            at, until = firsts[word], firsts[min(words, word + run)]
            while at < until and done < count and (at == firsts[word] or places[at] == places[at - 1] + 1):
                done += not masked[places[at]]
                masked[places[at]] = True
                at += 1
        _replace_spans(
            state, tokens, labels, left, right, row, length, masked, eligible, other, other_lengths[row], pool, mask,
            masked_below, random_below,
        )  # fmt: skip
        masked[:length] = False


@numba.njit(cache=True, nogil=True)
def _replace_spans(
    state, tokens, labels, left, right, row, length, masked, eligible, other, size, pool, mask, masked_below,
    random_below,
):  # fmt: skip
    first = 0
    while first < length:
        if not masked[first]:
            first += 1
            continue
        end = first
        while end < length and masked[end]:
            end += 1
        low = philox.word(state) & _LOW
        about = first > 0 and end < length and eligible[tokens[row, first - 1]] and eligible[tokens[row, end]]
        for place in range(first, end):
            labels[row, place] = tokens[row, place]
            if low < masked_below:
                tokens[row, place] = mask
            elif low < random_below:
                token = other[row, philox.below(state, size)] if size else np.int64(-1)
                if size == 0 or not eligible[token]:
                    token = pool[philox.below(state, len(pool))]
                tokens[row, place] = token
            if about:
                left[row, place], right[row, place] = first - 1, end
        first = end
