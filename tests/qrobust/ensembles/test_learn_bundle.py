"""Bundles that are learned: thresholds against their definition, and the command."""

import numpy as np
import pytest

from qrobust import cli
from qrobust.certify import Certifier, SmoothingSpec, attach_spec
from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.file.bundle import CONSENSUS, DRAW, read_bundle
from qrobust.ensembles import learn_bundle
from qrobust.ensembles.learn_bundle import adaptive_thresholds

from .digit_members import SIGMA, data, exported_members, member_integers

HELD = slice(-60, None)


def files():
    return [exported.tflite for exported in exported_members()]


def stopped(sums, thresholds):
    """Label and number of members of every copy, one by one."""
    said, asked = [], []
    for copy in range(sums.shape[1]):
        for k in range(len(sums)):
            first, second = sorted(sums[k, copy])[-1:-3:-1]
            if k == len(sums) - 1 or first - second >= thresholds[k]:
                said.append(int(np.argmax(sums[k, copy])))
                asked.append(k + 1)
                break
    return np.array(said), np.array(asked)


@pytest.mark.parametrize("disagreement", [0.0, 0.01, 0.1])
def test_thresholds_are_the_least_that_disagree_so_little(disagreement):
    rng = np.random.default_rng(0)
    sums = np.cumsum(rng.integers(-20, 21, (3, 400, 5)), axis=0)
    thresholds = adaptive_thresholds(sums, disagreement)
    whole = sums[-1].argmax(1)
    said, asked = stopped(sums, thresholds)
    allowed = int(disagreement * 400 / 2)
    for k, least in enumerate(thresholds):
        here = asked == k + 1
        assert (said[here] != whole[here]).sum() <= allowed
        # One less, and one more copy would stop there with another class.
        lower = (*thresholds[:k], least - 1, *thresholds[k + 1 :])
        said_lower, asked_lower = stopped(sums, lower)
        early = asked_lower == k + 1
        assert (said_lower[early] != whole[early]).sum() > allowed or least == 0
    assert (said != whole).mean() <= disagreement
    assert asked.mean() < 3 or disagreement == 0


def test_without_noise_the_logits_are_the_files_own():
    part = data().train
    x, y = part.x[HELD], part.y[HELD]
    found = learn_bundle(files(), x, y, "0", copies=1, disagreement=0.05)
    sums = np.cumsum(
        [w * member_integers(x)[i] for w, i in zip(found.bundle.weights, found.order, strict=True)],
        axis=0,
    )
    assert found.bundle.thresholds == adaptive_thresholds(sums, 0.05)
    said, asked = stopped(sums, found.bundle.thresholds)
    assert found.evaluations == pytest.approx(asked.mean())
    assert found.disagreement == pytest.approx((said != sums[-1].argmax(1)).mean())
    assert list(found.bundle.weights) == sorted(found.bundle.weights, reverse=True)
    with Certifier(found.bundle.to_bytes(), sigma=SIGMA, classes=10, threads=1) as certifier:
        assert [certifier.classify(image) for image in x] == said.tolist()


def test_given_weights_count_and_thresholds_are_learned():
    part = data().train
    x, y = part.x[HELD], part.y[HELD]
    found = learn_bundle(files(), x, y, "0", copies=1, disagreement=0.05, weights=(1, 3, 1))
    assert found.bundle.weights == (3, 1, 1) and found.order == (1, 0, 2)
    z = member_integers(x)
    sums = np.cumsum([3 * z[1], z[0], z[2]], axis=0)
    assert found.bundle.thresholds == adaptive_thresholds(sums, 0.05)
    with pytest.raises(ValueError, match="weights"):
        learn_bundle(files(), x, y, "0", copies=1, weights=(1, 1))


def test_consensus_counts_those_that_agree():
    part = data().train
    found = learn_bundle(files(), part.x[HELD], part.y[HELD], "32", rule=CONSENSUS, copies=2)
    assert found.bundle.first == 2 and not found.bundle.thresholds
    assert 2 <= found.evaluations <= 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rule": DRAW}, "rule is adaptive"),
        ({"disagreement": 1.0}, "disagreement=1.0"),
        ({"copies": 0}, "copies=0"),
        ({"rule": CONSENSUS, "first": 4}, "first is 1 to 3, the number of files. Received: 4"),
        ({"rule": CONSENSUS, "first": 0}, "first is 1 to 3"),
    ],
)
def test_what_cannot_be_learned_is_refused(options, words):
    part = data().train
    with pytest.raises(ValueError, match=words):
        learn_bundle(files(), part.x[HELD], part.y[HELD], "32", **options)


