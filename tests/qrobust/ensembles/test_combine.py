"""An ensemble is one integer file: on every runtime, in C, in certificates."""

from functools import cache

import keras
import numpy as np
import pytest
import qkeras
from c_compiler import Models

import qrobust
from qrobust import cli, layers
from qrobust.certify import Certifier, SmoothingSpec, attach_spec
from qrobust.certify.arithmetic.streams import Purpose
from qrobust.ensembles import combine
from qrobust.ensembles.members import equal_weights
from qrobust.layers.input_noise import input_noise
from qrobust.quantizers import QuantizedBits
from tflite_export import check_parity, export, reference
from tflite_export.grid import Grid
from tflite_export.lower import lower

from .digit_members import (
    SIGMA,
    data,
    exported_members,
    mean_integers,
    members,
    vote_integers,
)

WEIGHTS = (5, 3, 2)
ORACLES = {"mean": mean_integers, "majority": vote_integers}


@pytest.fixture(scope="module", params=ORACLES)
def rule(request):
    return request.param


@pytest.fixture(scope="module")
def exported(rule):
    return export(combine(members(), WEIGHTS, rule=rule))


def noisy_pixels(count):
    rng = np.random.default_rng(0)
    x = data().test.x[:count] + rng.normal(0, 2 * SIGMA, (count, 8, 8, 1))
    return np.clip(np.rint(x), 0, 255)


def outputs(exported, pixels):
    (q,) = reference.run(exported.graph, np.asarray(pixels, np.int64) - 128)
    return q - exported.lowered.output_grids[0].zero_point


def test_the_members_differ_in_bits_and_in_their_logits_grids():
    exponents = [file.lowered.output_grids[0].exponent for file in exported_members()]
    assert exponents[0] < exponents[2]


@pytest.mark.ordinary(1)
def test_every_runtime_gives_the_same_integers(rule, exported):
    parity = check_parity(combine(members(), WEIGHTS, rule=rule), exported, noisy_pixels(60))
    assert parity.is_exact, str(parity)
    assert len(parity.differing) >= 4


@pytest.mark.ordinary(1)
def test_the_integers_are_those_of_the_members_own_files(rule, exported):
    x = noisy_pixels(300)
    np.testing.assert_array_equal(outputs(exported, x), ORACLES[rule](x, WEIGHTS))


@pytest.mark.ordinary(1)
def test_one_weight_off_by_one_is_noticed(rule, exported):
    x = noisy_pixels(300)
    other = combine(members(), (5, 3, 1), rule=rule)
    assert not check_parity(other, exported, x[:60]).is_exact
    assert (outputs(export(other), x) != ORACLES[rule](x, WEIGHTS)).any()


def test_the_c_computes_the_same(rule, exported, tmp_path):
    x = noisy_pixels(40)
    (received,) = Models([exported.graph], tmp_path).run(0, [x.astype(np.int64) - 128])
    zero = exported.lowered.output_grids[0].zero_point
    np.testing.assert_array_equal(received - zero, ORACLES[rule](x, WEIGHTS))


def test_votes_of_a_certificate_are_those_of_the_members_in_numpy(rule, exported):
    content = attach_spec(exported.tflite, SmoothingSpec.for_model(exported.tflite, sigma=SIGMA))
    certified = 0
    with Certifier(content, seed=7) as certifier:
        for index, (x, y) in enumerate(zip(data().test.x[:4], data().test.y[:4], strict=True)):
            x = x.astype(np.int64)
            made = certifier.certify(x, n0=50, n=1000, index=index, y=int(y))
            plan_key = certifier.votes(x, 1000, index=index)
            copies = certifier.copies(x, 1000, index=index, purpose=Purpose.BOUND)
            labels = ORACLES[rule](copies.astype(np.int64), WEIGHTS).argmax(1)
            expected = np.bincount(labels, minlength=10)
            np.testing.assert_array_equal(plan_key, expected)
            assert made.n == 1000
            certified += made.label == y and made.radius_q16 > 0
    assert certified >= 2


