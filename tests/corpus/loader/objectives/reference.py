"""Plain Python after the papers' code, with NumPy's own Philox in place of their generators: what objectives make of
one sample, a list of tokens. Shares nothing with the kernels but the order in which numbers are drawn."""

import bisect
import math

import numpy as np

IGNORE = -100
SEGMENTS, MASKING, REPLACING, SPANS, MIDDLES, CORRUPTION, PERMUTATION = range(1, 8)


class Draws:
    """Numbers of a key and a purpose."""

    def __init__(self, key, purpose):
        self._bits = np.random.Philox(key=np.array([int(key), purpose], np.uint64))

    def word(self):
        return int(self._bits.random_raw())

    def below(self, limit):
        return self.word() * limit >> 64

    def uniform(self):
        return (self.word() >> 11) / 2**53

    def length(self, odds):
        """1, 2, .. in proportion to odds."""
        left = self.uniform() * float(np.asarray(odds).sum())
        for n, each in enumerate(odds[:-1], 1):
            if left < each:
                return n
            left -= each
        return len(odds)


def budget(draws, length, share, rule, most):
    count = round(length * share) if rule == "bert" else int(length * share + draws.uniform())
    count = max(1, count)
    return min(count, most) if most else count


class Masked:
    """A row in which tokens are replaced."""

    def __init__(self, tokens, pool, mask, mask_share, random_share):
        self.tokens, self.labels = list(tokens), [IGNORE] * len(tokens)
        self._pool, self._mask = pool, mask
        self._bounds = round(mask_share * 2**32), round(mask_share * 2**32) + round(random_share * 2**32)

    def replace(self, draws, place, low):
        self.labels[place] = self.tokens[place]
        if low < self._bounds[0]:
            self.tokens[place] = self._mask
        elif low < self._bounds[1]:
            self.tokens[place] = int(self._pool[draws.below(len(self._pool))])

    @property
    def row(self):
        return self.tokens, self.labels


def mask_tokens(tokens, key, eligible, pool, mask, share=0.15, rule="bert", most=0, shares=(0.8, 0.1)):
    draws, made = Draws(key, MASKING), Masked(tokens, pool, mask, *shares)
    places = [k for k, token in enumerate(tokens) if eligible(token)]
    count = min(len(places), budget(draws, len(tokens), share, rule, most))
    for k in range(count):
        word = draws.word()
        other = k + ((word >> 32) * (len(places) - k) >> 32)
        places[k], places[other] = places[other], places[k]
        made.replace(draws, places[k], word % 2**32)
    if not count:
        made.labels[0] = tokens[0]
    return made.row


def words_of(tokens, eligible, starts):
    words = []
    for k, token in enumerate(tokens):
        if not eligible(token):
            continue
        if words and words[-1][-1] == k - 1 and not starts(token):
            words[-1].append(k)
        else:
            words.append([k])
    return words


def mask_words(tokens, key, eligible, starts, pool, mask, ngrams=1, share=0.15, rule="bert", most=0, shares=(0.8, 0.1)):
    draws, made = Draws(key, MASKING), Masked(tokens, pool, mask, *shares)
    words = words_of(tokens, eligible, starts)
    count = min(sum(map(len, words)), budget(draws, len(tokens), share, rule, most))
    order, covered, masked = list(range(len(words))), set(), 0
    for k in range(len(words)):
        if masked >= count:
            break
        other = k + draws.below(len(words) - k)
        order[k], order[other] = order[other], order[k]
        word = order[k]
        run = min(ngrams, len(words) - word)
        if ngrams > 1:
            run = draws.length([1 / n for n in range(1, run + 1)])
        while run and masked + sum(map(len, words[word : word + run])) > count:
            run -= 1
        if not run or covered & set(range(word, word + run)):
            continue
        covered |= set(range(word, word + run))
        for place in [place for each in words[word : word + run] for place in each]:
            made.replace(draws, place, draws.word() % 2**32)
            masked += 1
    if not masked:
        first = words[0][0] if words else 0
        made.labels[first] = tokens[first]
    return made.row


