"""Certified accuracy in training against the certifier on the exported file."""

import csv

import keras
import numpy as np
import pytest
import tensorflow as tf
from noisy_models import noisy_model

from qrobust import layers, quantize
from qrobust.callbacks import CertifiedAccuracy, NoiseSchedule
from qrobust.certify import Certifier
from tflite_export import export

RADII = (0.0, 12.5, 25.3)


def data(count=64):
    """Two classes, 120 LSB apart in one pixel."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, count)
    x = np.full((count, 5), 128)
    x[:, 0] += np.where(y, 60, -60)
    x[:, 1:] += rng.integers(-20, 20, (count, 4))
    return x, y


def model_to_fit(wrapped=False):
    inner = quantize(noisy_model(), 4, 4)
    inputs = keras.Input((5,))
    model = keras.Model(inputs, layers.Consistency(inner, 1.0)(inputs)) if wrapped else inner
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.2), loss)
    return model, inner


def certified_on_the_file(inner, x, y, **settings):
    """What the certifier says of the exported file, image by image."""
    shares = []
    with Certifier(export(inner).tflite, sigma=20, seed=3, classes=4, threads=1) as certifier:
        for radius in RADII:
            if settings.get("method") == "sequential":
                settings["radius"] = str(radius)
            certificates = [certifier.certify(a, index=i, **settings) for i, a in enumerate(x)]
            right = [
                c.label == label and (c.settings["radius"] or c.radius_q16 >= radius * 2**16)
                for c, label in zip(certificates, y, strict=True)
            ]
            shares.append(np.mean(np.array(right, bool)))
    return shares


@pytest.mark.ordinary(1)
@pytest.mark.parametrize("method", ["clopper_pearson", "sequential"])
def test_it_is_what_the_certifier_says_of_the_exported_file(method):
    (x, y), (model, inner) = data(), model_to_fit(wrapped=True)
    settings = {"n0": 20, "n": 150, "alpha": "0.01", "method": method}
    watch = CertifiedAccuracy(x[:12], y[:12], radii=RADII[::-1], every=4, seed=3, **settings)
    pixels = x.astype("float32")
    logs = model.fit(pixels, y, epochs=4, batch_size=8, verbose=0, callbacks=[watch]).history
    reported = [logs[f"certified_accuracy_{radius:g}"][-1] for radius in RADII]
    assert reported == certified_on_the_file(inner, x[:12], y[:12], **settings)
    assert reported[0] > 0.5
    assert reported[0] >= reported[1] >= reported[2]


def recorded(recorder, **options):
    """The history's values, of two epochs, with a callback that records them."""
    (x, y), (model, _) = data(), model_to_fit()
    watch = CertifiedAccuracy(x[:4].astype("float32"), y[:4], radii=[12.5], n=100, **options)
    callbacks = [watch, recorder]
    history = model.fit(x.astype("float32"), y, epochs=2, verbose=0, callbacks=callbacks).history
    return history["certified_accuracy_12.5"]


def test_csv_records_it(tmp_path):
    first, second = recorded(keras.callbacks.CSVLogger(tmp_path / "log.csv"), every=2)
    assert np.isnan(first)
    assert 0 <= second <= 1
    with open(tmp_path / "log.csv") as file:
        rows = [row["certified_accuracy_12.5"] for row in csv.DictReader(file)]
    assert rows == ["nan", str(second)]


def test_tensorboard_records_it(tmp_path):
    pytest.importorskip("tensorboard")
    values = recorded(keras.callbacks.TensorBoard(tmp_path, write_graph=False))
    scalars = board_scalars(tmp_path, "epoch_certified_accuracy_12.5")
    assert scalars == dict(enumerate(np.float32(values)))


def board_scalars(folder, tag):
    """Step -> value, read from TensorBoard's own files."""
    from tensorflow.core.util.event_pb2 import Event

    found = {}
    for path in folder.glob("**/events.*"):
        for record in tf.data.TFRecordDataset(str(path)):
            event = Event.FromString(record.numpy())
            for value in event.summary.value:
                if value.tag == tag:
                    found[event.step] = tf.make_ndarray(value.tensor)
    return found


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"radii": []}, "radii="),
        ({"radii": [-1]}, "radii="),
        ({"radii": [1], "every": 0}, "every=0"),
        ({"radii": [1], "method": "anytime"}, "anytime"),
        ({"radii": [1], "n": 0}, "n must be at least 1"),
    ],
)
def test_bad_arguments_are_echoed(options, says):
    x, y = data(4)
    with pytest.raises(ValueError, match=says):
        CertifiedAccuracy(x, y, **options)
    with pytest.raises(ValueError, match="4 and 3"):
        CertifiedAccuracy(x, y[:3], radii=[1])


def test_what_cannot_be_certified_is_an_error():
    x, y = data(4)
    silent = keras.Sequential([keras.Input((5,)), keras.layers.Dense(2)], name="silent")
    for model, options, says in (
        (silent, {}, "'silent' has no GridNoise"),
        (noisy_model(), {"n": 3}, "use n >= 10"),
        (noisy_model(), {"method": "sequential", "radii": [100]}, "use n >="),
    ):
        watch = CertifiedAccuracy(x, y, **{"radii": [1], **options})
        watch.set_model(model)
        # A wrong pilot needs no bound: every label is tried.
        with pytest.raises(ValueError, match=says):
            for label in range(4):
                watch.y = np.full(4, label)
                watch.certify()
    off = CertifiedAccuracy(x + 1000, y, radii=[1])
    off.set_model(noisy_model())
    with pytest.raises(ValueError, match="image 0 holds .* off the model's input grid"):
        off.certify()


def test_a_schedule_may_begin_without_noise_and_sigma_is_taken_as_written():
    (x, y), (model, _) = data(), model_to_fit()
    watch = CertifiedAccuracy(x[:4], y[:4], radii=[1.0], n=50)
    schedule = NoiseSchedule(lambda epoch: 12.7 * epoch)
    logs = model.fit(x.astype("float32"), y, epochs=2, verbose=0, callbacks=[schedule, watch])
    first, second = logs.history["certified_accuracy_1"]
    assert np.isnan(first) and 0 <= second <= 1
    smoothing, _ = watch._smoothing()
    assert smoothing.description["sigma"] == "12.7"
