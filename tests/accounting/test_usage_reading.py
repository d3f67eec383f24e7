"""Figures of providers, honest and not."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick_sidecar.accounting.model import Usage
from bailiwick_sidecar.accounting.usage import MAX_TOKENS, read_usage

READ = [
    (
        {
            "prompt_tokens": 12,
            "completion_tokens": 30,
            "total_tokens": 42,
            "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 2},
            "completion_tokens_details": {
                "reasoning_tokens": 9,
                "audio_tokens": 1,
                "accepted_prediction_tokens": 3,
            },
        },
        Usage(
            input=12,
            output=30,
            cached_input=4,
            audio_input=2,
            reasoning_output=9,
            audio_output=1,
        ),
        (),
    ),
    (
        {
            "input_tokens": 5,
            "output_tokens": 6,
            "input_tokens_details": {"cached_tokens": 5},
            "output_tokens_details": {"reasoning_tokens": 6},
        },
        Usage(input=5, output=6, cached_input=5, reasoning_output=6),
        (),
    ),
    ({"prompt_tokens": 3, "total_tokens": 8}, Usage(input=3, output=5), ()),
    (
        {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 9},
        Usage(input=3, output=6),
        ("total_tokens",),
    ),
    (
        {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 1},
        Usage(input=3, output=2),
        ("total_tokens",),
    ),
    (
        {
            "prompt_tokens": 3,
            "completion_tokens": 2,
            "prompt_tokens_details": {"cached_tokens": 4},
            "completion_tokens_details": [],
        },
        Usage(input=3, output=2),
        ("cached_tokens", "completion_tokens_details"),
    ),
    (
        {"prompt_tokens": 3, "completion_tokens": 2, "prompt_tokens_details": None},
        Usage(input=3, output=2),
        (),
    ),
]


@pytest.mark.parametrize(("found", "usage", "flaws"), READ)
def test_usage_is_read(found: object, usage: Usage, flaws: tuple[str, ...]) -> None:
    """Every known shape gives its tokens by kind; what is not believable is dropped and named."""
    reading = read_usage(json.dumps(found), needs_output=True)

    assert reading.usage == usage
    assert sorted(reading.flaws) == sorted(flaws)


@pytest.mark.parametrize(
    "lie", [-1, True, False, 1.5, 3.0, 10**18, 2**70, "7", [], {}, MAX_TOKENS + 1]
)
@pytest.mark.parametrize("name", ["prompt_tokens", "completion_tokens"])
def test_lies_are_no_usage(name: str, lie: object) -> None:
    """A figure that is no count of tokens counts as absent and is named."""
    honest = {"prompt_tokens": 5, "completion_tokens": 6}

    reading = read_usage(json.dumps({**honest, name: lie}), needs_output=True)

    assert reading.usage is None
    assert name in reading.flaws


@pytest.mark.parametrize("lie", [-5, "7", 1.5])
def test_a_total_makes_no_lie_about_the_output_true(lie: object) -> None:
    """An output of -5 is not 0 because input and total are there: that answer would be free."""
    found = {"prompt_tokens": 89, "completion_tokens": lie, "total_tokens": 94}

    reading = read_usage(json.dumps(found), needs_output=True)

    assert reading.usage is None
    assert reading.flaws == ("completion_tokens",)


def test_a_total_below_the_input_says_nothing_about_the_output() -> None:
    """An output that is missing is known from a total that can hold it, and only then."""
    found = {"prompt_tokens": 89, "total_tokens": 84}

    assert read_usage(json.dumps(found), needs_output=True).usage is None


def test_absent_usage_has_no_flaw() -> None:
    """No usage object, or a null one, is plainly none."""
    for raw in (None, "null"):
        assert read_usage(raw, needs_output=True) == read_usage(None, needs_output=True)
        assert read_usage(raw, needs_output=True).flaws == ()


@given(raw=st.one_of(st.text(), st.recursive(st.none() | st.integers() | st.text(), st.lists)))
def test_nothing_that_a_provider_says_raises(raw: object) -> None:
    """Whatever stands where usage should be, reading it gives a reading."""
    read_usage(raw if isinstance(raw, str) else json.dumps(raw), needs_output=True)


@given(
    st.dictionaries(
        st.sampled_from(["prompt_tokens", "completion_tokens", "total_tokens", "input_tokens"]),
        st.integers(-10, 2 * MAX_TOKENS) | st.booleans() | st.floats() | st.none(),
    )
)
def test_figures_stay_within_bounds(found: dict[str, object]) -> None:
    """No reading has a figure below 0, or a part above its whole."""
    usage = read_usage(json.dumps(found), needs_output=False).usage

    if usage is not None:
        assert 0 <= usage.input <= MAX_TOKENS
        assert 0 <= usage.output <= MAX_TOKENS
        assert usage.cached_input <= usage.input
