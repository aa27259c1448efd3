"""Weights as distributions on the digits: the mean, one draw, K draws; certified and attacked.

    python benchmarks/weight_distributions.py [--epochs 12] [--images 300] [--attacked 150]
        [--epsilon 40] [--record NAME] [--tiny]

After Khan et al. 2019: every weight of a small network is drawn in training (``spread``, with and
without the entropy term), beside the same network with fixed weights; all see the same noise of 64
LSB, and 4 bits. Exported are the mean network and K networks, of which one answers every noisy
copy (`qrobust bundle --draws`). Certified: n = 1,000, alpha .001. Attacked: PGD in an L-inf ball,
on the one network that an attacker happens to hold, on the mean network, and on all K at once
(EOT over weights, the mean of their gradients); what counts is the share of right answers of the
K networks, expected over the draw, on the strongest points of each attack.
"""

import argparse
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import results
from render import table

import qrobust
from qrobust.architectures import digits_cnn
from qrobust.attacks import (
    LINF,
    Budget,
    KerasTarget,
    MixtureTarget,
    TFLiteTarget,
    projected_gradient,
)
from qrobust.certify import Certifier
from qrobust.certify.file.bundle import DRAW, Bundle
from qrobust.datasets import digits
from qrobust.ensembles import draw_members
from qrobust.layers import WeightDistribution
from qrobust.training.apply_defence import defend
from tflite_export import export
from tflite_export.keras_private import layers_inside

SIGMA, RADII, SEED = 64, (0, 32, 64), 0
SETTINGS = {"fixed": (0.0, 0.0), "drawn": (0.2, 0.0), "drawn, entropy": (0.2, 0.1)}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--attacked", type=int, default=150)
    parser.add_argument("--epsilon", type=float, default=40, help="L-inf, LSB")
    parser.add_argument("--draws", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--n", type=int, default=1000)
    results.add_arguments(parser)
    args = parser.parse_args()
    if args.tiny:
        args.epochs, args.images, args.attacked, args.draws, args.n = 1, 2, 2, [2], 100
    data = digits(SEED)
    rows: list[dict[str, Any]] = []
    for name, (spread, entropy) in SETTINGS.items():
        if args.tiny and name == "drawn":
            continue
        model = trained(data.train, spread, entropy, args.epochs)
        known = [np.asarray(keras.ops.softplus(x.rho)).ravel() for x in layers_inside(model)
                 if isinstance(x, WeightDistribution)]  # fmt: skip
        learned = f"{np.median(np.concatenate(known)):.3f}" if known else "-"
        about = {"weights": name, "median spread": learned}
        drawn = draw_members(model, max(args.draws), seed=SEED) if spread else []
        networks = [Network.of(member) for member in (model, *drawn)]
        for row in judged(networks, args.draws if spread else [], data.test, args):
            rows.append(about | row)
        print(table(rows), flush=True)
    results.record(
        args.record,
        counts=rows,
        data={"digits, for tests": data.test.x},
        seed=SEED,
    )
    return 0


def trained(train: Any, spread: float, entropy: float, epochs: int) -> Any:
    """A quantized network, trained in float first."""
    keras.utils.set_random_seed(SEED)
    model = defend(
        digits_cnn(width=8, batch_norm=False),
        sigma=SIGMA,
        spread=spread,
        entropy=entropy,
        seed=SEED,
    )
    model = fitted(model, train, epochs, 3e-3)
    twin = qrobust.quantize(model, 4, 4, calibrate=train.x[:300])
    return fitted(twin, train, epochs, 1e-3)


def fitted(model: Any, train: Any, epochs: int, rate: float) -> Any:
    """Plain ``compile`` and ``fit``."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss)
    model.fit(train.x.astype("float32"), train.y, epochs=epochs, batch_size=64, verbose=0)
    return model


@dataclass(frozen=True)
class Network:
    """A network as a file, which answers, and as a target, which shows gradients."""

    tflite: bytes
    target: KerasTarget

    @classmethod
    def of(cls, model: Any) -> "Network":
        """A Keras model, exported."""
        return cls(export(model).tflite, KerasTarget(model))


def judged(
    networks: list[Network], draws: list[int], test: Any, args: argparse.Namespace
) -> Iterator[dict[str, Any]]:
    """A row of the mean network, the first, and one of every mixture of the first K drawn ones."""
    mean, members = networks[0], networks[1:]
    x, y = test.x[: args.attacked], test.y[: args.attacked]
    budget = Budget(args.epsilon, LINF)

    def points(source: Any) -> Any:
        return projected_gradient(
            source, x, y, budget, steps=20, restarts=2, losses=("cross_entropy", "margin"),
            stop=False, seed=SEED,
        ).strongest  # fmt: skip

    through_mean = points(mean.target)
    through_one = points(members[0].target) if members else None
    yield {
        "who answers": "the mean" if members else "the network",
        "clean": right([mean], x, y),
        **certified([mean], test, args),
        "attacked through one drawn": "-" if members == [] else right([mean], through_one, y),
        "through the mean": right([mean], through_mean, y),
        "through all (EOT)": "-",
    }
    for k in draws:
        some = members[:k]
        mixture = MixtureTarget([member.target for member in some])
        together = through_one if k == 1 else points(mixture)
        yield {
            "who answers": f"{k} drawn",
            "clean": right(some, x, y),
            **certified(some, test, args),
            "attacked through one drawn": right(some, through_one, y),
            "through the mean": right(some, through_mean, y),
            "through all (EOT)": right(some, together, y),
        }


def certified(some: list[Network], test: Any, args: argparse.Namespace) -> dict[str, Any]:
    """Certified accuracy of a mixture, a draw for every copy."""
    files = tuple(network.tflite for network in some)
    content = Bundle(DRAW, files, (1,) * len(files)).to_bytes()
    x, y = test.x[: args.images], test.y[: args.images]
    with Certifier(content, sigma=SIGMA, classes=10, seed=SEED) as certifier:
        found = [
            certifier.certify(image, n0=100, n=args.n, alpha="0.001", index=i)
            for i, image in enumerate(x)
        ]
    return {
        f"certified at {r}": results.share(
            sum(c.label == label and c.radius >= r for c, label in zip(found, y, strict=True)),
            len(x),
        )
        for r in RADII
    }


def right(networks: list[Network], x: Any, y: Any) -> str:
    """Right answers of the files, expected over the draw."""
    shares = []
    for network in networks:
        with closing(TFLiteTarget(network.tflite, trusted=True, threads=1)) as file:
            shares.append(float((file.logits(x).argmax(1) == y).mean()))
    return f"{100 * np.mean(shares):.1f} %"


if __name__ == "__main__":
    sys.exit(main())
