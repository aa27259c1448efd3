"""Boundary-based retraining, its criteria, and the nonlinear mapping, on the digits.

    python benchmarks/boundary.py [--epochs 12] [--images 300] [--epsilon 16] [--record NAME]
        [--tiny]

After Song, Fallon and Li 2021: adversarial loss (accuracy lost to attacks), quantization loss
(accuracy lost to bits) and both together, of networks trained plainly, on attacked inputs (PGD,
L-inf), on boundary samples, and on both; in float, with weights rounded to 4 bits afterwards and
float activations, and trained further at 4 and at 2 bits. Attacked by the standard worst case in an
L-inf ball, on the first test images, all of them. Then a network behind the nonlinear mapping,
attacked by somebody who does not know it (PGD on the network alone), and by the standard worst case
of the exported file, whose gradients go through the mapping and whose Square asks the file itself.
Beside it the same network without a mapping, trained on as long.
"""

import argparse
import sys
from contextlib import closing
from typing import Any

import keras
import numpy as np
import results
from render import table

import qrobust
from qrobust import layers
from qrobust.architectures import digits_cnn
from qrobust.attacks import (
    LINF,
    Budget,
    KerasTarget,
    TFLiteTarget,
    losses,
    projected_gradient,
    standard_worst_case,
)
from qrobust.datasets import digits
from qrobust.quantization import companding, in_front
from qrobust.training.apply_defence import defend
from tflite_export import export

SEED = 0
REACH = 80
#: Name -> wrappers, the inner one first.
TRAININGS = ("plain", "adversarial", "boundary", "adversarial + boundary")
BITS = {"w4, float activations": None, "w4a4": (4, 4), "w2a2": (2, 2)}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--epsilon", type=float, default=16, help="L-inf, LSB")
    results.add_arguments(parser)
    args = parser.parse_args()
    if args.tiny:
        args.epochs, args.images = 1, 2
    data = digits(SEED)
    x, y = data.test.x[: args.images], data.test.y[: args.images]
    budget = Budget(args.epsilon, LINF)

    def attack(target: Any, x: Any, y: Any) -> Any:
        return standard_worst_case(target, x, y, budget, seed=SEED)

    rows: list[dict[str, Any]] = []
    plain: Any = None
    for training in TRAININGS[: 1 if args.tiny else None]:
        networks = trained(training, data.train, args)
        plain = plain or networks["w4a4"]
        targets = {name: KerasTarget(model, name=name) for name, model in networks.items()}
        for found in losses(targets, x, y, attack):
            rows.append(
                {
                    "training": training,
                    "bits": found.name,
                    "clean": results.share(int(found.clean.sum()), len(x)),
                    "attacked": results.share(int(found.attacked.sum()), len(x)),
                    "adversarial loss": f"{100 * found.adversarial:.1f}",
                    "quantization loss": f"{100 * found.quantization:+.1f}",
                    "both": f"{100 * found.joint:.1f}",
                }
            )
    print(table(rows))
    mapped = mapping_rows(plain, data.train, x, y, budget, args)
    print(f"\n{table(mapped)}")
    results.record(
        args.record, counts=rows, speeds=mapped, data={"digits, for tests": x}, seed=SEED
    )
    return 0


def network() -> Any:
    """The digits' network with a noise layer of sigma 0, which says its grid."""
    keras.utils.set_random_seed(SEED)
    return defend(digits_cnn(width=8, batch_norm=False), sigma=0, seed=SEED)


def trained(training: str, train: Any, args: argparse.Namespace) -> dict[str, Any]:
    """Float, and every bit width trained further from it in the same way."""
    start = fitted(network(), training, train, args, 3e-3)
    models = {"float": start}
    for name, bits in BITS.items():
        twin = (
            only_weights(start)
            if bits is None
            else qrobust.quantize(start, *bits, calibrate=train.x[:300])
        )
        models[name] = fitted(twin, training, train, args, 1e-3)
    return models


def only_weights(model: Any) -> Any:
    """A copy with its kernels rounded to 4 bits after training, activations in float."""
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    from qrobust.quantizers import PowerOfTwoWeights

    quantizer = PowerOfTwoWeights(4)
    for layer in copy.layers:
        if hasattr(layer, "kernel"):
            layer.kernel.assign(quantizer(keras.ops.convert_to_tensor(layer.kernel)))
            layer.trainable = False
    return copy


def fitted(model: Any, training: str, train: Any, args: argparse.Namespace, rate: float) -> Any:
    """Plain ``fit`` inside the wrappers; the model inside comes back."""
    if not any(layer.trainable_variables for layer in model.layers):
        return model
    inputs = keras.Input(model.inputs[0].shape[1:])
    wrapped: Any = model
    if "adversarial" in training:
        wrapped = layers.SmoothAdversarial(wrapped, args.epsilon, steps=2, copies=1, norm="linf")
    if "boundary" in training:
        wrapped = layers.BoundarySamples(wrapped, REACH, seed=SEED)
    outer = model if wrapped is model else keras.Model(inputs, wrapped(inputs))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    outer.compile(keras.optimizers.Adam(rate), loss)
    outer.fit(train.x.astype("float32"), train.y, epochs=args.epochs, batch_size=64, verbose=0)
    return model


def mapping_rows(plain: Any, train: Any, x: Any, y: Any, budget: Any, args: Any) -> list[Any]:
    """A network behind the mapping and one without, both trained on as long, under each attack."""
    alone = keras.models.clone_model(plain)
    alone.set_weights(plain.get_weights())
    chained = in_front(companding(x.shape[1:]), plain)
    behind = chained.layers[-1]
    rows = []
    for name, model, unaware in (("no mapping", alone, None), ("mapping", chained, behind)):
        fitted(model, "plain", train, args, 1e-3)
        judge = KerasTarget(model, name=name)
        with closing(TFLiteTarget(export(model).tflite)) as file:
            found = standard_worst_case(file, x, y, budget, surrogate=judge, seed=SEED)
        stands = {}
        if unaware is not None:
            moved = judge.logits(strongest(unaware, x, y, budget)).argmax(1)
            stands["PGD, does not know the mapping"] = found.right & (moved == y)
        stands |= {attack.name: ~attack.fallen for attack in found.attacks}
        stands["standard worst case"] = found.left
        rows += [
            {
                "network": name,
                "attack": attack,
                "clean": results.share(int(found.right.sum()), len(x)),
                "attacked": results.share(int(left.sum()), len(x)),
            }
            for attack, left in stands.items()
        ]
    return rows


def strongest(model: Any, x: Any, y: Any, budget: Any) -> Any:
    """The points of least margin that gradients find; inputs where the model errs anyway."""
    source = KerasTarget(model)
    found = projected_gradient(
        source,
        x,
        y,
        budget,
        steps=20,
        restarts=2,
        losses=("cross_entropy", "margin"),
        stop=False,
    )
    return np.where((source.logits(x).argmax(1) == y).reshape(-1, 1, 1, 1), found.strongest, x)


if __name__ == "__main__":
    sys.exit(main())