@pytest.mark.parametrize("y", [-1, 10])
def test_classes_that_the_files_lack_are_refused(y):
    """A negative one would count from the end, and be learned from."""
    labels = [y, *data().train.y[1:4]]
    with pytest.raises(ValueError, match=f"from 0 to 9. Received: .*{y}"):
        learn_bundle(files(), data().train.x[:4], np.array(labels), "32")


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("bundle")
    for name, content in zip("abc", files(), strict=True):
        spec = SmoothingSpec.for_model(content, sigma=SIGMA)
        (path / f"{name}.tflite").write_bytes(attach_spec(content, spec))
    part = data().train
    np.savez(path / "held.npz", x=part.x[HELD], y=part.y[HELD])
    return path


def run(folder, *words):
    members = [str(folder / f"{name}.tflite") for name in "abc"]
    return cli.main(["bundle", *members, "--out", str(folder / "out.bundle"), *words])


def test_the_command_learns_and_says_what(folder, capsys):
    assert run(folder, "--learn", str(folder / "held.npz")) == 0
    said = capsys.readouterr().out
    bundle = read_bundle((folder / "out.bundle").read_bytes())
    assert bundle.sha256 in said and "members a copy" in said
    assert f"stops at {bundle.thresholds[0]}" in said


def test_the_command_takes_what_is_given(folder, capsys):
    assert run(folder, "--rule", "consensus", "--first", "1", "--weights", "2", "1", "1") == 0
    bundle = read_bundle((folder / "out.bundle").read_bytes())
    assert (bundle.rule, bundle.first, bundle.weights) == (CONSENSUS, 1, (2, 1, 1))
    assert run(folder, "--rule", "draw", "--weights", "2", "1", "1") == 0
    assert "draw" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "give --thresholds"),
        (("--rule", "draw"), "power of two"),
        (("--rule", "draw", "--first", "1"), "--first is of --rule consensus"),
        (("--learn", "held.npz", "--weights", "1", "1", "1"), "not both"),
        (("--learn", "held.npz", "--rule", "draw"), "no weights to learn"),
        (("--thresholds", "1", "1", "--sigma", "3"), "--sigma goes with --learn"),
        (("--thresholds", "1", "1", "--copies", "3"), "--copies goes with --learn"),
        (("--draws", "2"), "--draws takes one .keras"),
        (("--thresholds", "1", "1", "--table", "9"), "--table says which of the members' tables"),
        (("--thresholds", "1", "1", "--alpha", ".1"), "--alpha says which of the members' tables"),
        (("--draws", "2", "--alpha", ".1"), "--alpha goes with --table"),
        (("--draws", "2", "--table", "9"), "--table goes with --draws"),
    ],
)
def test_the_command_refuses(folder, words, says, capsys):
    words = [str(folder / word) if word.endswith(".npz") else word for word in words]
    assert run(folder, *words) == 2
    assert says in capsys.readouterr().err


def test_draws_of_a_keras_file_become_a_bundle(tmp_path, capsys):
    import keras

    import qrobust
    from qrobust import layers

    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.GridNoise(32),
            keras.layers.Rescaling(2**-8),
            keras.layers.Flatten(),
            layers.WeightDistribution(keras.layers.Dense(10), 0.5),
        ]
    )
    qrobust.quantize(model, 4, 4).save(tmp_path / "m.keras")
    words = ["bundle", str(tmp_path / "m.keras"), "--draws", "4", "--sigma", "32"]
    device = ["--table", "100", "--c99", str(tmp_path / "c")]
    assert cli.main([*words, *device, "--out", str(tmp_path / "m.bundle")]) == 0
    content = (tmp_path / "m.bundle").read_bytes()
    bundle = read_bundle(content)
    assert bundle.sha256 in (tmp_path / "c" / "bundle.h").read_text()
    assert "member4_run" in (tmp_path / "c" / "members.c").read_text()
    assert "Radii for n = 100, alpha = 0.001" in (tmp_path / "c/certifier_tables.h").read_text()
    assert (bundle.rule, bundle.weights) == (DRAW, (1, 1, 1, 1))
    assert len(set(bundle.members)) == 4
    with Certifier(content, classes=10, threads=1) as certifier:
        assert certifier.noise.sigma == 32
    wrong = [*words, "--out", str(tmp_path / "n.bundle"), "--rule", "consensus"]
    assert cli.main(wrong) == 2
    assert "--draws is --rule draw" in capsys.readouterr().err
    assert cli.main([*words[:3], "3", "--out", str(tmp_path / "m.bundle")]) == 2
    assert "power of two" in capsys.readouterr().err
    with pytest.raises(CertifyError):
        read_bundle(content[:-1])


@pytest.mark.parametrize("count", ["3", "0", "512", "1000000000"])
def test_how_many_are_drawn_is_checked_before_any_network_is(tmp_path, capsys, count):
    words = ["bundle", "missing.keras", "--draws", count, "--out", str(tmp_path / "o.bundle")]
    assert cli.main(words) == 2
    assert f"a power of two from 1 to 256, so that every draw is exact. Received: {count}" in (
        capsys.readouterr().err
    )
