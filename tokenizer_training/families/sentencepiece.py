"""The two sentencepiece families (Kudo and Richardson 2018), trained by `sentencepiece`.

Input is tables of counts, given as its TSV form. For BPE that gives the model of the full text.
For Unigram the counts are of lines: from counts of single words the trainer would never seed a
word that always stands alone. The number of threads is fixed, because Unigram's sums depend on
it. Padding 0, end 1, unknown 2 as in T5; no begin token.
"""

from __future__ import annotations

import dataclasses
import functools
import io
import pathlib
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from corpus.encoding import exports, sentencepiece_model
from corpus.encoding.distinct_words import BLANK_FREE, LINES
from tokenizer_training.configuration import TrainTokenizer
from tokenizer_training.counts import count_words
from tokenizer_training.export import sentinel_tokens, write_json
from tokenizer_training.families.family import Family, Trained

MAX_LINE_BYTES = 4192
"""Longer ones are skipped by sentencepiece (`max_sentence_length`), so they are cut here."""
THREADS = 16
"""sentencepiece's default, on any machine."""
_RESERVED = ("\u2585", "\0")
"""sentencepiece skips lines that contain the first, and ends a sentence at the second."""


def count_lines(text: pa.Array, config: TrainTokenizer) -> pa.Table:
    """Lines: the seeds of Unigram need to see words side by side."""
    return count_words(text, LINES)


def count_runs(text: pa.Array, config: TrainTokenizer) -> pa.Table:
    """Runs of anything but blanks, across which BPE never joins."""
    return count_words(text, BLANK_FREE)


def train(counts: pa.Table, config: TrainTokenizer, folder: pathlib.Path, model_type: str) -> Trained:
    """Trains a model of sentencepiece's type `model_type`, writes sentencepiece.model, sentencepiece.vocab, and the
    tokenizer.json that says the same. Raises ValueError with sentencepiece's reason where it refuses."""
    import sentencepiece

    special = {token: i for i, token in enumerate(config.all_special_tokens())}
    figures = {"lines": 0, "lines_cut": 0, "lines_skipped": 0}
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=_lines(counts, figures),
            model_writer=model,
            input_format="tsv",
            model_type=model_type,
            vocab_size=config.vocab_size,
            character_coverage=config.character_coverage,
            byte_fallback=config.byte_fallback,
            max_sentence_length=MAX_LINE_BYTES,
            num_threads=THREADS,
            **_special_options(special, config),
            minloglevel=2,
        )
    except (RuntimeError, OSError) as error:
        raise ValueError(f"sentencepiece could not train {config.vocab_size} pieces: {error}") from error
    (folder / "sentencepiece.model").write_bytes(model.getvalue())
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    size = processor.get_piece_size()
    if any(processor.piece_to_id(token) != i for token, i in special.items()):
        raise ValueError(f"sentencepiece cannot give the special tokens {', '.join(special)} these ids, in this order")
    added = special | sentinel_tokens(size, config.sentinels)
    read = sentencepiece_model.read_model(model.getvalue())
    write_json(folder / "tokenizer.json", exports.of_model(read, added, *_about(config)))
    rows = (f"{processor.id_to_piece(i)}\t{processor.get_score(i):.6g}\n" for i in range(size))
    (folder / "sentencepiece.vocab").write_bytes("".join(rows).encode())
    return Trained(size, figures)


def _special_options(special: dict[str, int], config: TrainTokenizer) -> dict[str, Any]:
    """Options of the library: which special token is which, those that are none of the four being control symbols; and
    what else is as it is there unless the configuration says otherwise."""
    record = config.record()
    ending = "</s>" if "</s>" in special else record.end
    roles = {"pad": record.pad, "eos": ending, "unk": record.unknown, "bos": "<s>"}
    options: dict[str, Any] = {}
    for role, token in roles.items():
        options[f"{role}_id"] = special.get(token, -1)
        if token in special:
            options[f"{role}_piece"] = token
    options["control_symbols"] = [token for token in special if token not in roles.values()]
    if config.normalization:
        options["normalization_rule_name"] = config.normalization
    if config.split_digits:
        options["split_digits"] = True
    if not config.remove_extra_whitespaces:
        options["remove_extra_whitespaces"] = False
    return options


def _about(config: TrainTokenizer) -> tuple[str | None, str | None]:
    """What tokenizer.json puts before a text and after it: where nothing is said the end, as T5."""
    return config.before or None, config.after or (None if config.before else config.record().end)


def _lines(counts: pa.Table, figures: dict[str, int]) -> Iterator[str]:
    """`text <tab> count` lines; counts in `figures` what was cut and what was left out."""
    for batch in counts.to_batches(max_chunksize=1 << 14):
        for word, count in zip(*(column.to_pylist() for column in batch.columns)):
            word = word.replace("\t", " ")
            if any(character in word for character in _RESERVED):
                figures["lines_skipped"] += 1
                continue
            pieces = cut(word)
            figures["lines"] += 1
            figures["lines_cut"] += len(pieces) > 1
            for piece in pieces:
                yield f"{piece}\t{count}"


def cut(line: str, limit: int = MAX_LINE_BYTES) -> list[str]:
    """`line` in pieces of at most `limit` bytes of UTF-8 (at least 4): cut at the last space
    that serves, which is left out, or between characters where there is none."""
    data = line.encode()
    pieces = []
    start = 0
    while len(data) - start > limit:
        end = data.rfind(b" ", start + 1, start + limit + 1)
        after = end + 1
        if end < 0:
            end = start + limit
            while data[end] & 0xC0 == 0x80:
                end -= 1
            after = end
        pieces.append(data[start:end].decode())
        start = after
    return [*pieces, data[start:].decode()]


UNIGRAM = Family(
    name="sentencepiece-unigram",
    special_tokens=("<pad>", "</s>", "<unk>"),  # T5 (Raffel et al. 2020)
    end="</s>",
    pad="<pad>",
    unknown="<unk>",
    count=count_lines,
    train=functools.partial(train, model_type="unigram"),
    files=("sentencepiece.model", "sentencepiece.vocab", "tokenizer.json"),
    encoder="sentencepiece",
)
BPE = dataclasses.replace(
    UNIGRAM, name="sentencepiece-bpe", count=count_runs, train=functools.partial(train, model_type="bpe")
)
