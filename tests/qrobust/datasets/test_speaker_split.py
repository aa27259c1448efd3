import pytest

from qrobust.datasets import speaker_split

# From the validation_list.txt and testing_list.txt that come with the data set.
PUBLISHED = {
    "026290a7_nohash_0.wav": "validation",
    "060cd039_nohash_0.wav": "validation",
    "099d52ad_nohash_0.wav": "validation",
    "0c40e715_nohash_0.wav": "test",
    "0ea0e2f4_nohash_0.wav": "test",
    "bb05582b_nohash_3.wav": "test",
}


@pytest.mark.parametrize(("name", "part"), PUBLISHED.items())
def test_published_lists(name, part):
    assert speaker_split(name) == part


def test_a_speaker_has_one_part():
    parts = {speaker_split(f"0c40e715_nohash_{n}.wav") for n in range(20)}
    assert len(parts) == 1


def test_shares():
    parts = [speaker_split(f"{n:08x}_nohash_0.wav") for n in range(5_000)]
    # Ten percent of 5,000 is 500, give or take 21.
    assert 400 < parts.count("validation") < 600
    assert 400 < parts.count("test") < 600
