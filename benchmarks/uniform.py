"""Trains digits networks with uniform noise, the classic for L1, to set beside counted splits.

    python benchmarks/uniform.py [--reach 256 512] [--tiny]

The same network, bits, epochs and consistency as models/digits_l1's Gaussian recipes, with noise
``sat(x + k)``, every ``k_i`` a whole number drawn uniformly from -reach to reach (Lee et al. 2019,
Yang et al. 2020, on integers). Writes models/digits_l1/uniformREACH.tflite. The product has
no such noise; what it would be worth beside splits is what `benchmarks/counting.py` measures.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
from keras import ops
from results import PROJECT

from qrobust.layers import GridNoise
from qrobust.quantization.quantize import quantize
from qrobust.training.apply_defence import defend
from qrobust.training.phase import FLOAT, QUANTIZED, fit
from qrobust.training.recipe import read_recipe
from qrobust.training.train import build, load_data
from tflite_export import export
from tflite_export.atomic import write_bytes

FOLDER = PROJECT / "models" / "digits_l1"
RECIPE = FOLDER / "gaussian64.toml"
REACHES = (256, 512)


class UniformNoise(GridNoise):
    """Whole numbers drawn uniformly from -reach to reach, saturated as the device saturates."""

    def __init__(self, reach: int, **kwargs: object) -> None:
        kwargs.pop("sigma", None)
        super().__init__(0, **kwargs)
        self.reach = reach

    def call(self, inputs, training=False):
        """Add noise in training."""
        if not training:
            return inputs
        drawn = keras.random.randint(
            ops.shape(inputs), -self.reach, self.reach + 1, dtype="int32", seed=self._generator
        )
        return ops.clip(inputs + ops.cast(drawn, inputs.dtype), self.minimum, self.maximum)

    def get_config(self):
        """The constructor's arguments."""
        return {**super().get_config(), "reach": self.reach}


def train(reach: int, *, epochs: int | None = None) -> bytes:
    """The file of a network that was trained with uniform noise.

    Args:
        reach: of the noise, in LSB.
        epochs: of each phase; those of the recipe by default.
    """
    recipe = read_recipe(RECIPE)
    recipe = replace(recipe, defence=replace(recipe.defence, sigma=0.0))
    if epochs is not None:
        phases = {"epochs": epochs, "float_epochs": epochs, "frozen_epochs": 0}
        recipe = replace(recipe, training=replace(recipe.training, **phases))
    dataset = load_data(recipe, None)
    noise = UniformNoise(reach, seed=recipe.seed, name="noise")
    model = defend(build(recipe, dataset), noise=noise)
    model = fit(model, recipe, dataset, phase=FLOAT)
    some = dataset.train.x[np.random.default_rng(recipe.seed).permutation(len(dataset.train.x))]
    seen = noise(some[:512].astype("float32"), training=True)
    bits = recipe.quantization
    # The exporter knows no such noise, and does not have to: at export it is gone.
    twin = quantize(
        model, bits.weight_bits, bits.activation_bits, calibrate=np.asarray(seen), exact=False
    )
    twin = fit(twin, recipe, dataset, phase=QUANTIZED)
    return export(without_noise(twin), labels=dataset.class_names).tflite


def without_noise(model: keras.Model) -> keras.Model:
    """The same network behind a layer that adds nothing."""

    def copied(layer):
        if isinstance(layer, UniformNoise):
            return GridNoise(0, name=layer.name)
        return type(layer).from_config(layer.get_config())

    clean = keras.models.clone_model(model, clone_function=copied)
    clean.set_weights(model.get_weights())
    return clean


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--reach", type=int, nargs="+", default=REACHES, help="in LSB")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder of the networks")
    parser.add_argument("--tiny", action="store_true", help="one epoch of each phase")
    args = parser.parse_args()
    for reach in args.reach:
        path = args.out / f"uniform{reach}.tflite"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, train(reach, epochs=1 if args.tiny else None))
        print(f"{path.name} written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
