"""What every stage of the registry owes its users, whatever it does: rows in are rows out, row by row."""

import functools
import itertools
import pathlib
import tempfile

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.cleaning.bad_words import BadWords
from corpus.cleaning.byt5_noise import NOISES, ByT5Noise
from corpus.cleaning.c4 import C4
from corpus.cleaning.custom import FOLDER, Custom
from corpus.cleaning.domains import DomainFilter
from corpus.cleaning.fineweb import FineWeb
from corpus.cleaning.gopher_quality import GopherQuality
from corpus.cleaning.gopher_repetition import GopherRepetition
from corpus.cleaning.length import Length
from corpus.cleaning.mc4_paragraphs import ParagraphFilter
from corpus.cleaning.pii import PersonalData
from corpus.cleaning.refinedweb_lines import RefinedWebLines
from corpus.cleaning.repair import TextRepair
from corpus.cleaning.split import Split
from corpus.cleaning.url_filter import UrlFilter
from corpus.cleaning.url_removal import UrlRemoval
from corpus.cleaning.where import Where
from corpus.language.detect import Language
from pipelines.steps import STAGES

PROSE = "The cat that sat on the mat was here with me. It would have been better to be there! Was it?"
DEGENERATE = [
    "",
    " ",
    "\n",
    "\n\n\n",
    "a",
    "é",
    "𝒳",
    "\0",
    "{",
    "\u2028",
    "\ufeff",
    "\u0301",
    "\U0010ffff",
    "...",
    "\r\n \x0b\x0c\x1c\x85",
    "a" * 3000,
    "𝒳 " * 500,
    "same line again.\n" * 40,
    "same same " * 300,
    "12 34\n56",
    "https://example.com/a?b#c me@mail.example.org 8.8.8.8 ::1",
    "[1][edit][citation needed]",
    PROSE,
    PROSE + "\n" + PROSE[::-1] + "\n\n" + PROSE.upper(),
    "今日は世界。これは文です。\nПривет, мир! Как дела?\nمرحبا بالعالم",
]


@functools.cache
def lists() -> pathlib.Path:
    """A folder of lists for the stages that want one."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="winnow-lists-"))
    (folder / "en").write_text("cat\nbad word\n", encoding="utf-8")
    (folder / "domains.txt").write_text("example.com\nexample.net\n", encoding="utf-8")
    return folder


def configured() -> list:
    """Every stage with its defaults, and in its other modes."""
    domains, words = str(lists() / "domains.txt"), str(lists() / "en")
    stages = [
        BadWords(str(lists() / "en")),
        *(ByT5Noise(noise=noise) for noise in NOISES),
        C4(),
        Custom("custom_filters:longer_than"),
        DomainFilter(domains),
        FineWeb(),
        Language(),
        Language(keep=("en", "ja")),
        Language(unit="line"),
        Language(keep=("en",), unit="line", cut=True, min_probability=0.5),
        Length(min_words=2, max_characters=2000),
        ParagraphFilter(),
        ParagraphFilter(mode="tag"),
        PersonalData(kinds=("emails", "ips", "phones")),
        PersonalData(mode="tag"),
        RefinedWebLines(),
        Split(validation_every=2, keep="train"),
        TextRepair(),
        UrlFilter(domains=domains, hard_words=words, soft_words=words, subwords=words),
        UrlRemoval(max_newlines=2),
        Where("number > 3"),
    ]
    for preset, mode in itertools.product(("paper", "datatrove", "dclm"), ("drop", "tag")):
        stages += [GopherQuality(preset, mode), GopherRepetition(preset, mode)]
        stages += [FineWeb(preset, mode)] if preset != "dclm" else []
    return stages


def batch_of(texts, type=pa.string()):
    numbers = range(len(texts))
    return pa.record_batch(
        {
            "id": pa.array([f"d{i}" for i in numbers], pa.string()),
            "text": pa.array(texts, type),
            "url": pa.array(
                [f"https://www.example.{'com' if i % 2 else 'org'}/{i}" if i % 3 else None for i in numbers]
            ),
            "number": pa.array(numbers, pa.int64()),
        }
    )


def apply(stage, batch) -> tuple[list, list]:
    """(the kept rows, the dropped ones: (row, rule, value, threshold)), after what every outcome must hold."""
    outcome = stage.apply(batch)
    assert outcome.kept.num_rows + len(outcome.rows) == batch.num_rows
    assert len(outcome.rules) == len(outcome.values) == len(outcome.thresholds) == len(outcome.rows)
    assert set(outcome.rules) <= set(stage.rules)
    assert all(isinstance(value, str) for value in (*outcome.values, *outcome.thresholds))
    assert all(number > 0 for number in outcome.counters.values())
    rows = np.asarray(outcome.rows).tolist()
    assert rows == sorted(set(rows))
    dropped = {batch["id"][row].as_py() for row in rows}
    assert outcome.kept["id"].to_pylist() == [name for name in batch["id"].to_pylist() if name not in dropped]
    assert outcome.kept.schema.field("text").type == batch.schema.field("text").type
    outcome.kept.validate(full=True)  # UTF-8 is one of the things it looks at
    kept = [{name: repr(value) for name, value in row.items()} for row in outcome.kept.to_pylist()]  # NaN equals itself
    return kept, list(zip(rows, outcome.rules, outcome.values, outcome.thresholds))


def row_by_row(stage, batch) -> tuple[list, list]:
    kept, dropped = [], []
    for row in range(batch.num_rows):
        one_kept, one_dropped = apply(stage, batch.slice(row, 1))
        kept += one_kept
        dropped += [(row, *rest) for _, *rest in one_dropped]
    return kept, dropped


@pytest.fixture(scope="module", autouse=True)
def functions_beside_the_tests():
    """`custom` finds functions beside the recipe; here there is none."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(FOLDER, str(pathlib.Path(__file__).parents[1] / "oracles"))
        yield


stages = pytest.mark.parametrize("stage", configured(), ids=lambda stage: stage.name + getattr(stage, "preset", ""))


def test_every_stage_is_here():
    assert {type(stage) for stage in configured()} == set(STAGES)


@stages
def test_rows_do_not_know_of_each_other(stage):
    batch = batch_of(DEGENERATE)
    whole = apply(stage, batch)
    assert whole == row_by_row(stage, batch)
    assert whole == apply(stage, batch_of(DEGENERATE, pa.large_string()))
    assert whole == apply(stage, pa.concat_batches([batch, batch]).slice(len(DEGENERATE)))


@stages
def test_no_rows(stage):
    kept, dropped = apply(stage, batch_of([]))
    assert kept == [] and dropped == []


lines = st.lists(st.sampled_from([*DEGENERATE[:16], PROSE, PROSE[:40], "- one", "* two…"]), max_size=8).map("\n".join)


@stages
@given(texts=st.lists(st.text(max_size=60) | lines, max_size=4))
@settings(deadline=None, max_examples=25)
def test_any_text(stage, texts):
    batch = batch_of(texts)
    assert apply(stage, batch) == row_by_row(stage, batch)


@pytest.mark.slow
@stages
@pytest.mark.parametrize(
    "text", ["word and the other of them to be here " * 1_300_000, "𝒳" * 12_500_000], ids=["words", "one word"]
)
def test_a_line_of_50_megabytes(stage, text):
    batch = batch_of([PROSE, text, PROSE])
    outcome = stage.apply(batch)
    assert outcome.kept.num_rows + len(outcome.rows) == 3