def composition(draws, total, parts):
    """`total` in so many parts, by a set of cuts as Floyd draws one."""
    cuts = set()
    for last in range(total - parts, total - 1):
        place = draws.below(last + 1)
        cuts.add(last if place in cuts else place)
    ends = [*sorted(cut + 1 for cut in cuts), total]
    return [end - begin for begin, end in zip([0, *ends], ends)]


def noise_mask(draws, length, noise, spans, roll=False):
    """T5's random_spans_noise_mask, and random_roll."""
    taken, kept = composition(draws, noise, spans), composition(draws, length - noise, spans)
    mask = [value for k, n in zip(kept, taken) for value in [False] * k + [True] * n]
    shift = draws.below(length) if roll else 0
    return mask[length - shift :] + mask[: length - shift]


def span_corruption(tokens, mask, sentinels, end, first=()):
    """(inputs, targets): noise_span_to_unique_sentinel, nonnoise_span_to_unique_sentinel, and the end token."""
    inputs, targets, used = list(first), [], -1
    for k, (token, noisy) in enumerate(zip(tokens, mask)):
        if not noisy:
            inputs.append(token)
            continue
        if k == 0 or not mask[k - 1]:
            used += 1
            inputs.append(sentinels[used])
            targets.append(sentinels[used])
        targets.append(token)
    if not any(mask):
        targets.append(sentinels[0])
    return [*inputs, end], [*targets, end]


def fim(tokens, documents, key, end, special, rate=0.5, spm_rate=0.5, room=1):
    """Labels. `documents`: which document each token is of."""
    draws, (before, middle, after) = Draws(key, MIDDLES), special
    pieces = [[t for t, d in zip(tokens, documents) if d == each] for each in sorted(set(documents))]
    bodies = [piece[:-1] if piece[-1] == end else piece for piece in pieces]
    turned = [draws.uniform() < rate and len(body) > 0 for body in bodies]
    wanted = sum(turned)
    if wanted > room:
        for k, each in enumerate(turned):
            if each:
                turned[k] = draws.below(wanted) < room
                room, wanted = room - turned[k], wanted - 1
    labels = []
    for piece, body, turn in zip(pieces, bodies, turned):
        if not turn:
            labels += piece
            continue
        low, high = sorted(draws.below(len(body) + 1) for _ in range(2))
        prefix, inner, suffix = body[:low], body[low:high], body[high:]
        if draws.uniform() < spm_rate:
            labels += [before, after, *suffix, middle, *prefix, *inner]
        else:
            labels += [before, *prefix, after, *suffix, middle, *inner]
        labels += piece[len(body) :]
    return labels


def spanbert(tokens, key, eligible, starts, odds, other, pool, mask, share=0.15, shares=(0.8, 0.1)):
    """(tokens, labels, left, right), after PairWithSpanMaskingScheme."""
    draws, length = Draws(key, MASKING), len(tokens)
    words = words_of(tokens, eligible, starts)
    places = [place for word in words for place in word]
    left, right = [-1] * length, [-1] * length
    labels, made = [IGNORE] * length, list(tokens)
    if not places:
        labels[0] = tokens[0]
        return made, labels, left, right
    masked, goal = set(), max(1, math.ceil(len(places) * share))
    while len(masked) < goal:
        anchor = places[draws.below(len(places))]
        number = draws.length(odds)
        if anchor in masked:
            continue
        first = next(k for k, word in enumerate(words) if anchor in word)
        run = [place for word in words[first : first + number] for place in word]
        for k, place in enumerate(run):
            if len(masked) >= goal or (k and place != run[k - 1] + 1):
                break
            masked.add(place)
    place = 0
    while place < length:
        if place not in masked:
            place += 1
            continue
        end = place
        while end in masked:
            end += 1
        low = draws.word() % 2**32
        about = place > 0 and end < length and eligible(tokens[place - 1]) and eligible(tokens[end])
        for k in range(place, end):
            labels[k] = tokens[k]
            if low < round(shares[0] * 2**32):
                made[k] = mask
            elif low < round(shares[0] * 2**32) + round(shares[1] * 2**32):
                made[k] = other[draws.below(len(other))]
                if not eligible(made[k]):
                    made[k] = int(pool[draws.below(len(pool))])
            if about:
                left[k], right[k] = place - 1, end
        place = end
    return made, labels, left, right


