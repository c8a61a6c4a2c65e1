"""Options are validated when a step is built, described once, and refused with the nearest valid name."""

from __future__ import annotations

import dataclasses
import pickle
import subprocess
import sys
from typing import Literal

import pytest

from corpus import options
from corpus.cleaning.length import Length
from corpus.options import OptionError, option
from corpus.reading.readers import ReadOptions
from pipelines.steps import STEPS
from pipelines.steps.near_dedup import NearDedup


@dataclasses.dataclass(frozen=True)
class Example:
    """An example."""

    needed: str = option(help="Must be there.")
    share: float = option(0.5, "A share.", ge=0, lt=1)
    words: tuple[Literal["cat", "dog"], ...] = option((), "Animals.", min_length=0)
    extra: dict[str, int] = option({}, "Numbers by name.")

    def __post_init__(self):
        options.validate(self, "the example")


@pytest.mark.parametrize("given, words", [
    ({"share": 1}, "option 'share' of the example should be less than 1 (given 1)"),
    ({"share": "much"}, "option 'share' of the example is a number, not 'much'"),
    ({"needed": 5}, "option 'needed' of the example is text, not 5"),
    ({"words": ["cat", "dgo"]}, "unknown value 'dgo' in option 'words' of the example; did you mean 'dog'?"),
    ({"words": ["zzz"]}, "unknown value 'zzz' in option 'words' of the example; valid: cat, dog"),
    ({"words": 3}, "option 'words' of the example is a list, not 3"),
    ({"extra": {"a": "b"}}, "option 'extra' of the example is a whole number, not 'b'"),
])  # fmt: skip
def test_what_is_wrong_is_said(given, words):
    with pytest.raises(OptionError) as error:
        Example(**{"needed": "x", **given})
    assert str(error.value) == words


def test_values_become_what_their_types_say():
    example = Example("x", share=0, words=["cat"])
    assert (example.share, type(example.share), example.words) == (0.0, float, ("cat",))
    assert Example("x", words="dog").words == ("dog",)  # one of what may be several
    assert Example("x").extra == {} and Example("x").extra is not Example("x").extra
    assert pickle.loads(pickle.dumps(example)) == example
    with pytest.raises(OptionError):
        dataclasses.replace(example, share=2)


def test_an_option_is_described_as_it_is_declared():
    assert [tuple(each) for each in options.describe(Example)] == [
        ("needed", "str", None, "Must be there.", (), False),
        ("share", "float", "0.5", "A share.", (), False),
        ("words", "tuple[Literal['cat', 'dog'], ...]", "[]", "Animals.", ("cat", "dog"), True),
        ("extra", "dict[str, int]", "{}", "Numbers by name.", (), False),
    ]


@pytest.mark.parametrize("kind", [*STEPS.values(), ReadOptions], ids=lambda kind: kind.__name__)
def test_every_option_of_a_step_says_what_it_means(kind):
    for each in options.describe(kind):
        assert each.help[0].isalnum() and each.help.endswith(".") and "\n" not in each.help, each.name
        assert f"    {each.name}: {each.help}" in kind.__doc__.splitlines()


def test_steps_are_validated_in_python():
    with pytest.raises(OptionError, match="option 'min_characters' of step 'length' is a whole number, not 'many'"):
        Length(min_characters="many")
    with pytest.raises(
        OptionError, match="unknown value 'leeder' in option 'mode' of step 'near_dedup'; did you mean 'leader'?"
    ):
        NearDedup(mode="leeder")


def test_names_that_options_had_before_are_known():
    with pytest.raises(OptionError, match="option 'html_max_bytes' in read is 'max_record_bytes' now"):
        options.check_known(["html_max_bytes"], ["max_record_bytes", "extract"], "option", "read")


def test_importing_steps_imports_no_pydantic():
    code = (
        "import sys, corpus.cleaning.length, corpus.step; "
        "print(sorted({'pydantic', 'rapidfuzz', 'ray', 'typer'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