@pytest.mark.thorough
def test_a_certificate_of_the_one_file_passes_its_audit(tmp_path):
    paths = []
    for number, member in enumerate(members()):
        paths.append(tmp_path / f"{number}.keras")
        member.save(paths[-1])
    np.savez(tmp_path / "d.npz", x=data().test.x[:3], y=data().test.y[:3])
    model, file = tmp_path / "all.keras", tmp_path / "all.tflite"
    assert run("ensemble", *paths, "--out", model, "--weights", 5, 3, 2) == 0
    assert run("export", model, file, "--sigma", SIGMA) == 0
    certificates = tmp_path / "c.jsonl"
    data_file = tmp_path / "d.npz"
    made = ["certify", file, data_file, "--out", certificates, "--n", 300, "--quiet"]
    assert run(*made) == 0
    assert run("audit", certificates, file, data_file, "--quiet") == 0
    # The same members with one weight off by one are another file, and not the certified one.
    assert run("ensemble", *paths, "--out", model, "--weights", 5, 3, 1) == 0
    assert run("export", model, file, "--sigma", SIGMA) == 0
    assert run("audit", certificates, file, data_file, "--quiet") != 0


def run(*arguments):
    return cli.main([str(argument) for argument in arguments])


@pytest.mark.thorough
def test_a_saved_ensemble_is_the_same(tmp_path):
    ensemble = combine(members(), WEIGHTS)
    ensemble.save(tmp_path / "e.keras")
    from qrobust.load_keras import load_keras

    again = load_keras(tmp_path / "e.keras")
    x = noisy_pixels(30)
    np.testing.assert_array_equal(again.predict(x, verbose=0), ensemble.predict(x, verbose=0))
    assert export(again).tflite == export(ensemble).tflite


def test_one_noise_layer_stands_on_the_input_of_all():
    ensemble = combine(members(), WEIGHTS)
    x = noisy_pixels(20)
    assert layers.GridNoise is type(ensemble.layers[1])
    assert ensemble.layers[1].sigma == (SIGMA, SIGMA)
    seen = np.asarray(ensemble(x, training=True))
    assert (seen != np.asarray(ensemble(x, training=True))).any()
    ensemble.layers[1].sigma = 0
    # The members' own noise is off, or this would not be what inference computes.
    np.testing.assert_array_equal(
        np.asarray(ensemble(x, training=True)), ensemble.predict(x, verbose=0)
    )


def test_a_fit_leaves_the_weights_of_the_mean_alone():
    ensemble = combine(members()[:2], (2, 1))
    before = [w.numpy() for w in ensemble.get_layer("mean").weights]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    ensemble.compile("sgd", loss)
    train = data().train
    ensemble.fit(train.x[:64], train.y[:64], verbose=0)
    for a, b in zip(before, ensemble.get_layer("mean").weights, strict=True):
        np.testing.assert_array_equal(a, np.asarray(b))


def test_a_member_of_weight_zero_is_left_out():
    two = combine(members(), (5, 0, 2))
    assert {n for n in (layer.name for layer in two.layers) if "member" in n} == {
        "member_1",
        "member_2",
    }
    x = noisy_pixels(50)
    np.testing.assert_array_equal(outputs(export(two), x), mean_integers(x, (5, 0, 2)))


def test_one_member_alone_is_itself():
    x = noisy_pixels(50)
    alone, file = export(combine(members()[:1])), exported_members()[0]
    np.testing.assert_array_equal(outputs(alone, x), outputs(file, x))


def test_the_callers_models_stay_as_they_were():
    names = [member.name for member in members()]
    before = [[w.numpy() for w in member.weights] for member in members()]
    combine(members(), WEIGHTS)
    assert [member.name for member in members()] == names
    for member, weights in zip(members(), before, strict=True):
        for a, b in zip(member.weights, weights, strict=True):
            np.testing.assert_array_equal(np.asarray(a), b)


def test_a_final_softmax_is_left_out():
    member = members()[0]
    ended = keras.Model(member.inputs, keras.layers.Softmax()(member.outputs[0]))
    x = noisy_pixels(50)
    both = export(combine([ended, members()[1]], (2, 1)))
    np.testing.assert_array_equal(outputs(both, x), mean_integers(x, (2, 1, 0)))


