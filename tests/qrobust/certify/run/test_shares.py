import pytest

from qrobust.certify.run.shares import Row, Shares

AIM_S = 0.1


def taught(lanes=1, batch=64, rate=10_000, messages=0.0):
    """Shares that have seen requests of a machine with so many samples a second."""
    shares = Shares(lanes, batch, aim_s=AIM_S)
    for _ in range(10):
        size = long(shares)
        shares.took(size, messages + size / rate)
    return shares


def long(shares):
    """The most samples of a request."""
    return shares.size(10**9, 1)


def sizes(shares, count, start=0):
    row, found = shares.row(start, count), []
    while share := row.take():
        found.append(share)
    return found


@pytest.mark.parametrize("lanes", [1, 2, 5])
@pytest.mark.parametrize("count", [1, 63, 64, 1000, 123_457])
def test_shares_are_every_sample_once_and_whole_batches(lanes, count):
    found = sizes(taught(lanes), count, start=7)
    ends = [first + size for first, size in found]
    assert [first for first, _ in found] == [7, *ends[:-1]]
    assert ends[-1] == 7 + count
    assert all(size % 64 == 0 for _, size in found[:-1])


def test_one_lane_is_asked_no_more_often_than_patience_wants():
    assert len(sizes(taught(rate=300_000), 10_000)) == 1
    assert len(sizes(taught(rate=10_000), 10_000)) <= 12


def test_many_lanes_end_together_and_ask_seldom():
    """Only what is left at the end is shorter than a quick request; few samples, a share a lane."""
    found = [size for _, size in sizes(taught(2, rate=300_000), 100_000)]
    quick = 300_000 * AIM_S / 16
    assert min(found[:-1]) >= quick - 64
    assert found[-2] <= quick + 64
    assert len(found) < 16
    assert [size for _, size in sizes(taught(2, rate=300_000), 1000)] == [512, 488]


@pytest.mark.parametrize("rate", [50, 3000, 10**6])
def test_a_request_takes_what_it_aims_at(rate):
    """A batch is the least; messages only make it shorter."""
    for messages in (0.0, 0.01):
        size = long(taught(rate=rate, messages=messages))
        assert size == 64 or size / rate <= 1.3 * AIM_S


def test_a_machine_that_slows_down_is_asked_for_less():
    shares = taught(rate=100_000)
    for _ in range(12):
        size = long(shares)
        shares.took(size, size / 1000)
    assert long(shares) / 1000 <= 2 * AIM_S


def test_a_short_request_teaches_nothing_about_long_ones():
    """It took its time for messages, not for samples."""
    shares = taught(rate=100_000)
    before = long(shares)
    shares.took(64, 0.001)
    assert long(shares) == before


def test_a_clock_that_stands_still_divides_by_nothing():
    shares = Shares(1, 64, aim_s=AIM_S)
    shares.took(64, 0.0)
    assert long(shares) == 8 * 64


def test_a_row_that_is_empty_gives_nothing():
    assert Row(taught(), 5, 5).take() is None
