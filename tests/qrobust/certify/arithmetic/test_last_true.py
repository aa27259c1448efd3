import pytest
from hypothesis import given
from hypothesis import strategies as st

from qrobust.certify.arithmetic.last_true import last_true


@given(st.integers(-50, 50), st.integers(1, 100), st.integers(-300, 300), st.data())
def test_finds_the_last_true_whatever_the_guess(low, width, guess, data):
    high = low + width
    answer = data.draw(st.integers(low, high - 1))
    seen = []

    def holds(m):
        seen.append(m)
        return m <= answer

    assert last_true(holds, low, high, guess) == answer
    assert all(low < m < high for m in seen)


def test_a_good_guess_is_fast():
    calls = []
    assert last_true(lambda m: calls.append(m) or m <= 10**12, 0, 10**15, 10**12 + 1) == 10**12
    assert len(calls) < 5


def test_an_empty_bracket_is_refused():
    with pytest.raises(ValueError, match="empty bracket"):
        last_true(lambda m: True, 3, 3, 3)
