from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from qrobust import architectures, cli, datasets, quantize
from qrobust.certify import Settings
from qrobust.training import defend
from qrobust.training.batches import batches
from qrobust.training.curve import Curve
from qrobust.training.recipe import Certification, Recipe, read_recipe
from qrobust.training.recipe_sections import Data, Defence, Network, Quantization, Training
from qrobust.training.recipe_sources import check_files
from qrobust.training.train import build, train

SMALL = {"width": 4, "batch_norm": False}
# TensorFlow traces every layer of every training anew: where only the weights are compared, two do.
TINY = Network("tiny_network:tiny")


def recipe(**changes):
    parts = {
        "name": "small",
        "data": Data("digits"),
        "network": Network("digits_cnn", SMALL),
        "defence": Defence(sigma=30, jacobian=1e-4, consistency=2),
        "training": Training(epochs=2, batch_size=64),
        "quantization": Quantization(4, 4),
        "certification": Certification(images=4, settings=Settings(n=500, n0=20)),
    }
    return Recipe(**{**parts, **changes})


def trained(log=None, resume=False, **changes):
    """The trained tiny network."""
    wanted = recipe(**{"network": TINY, **changes})
    return train(wanted, log=log, resume=resume, allow_code=True).model


TWO_PHASES = Training(epochs=2, float_epochs=2, batch_size=256)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A training that nobody interrupts: weights, and the folder of its log."""
    folder = tmp_path_factory.mktemp("whole")
    return trained(training=TWO_PHASES, log=folder).get_weights(), folder


@pytest.mark.thorough
def test_the_same_recipe_gives_the_same_model(whole, monkeypatch):
    """Bit for bit nearly; and TensorFlow traces the step of each phase once."""
    traced, step = [], keras.Model.train_step
    monkeypatch.setattr(
        keras.Model, "train_step", lambda self, data: traced.append(self) or step(self, data)
    )
    again = trained(training=TWO_PHASES)
    assert len(traced) == 2
    for a, b in zip(whole[0], again.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


@pytest.mark.thorough
def test_a_float_phase_comes_first_where_asked(tmp_path):
    made = train(recipe(training=Training(epochs=1, float_epochs=6)), log=tmp_path)
    assert made.accuracy > 0.5
    assert {p.name for p in tmp_path.iterdir()} == {
        "float.csv",
        "float.keras",
        "float_checkpoint.keras",
        "quantized.csv",
        "quantized_checkpoint.keras",
        "training.json",
    }
    keras.models.load_model(tmp_path / "float.keras")


@pytest.mark.thorough
@pytest.mark.parametrize("logged", [False, True], ids=["before the curve", "after it"])
@pytest.mark.parametrize("phase", ["float", "quantized"])
def test_a_training_that_was_interrupted_goes_on_as_if_it_had_not(
    phase, logged, whole, tmp_path, monkeypatch
):
    weights, folder = whole
    save = Curve.on_epoch_end

    def interrupted(self, epoch, logs=None):
        if epoch == 1 and phase in str(self.path):
            if logged:
                save(self, epoch, logs)
            raise KeyboardInterrupt
        save(self, epoch, logs)

    monkeypatch.setattr(Curve, "on_epoch_end", interrupted)
    with pytest.raises(KeyboardInterrupt):
        trained(training=TWO_PHASES, log=tmp_path / "broken")
    monkeypatch.undo()
    resumed = trained(training=TWO_PHASES, log=tmp_path / "broken", resume=True)
    for a, b in zip(resumed.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(a, b)
    for name in ("float.csv", "quantized.csv"):
        assert (tmp_path / "broken" / name).read_text() == (folder / name).read_text()


@pytest.mark.thorough
@pytest.mark.parametrize("loss", ["smooth_adversarial", "macer", "ibp"])
def test_other_losses_and_mixed_bits_train(loss):
    bits = Quantization({"logits": 6, "*": "stochastic_ternary"}, {"*": 3}, {"0": {"logits": 5}})
    defence = Defence(sigma=30, **{loss: 12})
    model = trained(defence=defence, quantization=bits, training=Training(epochs=1))
    assert model.get_layer("logits").kernel_quantizer_internal.bits == 5


def test_two_losses_at_once_are_refused():
    with pytest.raises(ValueError, match="takes one of"):
        train(recipe(defence=Defence(sigma=30, consistency=1, macer=1)))


def test_a_training_starts_from_given_weights(tmp_path):
    first = architectures.digits_cnn((8, 8, 1), 10, **SMALL)
    first.save(tmp_path / "first.keras")
    defend(first, sigma=3, jacobian=1e-3).save(tmp_path / "defended.keras")
    defended = Network("digits_cnn", SMALL, str(tmp_path / "defended.keras"))
    built = build(recipe(network=defended), datasets.digits(0))
    for a, b in zip(built.get_weights(), first.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    network = Network("digits_cnn", SMALL, str(tmp_path / "first.keras"))
    built = build(recipe(network=network), datasets.digits(0))
    for a, b in zip(built.get_weights(), first.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match="does not fit"):
        build(recipe(network=Network("resnet8", {}, network.weights)), datasets.digits(0))


@pytest.mark.thorough
def test_a_training_goes_on_from_a_quantized_network(tmp_path):
    path = tmp_path / "first.keras"
    first = trained(training=Training(epochs=1))
    first.save(path)
    network = replace(TINY, start=str(path))
    none = trained(network=network, training=Training(epochs=0))
    for a, b in zip(none.get_weights(), first.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    more = trained(network=network, training=Training(epochs=1))
    pairs = zip(more.get_weights(), first.get_weights(), strict=True)
    assert any(not np.array_equal(a, b) for a, b in pairs)


@pytest.fixture(scope="module")
def quantized_start(tmp_path_factory):
    """A quantized network under noise of sigma 30, without a Jacobian penalty."""
    path = tmp_path_factory.mktemp("start") / "first.keras"
    model = defend(architectures.digits_cnn((8, 8, 1), 10, **SMALL), sigma=30)
    quantize(model, 4, 4).save(path)
    return path


@pytest.mark.ordinary(3)
@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"defence": Defence(sigma=31)}, "has noise of sigma 30 .* Received: sigma=31"),
        (
            {"defence": Defence(sigma=30), "quantization": Quantization(4, 8)},
            "weight_bits = 4 and activation_bits = 8",
        ),
        ({"training": Training(epochs=1, float_epochs=1)}, "float_epochs=1"),
        ({"network": Network("digits_cnn", start="nowhere.keras")}, "cannot go on with"),
        ({"quantization": Quantization(3, 4)}, "is no digits_cnn .* with weight_bits = 3"),
        ({"defence": Defence(sigma=30, jacobian=1e-3)}, "without a Jacobian penalty"),
        (
            {"defence": Defence(sigma=30), "quantization": Quantization(4, 4, {"0": 11})},
            "Weights take 2 to 8 bits. Received: bits=11",
        ),
    ],
)
def test_a_start_that_does_not_fit_is_refused(changes, says, quantized_start):
    network = Network("digits_cnn", SMALL, start=str(quantized_start))
    with pytest.raises(ValueError, match=says):
        train(recipe(**{"network": network, "training": Training(epochs=1), **changes}))


@pytest.mark.ordinary(3)
@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"data": Data("imagenet")}, "imagenet"),
        ({"data": Data("digits", augment="mixup")}, "mixup"),
        ({"network": Network("resnet99")}, "resnet99"),
        ({"network": Network("digits_cnn", {"depth": 3})}, "depth"),
        ({"defence": Defence(sigma=1, jacobian=3e38)}, "became (nan|inf)"),
        ({"quantization": Quantization(4, 4, {"1": 11})}, "2 to 8"),
    ],
)
def test_what_cannot_be_trained_is_explained(changes, says):
    with pytest.raises(ValueError, match=says):
        train(recipe(**changes))


def test_a_missing_data_folder_is_named(tmp_path):
    with pytest.raises((ValueError, OSError), match="cifar"):
        train(recipe(data=Data("cifar10")), data=str(tmp_path))


@pytest.mark.thorough
def test_every_linear_layer_gets_a_penalty():
    model = architectures.resnet8(input_shape=(8, 8, 3), width=4)
    defended = defend(model, sigma=20, jacobian=1e-3, seed=0)
    x = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3)).astype("float32")
    np.testing.assert_allclose(
        defended.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-4, atol=1e-5
    )
    assert defended.get_layer("noise").sigma == (20, 20)
    assert sum("jacobian" in layer.name for layer in defended.layers) == 10


def test_augmented_pictures_are_cuts_of_the_padded_ones():
    x = np.arange(1, 1 + 2 * 6 * 6, dtype=np.uint8).reshape(2, 6, 6, 1)
    options = {"batch_size": 2, "augment": "crop_flip", "seed": 3}
    seen = []
    for images, labels in batches(x, np.arange(2), **options).repeat(20):
        for image, label in zip(images.numpy(), labels.numpy(), strict=True):
            padded = np.pad(x[label], ((4, 4), (4, 4), (0, 0)))
            cuts = [padded[i : i + 6, j : j + 6] for i in range(9) for j in range(9)]
            cuts += [cut[:, ::-1] for cut in cuts]
            (found,) = {k for k, cut in enumerate(cuts) if np.array_equal(cut, image)} or {None}
            assert found is not None
            seen.append(found)
    assert len(set(seen)) > 15
    again = [i.numpy() for i, _ in batches(x, np.arange(2), **options)]
    assert np.array_equal(again[0], next(iter(batches(x, np.arange(2), **options)))[0])


def test_shifted_features_repeat_their_ends():
    x = np.arange(12, dtype=np.int8).reshape(1, 12, 1, 1)
    expected = {
        shift: np.clip(np.arange(12) + shift, 0, 11).astype("float32") for shift in range(-5, 6)
    }
    data = batches(x, np.zeros(1), batch_size=1, augment="time_shift", seed=0).repeat(100)
    seen = set()
    for features, _ in data:
        (found,) = (s for s, e in expected.items() if np.array_equal(e, np.ravel(features)))
        seen.add(found)
    assert seen == set(expected)


def test_the_command_writes_a_whole_folder(tmp_path, capsys, monkeypatch, recipe_text):
    monkeypatch.setattr("qrobust.attacks.evaluation.standard_worst_case.QUERIES", 50)
    monkeypatch.setattr("qrobust.attacks.evaluation.standard_worst_case.STEPS", 10)
    text = recipe_text(
        notes="Tried: *less* noise.\n",
        defence={"sigma": 30},
        training={"epochs": 2, "batch_size": 64},
        certification={"images": 3, "n": 300, "n0": 10, "radii": [0, 20]},
        attack={"images": 8},
        corruption={"images": 12},
    )
    (tmp_path / "recipe.toml").write_text(text)
    assert cli.main(["train", str(tmp_path / "recipe.toml")]) == 0
    assert {"model.keras", "model.tflite", "card.md"} <= {p.name for p in tmp_path.iterdir()}
    card = (tmp_path / "card.md").read_text()
    assert "0 differing integers" in card and "| 20 " in card
    assert f"{(tmp_path / 'model.tflite').stat().st_size:,} bytes, " in card
    assert card.endswith("```\n\nTried: *less* noise.\n")
    assert "the first 8 test examples" in card and "under Square" in card
    assert "under standard worst case on the file" in card
    assert "## Corruptions of the first 12 test examples" in card and "| bit_depth " in card
    assert card in capsys.readouterr().out
    assert not keras.models.load_model(tmp_path / "model.keras").compiled
    from qrobust.certify import read_spec

    assert read_spec((tmp_path / "model.tflite").read_bytes()).sigma == 30
    assert read_spec((tmp_path / "model.tflite").read_bytes()).unit.startswith("pixel step")


@pytest.mark.thorough
def test_a_network_without_noise_has_no_certificates(tmp_path, capsys, recipe_text):
    (tmp_path / "recipe.toml").write_text(recipe_text())
    assert cli.main(["train", str(tmp_path / "recipe.toml")]) == 0
    card = capsys.readouterr().out
    assert "none: trained without noise" in card and "radius" not in card


RECIPES = sorted((Path(__file__).parents[3] / "models").glob("*/*.toml"))


@pytest.mark.ordinary(2)
@pytest.mark.parametrize("path", RECIPES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_recipe_of_the_project_can_be_read_and_its_network_quantized(path):
    shapes = {"digits": (8, 8, 1), "speech_commands": (49, 10, 1)}
    wanted = read_recipe(path)
    if wanted.network.members:  # nothing is built: test_shipped_models joins them
        check_files(wanted, str(path))
        assert all(Path(member).suffix == ".keras" for member in wanted.network.members)
        return
    wanted = replace(wanted, network=replace(wanted.network, weights=""))
    shape, rng = shapes.get(wanted.data.name, (32, 32, 3)), np.random.default_rng(0)
    split = datasets.Split(rng.integers(0, 100, (4, *shape)).astype("uint8"), np.arange(4))
    data = datasets.Dataset("small", split, split, tuple("abcdef"), "pixel")
    model = defend(
        build(wanted, data),
        sigma=wanted.defence.sigma,
        jacobian=wanted.defence.jacobian,
        spread=wanted.defence.weight_spread,
        entropy=wanted.defence.weight_entropy,
    )
    if not wanted.quantization.is_float:
        model = quantize(
            model, wanted.quantization.weight_bits, wanted.quantization.activation_bits
        )
    assert model(split.x.astype("float32")).shape == (4, 6)


@pytest.mark.thorough
def test_a_float_twin_is_written_without_a_file(tmp_path, capsys, recipe_text):
    text = recipe_text(
        quantization={"weight_bits": "float"},
        defence={"sigma": 30},
        certification={"images": 4, "n": 100, "n0": 20, "radii": [0, 10]},
    )
    (tmp_path / "recipe.toml").write_text(text)
    assert cli.main(["train", str(tmp_path / "recipe.toml")]) == 0
    assert "A float twin" in capsys.readouterr().out
    assert not (tmp_path / "model.tflite").exists()
    model = keras.models.load_model(tmp_path / "model.keras")
    assert type(model.get_layer("logits")) is keras.layers.Dense