def poisson_table(mean):
    """fairseq's, as its code makes it."""
    ps, power, factorial = [], 1, 1
    for k in range(128):
        ps.append(math.exp(-mean) * power / factorial)
        power, factorial = power * mean, factorial * (k + 1)
        if ps[-1] < 0.0000001:
            break
    return ps


def bart(tokens, key, frame, starts, stops, pool, mask, odds, width, replace, **shares):
    """Inputs, after DenoisingDataset.__getitem__; `tokens` with their frame."""
    draws = Draws(key, CORRUPTION)
    head, text, tail = (tokens[:1], tokens[1:-1], tokens[-1:]) if frame else ([], list(tokens), [])
    room = width - 2 * frame

    def token(chance):
        return int(pool[draws.below(len(pool))]) if chance else mask

    def chance():
        return shares["random_share"] > 0 and draws.uniform() < shares["random_share"]

    def insert(text, more):
        places, chosen = iter(text), set()
        for last in range(len(text), len(text) + more):
            place = draws.below(last + 1)
            chosen.add(last if place in chosen else place)
        return [token(chance()) if k in chosen else next(places) for k in range(len(text) + more)]

    if shares["permute_share"] and text:
        full = [stops(t) for t in text]
        full[-1] = True
        ends = [k + 1 for k in range(len(text)) if full[k] and not (k and stops(text[k - 1]))]
        sentences = [text[begin:end] for begin, end in zip([0, *ends], ends)]
        rest = text[ends[-1] :] if ends else text
        moved = min(len(sentences), math.ceil(len(sentences) * shares["permute_share"]))
        chosen = list(range(len(sentences)))
        for k in range(moved):
            at = k + draws.below(len(sentences) - k)
            chosen[k], chosen[at] = chosen[at], chosen[k]
        turned, order = chosen[:moved], list(range(len(sentences)))
        for k in range(moved):
            at = k + draws.below(moved - k)
            turned[k], turned[at] = turned[at], turned[k]
            order[chosen[k]] = turned[k]
        text = [t for k in order for t in sentences[k]] + rest
    if shares["mask_share"] and text:
        begins = [k for k, t in enumerate(text) if starts(t)]
        budget, lengths, inserts = math.ceil(len(begins) * shares["mask_share"]), [], 0
        words = len(begins)
        while sum(lengths) < budget:
            size = draws.length(odds) - 1 if len(odds) else 1
            size = min(size, budget - sum(lengths))
            lengths, inserts = (lengths + [size], inserts) if size else (lengths, inserts + 1)
        for k in range(len(lengths)):
            at = k + draws.below(words - k)
            begins[k], begins[at] = begins[at], begins[k]
        keep, random = [1] * len(text), [False] * len(text)
        for begin in begins[: len(lengths)]:
            keep[begin] = 0 if replace == "nothing" else 2
        for begin, size in zip(begins, lengths):
            drawn = random[begin] = chance()
            later = [k for k in range(begin + 1, len(text)) if starts(text[k])]
            end = later[size - 1] if len(later) >= size else len(text)
            for k in range(begin + 1, end):
                keep[k], random[k] = 2 if replace == "token" else 0, drawn
        text = [t if how == 1 else token(random[k]) for k, (t, how) in enumerate(zip(text, keep)) if how]
        inserts = min(inserts, room - len(text))
        if inserts > 0:
            text = insert(text, inserts)
    if shares["insert_share"]:
        text = insert(text, min(room - len(text), math.ceil((len(text) + 2 * frame) * shares["insert_share"])))
    if shares["rotate_share"] and draws.uniform() < shares["rotate_share"] and text:
        shift = draws.below(len(text) + frame) % len(text)
        text = text[shift:] + text[:shift]
    return [*head, *text, *tail]


def document_of(ends, position):
    return bisect.bisect_right(ends, position)