@cache
def small(shape=(8, 8, 1), classes=10, grid=None):
    keras.utils.set_random_seed(0)
    net = keras.Sequential(
        [keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(classes)]
    )
    return qrobust.quantize(net, input_grid=grid)


def of_layers(*hidden):
    return keras.Sequential([keras.Input((8, 8, 1)), *hidden])


@pytest.mark.ordinary(4)
@pytest.mark.parametrize(
    ("models", "says"),
    [
        (lambda: [], "at least one"),
        (lambda: [small(), small(shape=(4, 16, 1))], "inputs of shape"),
        (lambda: [small(), small(classes=9)], "logits of shape"),
        (lambda: [small(), small(grid="unit")], "0 to 255"),
        (lambda: [small(), of_layers(keras.layers.Flatten())], "signed"),
        (lambda: [of_layers(keras.layers.Dense(3))], "exports exactly"),
        (lambda: [of_layers(qkeras.QActivation(QuantizedBits(8, 8)))], "one row of logits"),
    ],
)
def test_models_that_do_not_go_together_are_refused(models, says):
    with pytest.raises(ValueError, match=says):
        combine(models())


@pytest.mark.parametrize("weights", [(1, 2), (1, 2, -1), (0, 0, 0), (1.0, 2.0, 3.0), (32, 1, 1)])
def test_weights_that_are_none_are_refused(weights):
    with pytest.raises(ValueError, match="weights"):
        combine(members(), weights)


def test_a_rule_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match="mean, majority"):
        combine(members(), rule="median")


def test_a_majority_of_more_votes_than_int8_holds_is_refused():
    assert lower(combine([small()] * 4, (31, 31, 31, 30), rule="majority"))
    with pytest.raises(ValueError, match="127"):
        combine([small()] * 5, (31, 31, 31, 30, 29), rule="majority")


def test_a_plain_mean_is_that_of_real_logits():
    exponents = [file.lowered.output_grids[0].exponent for file in exported_members()]
    a, b = exponents[:2]
    x = noisy_pixels(50)
    wanted = (2 ** max(a - b, 0), 2 ** max(b - a, 0), 0)
    plain = export(combine(members()[:2]))
    np.testing.assert_array_equal(outputs(plain, x), mean_integers(x, wanted))


def test_a_plain_mean_in_which_one_drowns_the_others_is_refused():
    grids = [Grid.signed(8, exponent) for exponent in (-3, 1, -2)]
    assert equal_weights(grids) == (1, 16, 2)
    with pytest.raises(ValueError, match="drown"):
        equal_weights([*grids, Grid.signed(8, 2)])


def test_members_with_different_noise_keep_their_own():
    other = keras.models.clone_model(members()[1])
    other.set_weights(members()[1].get_weights())
    input_noise(other).sigma = 2 * SIGMA
    ensemble = combine([members()[0], other], (1, 1))
    assert not any(isinstance(layer, layers.GridNoise) for layer in ensemble.layers)
    assert input_noise(members()[0]).sigma == (SIGMA, SIGMA)
    assert export(ensemble).tflite == export(combine(members()[:2], (1, 1))).tflite


def test_an_ensemble_may_be_a_member():
    inner = combine(members()[:2], (2, 1))
    outer = combine([inner, members()[2]], (1, 1), rule="majority")
    x = noisy_pixels(50)
    votes = np.eye(10)[mean_integers(x, (2, 1, 0)).argmax(1)] + vote_integers(x, (0, 0, 1))
    np.testing.assert_array_equal(outputs(export(outer), x), votes)


def test_two_classes_vote_too():
    pair = [small(classes=2), small(classes=2, grid="pixels")]
    pair[1].set_weights([-w if w.ndim == 2 else w for w in pair[1].get_weights()])
    x = noisy_pixels(50)
    labels = [model.predict(x, verbose=0).argmax(1) for model in pair]
    assert (labels[0] != labels[1]).any()
    votes = 2 * np.eye(2)[labels[0]] + np.eye(2)[labels[1]]
    np.testing.assert_array_equal(outputs(export(combine(pair, (2, 1), rule="majority")), x), votes)
