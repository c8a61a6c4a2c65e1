"""The laws held to what their papers print, and to a search."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.planning import laws

FITS = [laws.HOFFMANN, laws.BESIROGLU, laws.MUENNIGHOFF]


@pytest.mark.parametrize("loss", FITS)
@pytest.mark.parametrize("parameters", [1e6, 1e9, 7e10])
def test_the_best_tokens_by_search(loss, parameters):
    """On the line of the same 6 N D no other division has a smaller loss."""
    tokens = loss.tokens(parameters)
    factors = np.exp(np.linspace(-3, 3, 20001))
    found = loss(parameters * factors, tokens / factors)
    assert abs(math.log(factors[np.argmin(found)])) < 1e-3
    assert math.isclose(loss.parameters(tokens), parameters, rel_tol=1e-9)


def test_as_the_papers_print_them():
    """Gopher's and Chinchilla's losses by equation 10, term by term; table 3 of Hoffmann et al.; about 20 tokens a
    parameter by the formula fitted again; of the tokens 5.1 % in parameters by Muennighoff et al. (U_N = 0.051 U_D)."""
    assert laws.HOFFMANN(280e9, 300e9) == pytest.approx(1.69 + 0.052 + 0.251, abs=1e-3)
    assert laws.HOFFMANN(70e9, 1.4e12) == pytest.approx(1.69 + 0.083 + 0.163, abs=1e-3)
    for parameters, tokens in ((1e9, 20.2e9), (10e9, 205.1e9), (175e9, 3.7e12)):
        assert abs(laws.TOKENS_A_PARAMETER * parameters / tokens - 1) < 0.06
    assert 18 < laws.BESIROGLU.tokens(70e9) / 70e9 < 21
    assert round(laws.MUENNIGHOFF.parameters(1e11) / 1e11, 3) == 0.051


def test_kaplan_at_one_petaflop_day():
    """At N = 1.3e9 every power of C is 1; 6 N B S is that many operations."""
    assert laws.kaplan_compute(1.3e9) == 1
    assert laws.kaplan_tokens(1.3e9) == 2e10 and laws.kaplan_batch(1.3e9) == 2e6
    assert math.isclose(laws.operations(1.3e9, 2.0e6 * 5.4e3), laws.PETAFLOP_DAY, rel_tol=0.05)
    assert math.isclose(laws.kaplan_data(1e9), 5e3 * 10**6.66)


def test_gpt3_s_operations():
    """3.14e23 (Brown et al. 2020, table D.1), of 174.6e9 parameters and 300e9 tokens."""
    assert math.isclose(laws.operations(174.6e9, 300e9), 3.14e23, rel_tol=0.002)


def effective(unique, repetitions, constant):
    """Each repetition is worth (1 - 1/R*) times the one before, summed as an integral by small steps."""
    steps = np.linspace(0, repetitions, 400_001)
    return unique + unique * np.trapezoid(np.exp(-steps / constant), steps)


@pytest.mark.parametrize("epochs", [1, 1.5, 2, 4, 16, 40, 200])
def test_what_repeated_tokens_are_worth(epochs):
    assert math.isclose(laws.worth(1e9, epochs * 1e9), effective(1e9, epochs - 1, 15.387756), rel_tol=1e-7)


def test_few_epochs_are_nearly_new_and_many_are_not():
    """The abstract and section 6: four epochs about as good as new; the worth of repetition never exceeds R* epochs."""
    assert laws.worth(1.0, 4) > 0.93 * 4
    assert laws.worth(1.0, 1e6) == pytest.approx(1 + laws.REPEATS)
    assert laws.worth(1.0, 0.25) == 0.25 and laws.worth(1.0, 1.0) == 1.0


@given(st.floats(1, 1e15), st.floats(1, 1e15), st.floats(1, 1e15))
def test_more_reading_is_worth_more_and_never_more_than_it_is(unique, less, more):
    less, more = sorted((less, more))
    assert laws.worth(unique, less) <= laws.worth(unique, more) * (1 + 1e-12)
    assert laws.worth(unique, more) <= more * (1 + 1e-12)
    assert laws.used(more, unique) <= more * (1 + 1e-12)


def test_parameters_beyond_those_that_the_tokens_suffice_for():
    """As worth, of parameters; all of them where there are tokens enough."""
    enough = laws.MUENNIGHOFF.parameters(1e9)
    assert laws.used(enough / 2, 1e9) == enough / 2
    assert math.isclose(laws.used(3 * enough, 1e9), effective(enough, 2, 5.309743), rel_tol=1e-7)
