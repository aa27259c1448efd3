"""What one training step of ResNet-8 costs, quantized and defended, beside a plain float step.

    python benchmarks/train_step.py [--rounds 7] [--batch 128] [--record train_step] [--tiny]

All contenders train on the same batch of 32 x 32 x 3 pixels with Adam through Keras's own
``train_on_batch``, and take turns; a step is the median over all rounds. "CPU" is processor time
over all threads, which other programs on the machine hardly change. Ratios are to the float step of
Keras's own layers, and of a defence to the quantized step with noise, too. Stock QKeras is the same
network of QKeras's layers and quantizers, once as convolution, batch norm and activation, once with
its folded ``QConv2DBatchnorm``.
"""

import argparse
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import keras
import numpy as np
import qkeras
import results
from tabulate import tabulate
from tqdm import tqdm

from qrobust import architectures, quantize
from qrobust.layers import Consistency, JacobianRegularized
from qrobust.training.apply_defence import defend

SHAPE, CLASSES = (32, 32, 3), 10
SIGMA = 64
FLOAT, QUANTIZED, NOISY = "float", "w4a4, folded", "w4a4, folded, noise"
PER_LAYER, LOGITS, CONSISTENT = "+ per-layer Jacobian", "+ logits Jacobian, n = 1", "+ consistency"
STOCK, STOCK_FOLDED = "stock QKeras, w4a4", "stock QKeras, w4a4, folded"
# Name -> the largest ratio aimed at, beside Keras's own float step.
AIMS: dict[str, float | None] = {
    FLOAT: None,
    QUANTIZED: 0.9,
    STOCK: None,
    STOCK_FOLDED: None,
    NOISY: None,
    PER_LAYER: 1.1,
    LOGITS: 2.0,
    CONSISTENT: 2.0,
}
_WARM_UP = 3
_STEPS = 4


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7, help="turns of every contender")
    parser.add_argument("--batch", type=int, default=128)
    results.add_arguments(parser)
    args = parser.parse_args()
    names = list(CONTENDERS)
    if args.tiny:
        args.rounds, args.batch, names = 1, 4, [FLOAT, QUANTIZED]
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (args.batch, *SHAPE)).astype(np.float32)
    y = rng.integers(0, CLASSES, args.batch)
    models = {name: compiled(CONTENDERS[name]()) for name in names}
    clocks = interleaved(models, x, y, args.rounds)
    rows = table(clocks)
    print(tabulate(rows, headers="keys", tablefmt="github", floatfmt=".2f"))
    results.record(args.record, speeds=rows, seed=0)
    return 0


def table(clocks: dict[str, tuple[float, float]]) -> list[dict[str, Any]]:
    """Rows of the printed table from wall and processor seconds of a step."""
    rows = []
    for name, (wall, cpu) in clocks.items():
        row = {"step": name, "ms": 1e3 * wall, "CPU ms": 1e3 * cpu}
        for other in (FLOAT, NOISY):
            defends = AIMS[name] is not None and name != QUANTIZED
            if other in clocks and (other == FLOAT or defends):
                row[f"beside {other}"] = wall / clocks[other][0]
                row[f"CPU, beside {other}"] = cpu / clocks[other][1]
        rows.append({**row, "aim, beside float": AIMS[name]})
    return rows


def interleaved(
    models: dict[str, Any], x: np.ndarray, y: np.ndarray, rounds: int
) -> dict[str, tuple[float, float]]:
    """Median wall and processor seconds of a step of each model; models take turns."""
    for model in tqdm(models.values(), desc="compiling", file=sys.stderr):
        for _ in range(_WARM_UP):
            model.train_on_batch(x, y)
    walls: dict[str, list[float]] = {name: [] for name in models}
    cpus: dict[str, list[float]] = {name: [] for name in models}
    for _ in tqdm(range(rounds), desc="rounds", file=sys.stderr):
        for name, model in models.items():
            for _ in range(_STEPS):
                wall, cpu = time.perf_counter(), time.process_time()
                model.train_on_batch(x, y)
                walls[name].append(time.perf_counter() - wall)
                cpus[name].append(time.process_time() - cpu)
    return {name: (median(walls[name]), median(cpus[name])) for name in models}


def compiled(model: Any) -> Any:
    model.compile(
        optimizer=keras.optimizers.Adam(1e-3),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        # XLA makes every one of these several times slower on a CPU.
        jit_compile=False,
    )
    return model


def float_model() -> Any:
    return architectures.resnet8(SHAPE, CLASSES)


def noisy(jacobian: float = 0.0) -> Any:
    return quantize(defend(float_model(), sigma=SIGMA, jacobian=jacobian), 4, 4)


def wrapped(wrapper: Callable[[Any], Any]) -> Any:
    inputs = keras.Input(SHAPE)
    return keras.Model(inputs, wrapper(noisy())(inputs))


def stock(folded: bool) -> Any:
    """ResNet-8 as QKeras's users write it."""
    weights = qkeras.quantized_bits(4, 0, alpha="auto_po2")
    bias = qkeras.quantized_bits(8, 3)
    relu = "quantized_relu(4,2)"

    def conv(x: Any, filters: int, size: int, strides: int = 1, *, norm: bool = True) -> Any:
        options = {
            "strides": strides,
            "padding": "same",
            "kernel_quantizer": weights,
            "bias_quantizer": bias,
        }
        if norm and folded:
            return qkeras.QConv2DBatchnorm(filters, size, **options)(x)
        x = qkeras.QConv2D(filters, size, **options)(x)
        return keras.layers.BatchNormalization()(x) if norm else x

    inputs = keras.Input(SHAPE)
    x = qkeras.QActivation(relu)(conv(keras.layers.Rescaling(1 / 256)(inputs), 16, 3))
    for stage, filters in enumerate((16, 32, 64)):
        strides = 1 if stage == 0 else 2
        y = qkeras.QActivation(relu)(conv(x, filters, 3, strides))
        y = qkeras.QActivation("quantized_bits(8,3)")(conv(y, filters, 3))
        if stage:
            x = qkeras.QActivation("quantized_bits(8,3)")(conv(x, filters, 1, 2, norm=False))
        x = qkeras.QActivation(relu)(keras.layers.Add()([x, y]))
    x = keras.layers.GlobalAveragePooling2D()(x)
    logits = qkeras.QDense(CLASSES, kernel_quantizer=weights, bias_quantizer=bias)(x)
    return keras.Model(inputs, logits)


CONTENDERS: dict[str, Callable[[], Any]] = {
    FLOAT: float_model,
    QUANTIZED: lambda: quantize(float_model(), 4, 4),
    STOCK: lambda: stock(folded=False),
    STOCK_FOLDED: lambda: stock(folded=True),
    NOISY: noisy,
    PER_LAYER: lambda: noisy(jacobian=1e-3),
    LOGITS: lambda: wrapped(lambda model: JacobianRegularized(model, 1e-3)),
    CONSISTENT: lambda: wrapped(lambda model: Consistency(model, 10.0)),
}


if __name__ == "__main__":
    sys.exit(main())
