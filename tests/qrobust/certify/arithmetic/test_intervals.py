from hypothesis import given
from hypothesis import strategies as st

from qrobust.certify.arithmetic.intervals import power


@given(st.integers(1, 2**60), st.integers(0, 300), st.integers(8, 128))
def test_powers_are_enclosed_tightly(base, exponent, bits):
    exact = base**exponent
    result = power(base, exponent, bits)
    assert result.low << result.exponent <= exact <= result.high << result.exponent
    # Each of the products loses at most a unit on each side.
    assert result.high - result.low <= 4 * exponent.bit_length() * (exponent + 1) + 1
    assert result.high.bit_length() <= bits + 1
