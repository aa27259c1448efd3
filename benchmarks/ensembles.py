"""Ensembles beside their members: certified together, in one file or stopping early; bit widths.

    python benchmarks/ensembles.py [--sigma 64] [--radii 32 64] [--images 300] [--n 10000]
        [--members NAME=M.keras ... --larger NAME=L.keras --data DIR] [--bits NAME=B.keras ...]
        [--attacked 100] [--epsilon 8] [--state DIR] [--record NAME] [--tiny]

SWEEN (Liu et al. 2020): members on one logit grid with weights learned on noisy training images, as
one exact file; adaptive prediction and K-consensus (Horvath et al. 2022) as bundles. Beside them
every member, the upper envelope of the members (at each radius the best of them, chosen on these
very images: in its favour), and larger networks. Sequential tests at every radius, alpha .001, at
most n votes; differences to the envelope and to each larger network, paired, with exact 95 %
intervals over images. Without ``--members`` three networks of the digits are trained here, with
noise and consistency, 4 bits, on four fifths
of the training set, weights and thresholds learned on the rest. With ``--members`` they are
CIFAR-10 networks, which may have seen the training images, so that weights learned there would
favour who knows them best: they count alike, and only thresholds are learned, on the last ones.
What is certified is kept under ``--state`` and not certified again.

Then Bernhard et al. 2019: one network in several bit widths as an ensemble (the first of ``--bits``
is the attacker's only), under PGD on itself, PGD on each member and on a surrogate ensemble of all
of them, and Square on the file; on images that the target classifies right.
"""

import argparse
import hashlib
import json
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import keras
import numpy as np
import results
from grid.paired import paired_points
from render import table

import qrobust
from qrobust import datasets, layers
from qrobust.architectures import digits_cnn
from qrobust.attacks import (
    LINF,
    Budget,
    KerasTarget,
    MixtureTarget,
    TFLiteTarget,
    projected_gradient,
    square,
)
from qrobust.certify import Certifier
from qrobust.ensembles import combine, learn_bundle
from qrobust.load_keras import load_keras
from qrobust.training.apply_defence import defend
from tflite_export import export
from tflite_export.atomic import write_text

SEED = 0
WIDTHS = ((4, 4), (3, 3), (2, 2))


def main() -> int:
    args = arguments()
    data = datasets.digits(SEED) if not args.members else datasets.cifar10(args.data)
    held = slice(-args.learn, None)
    if args.members:
        members, larger = named(args.members), named(args.larger)
    else:
        kept = slice(0, -args.learn)
        part = datasets.Split(data.train.x[kept], data.train.y[kept])
        members = {f"seed {seed}": trained(part, seed, 8, args) for seed in range(args.count)}
        larger = {"larger": trained(part, 0, 16, args)}
    files = {name: export(model).tflite for name, model in members.items()}
    x, y = data.train.x[held], data.train.y[held]
    found = {
        rule: learn_bundle(
            list(files.values()), x, y, f"{args.sigma:g}", rule=rule, seed=SEED,
            weights=(1,) * len(files) if args.members else None,
        )
        for rule in ("adaptive", "consensus")
    }  # fmt: skip
    weights = (1,) * len(files) if args.members else found["adaptive"].learned.weights
    joined = export(combine(list(members.values()), weights)).tflite
    print(f"weights {weights}, thresholds {found['adaptive'].bundle.thresholds}", flush=True)
    judged = {name: judge(content, data.test, args) for name, content in files.items()}
    for name, model in larger.items():
        judged[name] = judge(export(model).tflite, data.test, args)
    judged["mean, one file"] = judge(joined, data.test, args)
    for rule, learned in found.items():
        judged[f"{rule}, bundle"] = judge(learned.bundle.to_bytes(), data.test, args)
    counts, speeds = certified_rows(judged, list(files), list(larger), args)
    print(table(counts))
    print(f"\n{table(speeds)}")
    attacked = attacked_rows(data, args) if args.attacked else []
    print(f"\n{table(attacked)}" if attacked else "")
    if args.members:
        print("\nequal weights; the images that thresholds were learned on may be the members' own")
    given = [Path(item.partition("=")[2]) for item in (*args.members, *args.larger, *args.bits)]
    results.record(
        args.record,
        counts=counts,
        speeds=speeds,
        models=given,
        data={f"test, the first {args.images}": data.test.x[: args.images]},
        seed=SEED,
    )
    if attacked:
        results.record(
            args.record and f"{args.record}_attacked",
            counts=attacked,
            models=given,
            data={f"test, the first {args.attacked}": data.test.x[: args.attacked]},
            seed=SEED,
        )
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--members", nargs="*", default=[], metavar="NAME=M.keras")
    parser.add_argument("--larger", nargs="*", default=[], metavar="NAME=L.keras")
    parser.add_argument("--bits", nargs="*", default=[], metavar="NAME=B.keras")
    parser.add_argument("--data", help="folder of CIFAR-10")
    parser.add_argument("--state", type=Path, help="folder of what is certified already")
    parser.add_argument("--sigma", type=float, default=64)
    parser.add_argument("--radii", type=float, nargs="+", default=[32, 64])
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--learn", type=int, default=240, help="training images to learn on")
    parser.add_argument("--attacked", type=int, default=100, help="images; 0: no attacks")
    parser.add_argument("--epsilon", type=float, default=24, help="L-inf, LSB")
    parser.add_argument("--queries", type=int, default=300, help="of Square")
    parser.add_argument("--epochs", type=int, default=12)
    results.add_arguments(parser)
    args = parser.parse_args()
    args.count = 3
    if args.tiny:
        args.images, args.n, args.epochs, args.attacked, args.count = 3, 200, 1, 2, 2
        args.radii, args.queries = args.radii[:1], 5
    return args


def named(items: list[str]) -> dict[str, Any]:
    """NAME=PATH -> networks."""
    pairs = [item.partition("=") for item in items]
    return {name: load_keras(Path(path)) for name, _, path in pairs}


def fit(model: Any, train: Any, epochs: int, rate: float) -> Any:
    """Plain ``compile`` and ``fit``."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss)
    model.fit(train.x.astype("float32"), train.y, epochs=epochs, batch_size=64, verbose=0)
    return model


def trained(train: Any, seed: int, width: int, args: argparse.Namespace) -> Any:
    """A network of the digits with noise and consistency: float, then 4 bits."""
    keras.utils.set_random_seed(seed)
    model = defend(digits_cnn(width=width, batch_norm=False), sigma=args.sigma, seed=seed)
    for bits in (None, (4, 4)):
        if bits is not None:
            model = qrobust.quantize(model, *bits, calibrate=train.x[:300])
        inputs = keras.Input(model.inputs[0].shape[1:])
        outer = keras.Model(inputs, layers.Consistency(model, 5)(inputs))
        fit(outer, train, args.epochs, 3e-3 if bits is None else 1e-3)
    return model


def judge(content: bytes, test: Any, args: argparse.Namespace) -> dict[str, Any]:
    """Whether each image is certified right at each radius, and what it took."""
    x, y = test.x[: args.images], test.y[: args.images]
    asked = [args.sigma, args.radii, args.n, hashlib.sha256(x.tobytes()).hexdigest(), SEED]
    kept = args.state and args.state / f"{content_sha256(content, asked)}.json"
    if kept and kept.exists():
        found = json.loads(kept.read_text())
        return found | {"right": {float(r): np.array(v) for r, v in found["right"].items()}}
    right, samples = {}, 0
    with Certifier(content, sigma=f"{args.sigma:g}", classes=10, seed=SEED) as certifier:
        started = certifier.counter.cpu_seconds()
        before = certifier.counter.evaluations
        for radius in args.radii:
            found = [
                certifier.certify(
                    image, n0=50, n=args.n, alpha="0.001", method="sequential_early",
                    radius=f"{radius:g}", index=i,
                )
                for i, image in enumerate(x)
            ]  # fmt: skip
            right[radius] = np.array([c.label == label for c, label in zip(found, y, strict=True)])
            samples += sum(c.samples for c in found)
        seconds = certifier.counter.cpu_seconds() - started
        evaluations = certifier.counter.evaluations - before
    judged = {
        "right": right,
        "bytes": len(content),
        "evaluations": evaluations / samples,
        "votes": samples / max(seconds, 1e-3),
        "samples": samples,
    }
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        lists = {"right": {f"{radius:g}": v.tolist() for radius, v in right.items()}}
        write_text(kept, json.dumps(judged | lists))
    return judged


def content_sha256(content: bytes, asked: Any) -> str:
    """SHA-256 of a file and of what is asked about it."""
    return hashlib.sha256(content + json.dumps(asked).encode()).hexdigest()


def certified_rows(
    judged: dict[str, Any], members: list[str], larger: list[str], args: argparse.Namespace
) -> tuple[list[Any], list[Any]]:
    """Certified accuracy, differences to the envelope and to larger ones; what a vote costs."""
    counts = []
    for name, found in judged.items():
        cells: dict[str, Any] = {}
        for radius in args.radii:
            mine = found["right"][radius]
            best = max(members, key=lambda m, r=radius: judged[m]["right"][r].sum())
            cells[f"certified at {radius:g}"] = results.share(int(mine.sum()), len(mine))
            others = {"the envelope": best} | {other: other for other in larger}
            for whose, other in others.items():
                compared = name not in members and name != other
                theirs = judged[other]["right"][radius]
                cells[f"points over {whose} at {radius:g}"] = (
                    paired_points(mine, theirs) if compared else "-"
                )
        evaluations = f"{found['evaluations']:.2f}"
        size = f"{found['bytes']:,}"
        counts.append(
            {"file": name, "bytes": size, **cells, "member evaluations a vote": evaluations}
        )
    speeds = [
        {"file": name, "votes a second of processor time": f"{found['votes']:.0f}",
         "votes in all": f"{found['samples']:,}"}
        for name, found in judged.items()
    ]  # fmt: skip
    return counts, speeds


def attacked_rows(data: Any, args: argparse.Namespace) -> list[Any]:
    """One network in several bit widths, and their ensembles, under attack."""
    if args.bits:
        networks = named(args.bits)
    else:
        keras.utils.set_random_seed(SEED)
        parent = defend(digits_cnn(width=8, batch_norm=False), sigma=0, seed=SEED)
        networks = {"float": fit(parent, data.train, args.epochs, 3e-3)}
        for bits in WIDTHS:
            twin = qrobust.quantize(parent, *bits, calibrate=data.train.x[:300])
            networks["w{}a{}".format(*bits)] = fit(twin, data.train, args.epochs, 1e-3)
    own = list(networks)[1:]
    sources = {name: KerasTarget(model, name=name) for name, model in networks.items()}
    surrogate = MixtureTarget(list(sources.values()), name="surrogate ensemble")
    subjects = {name: networks[name] for name in own}
    subjects["ensemble (mean)"] = combine([networks[name] for name in own], name="mean")
    majority = combine([networks[name] for name in own], rule="majority", name="majority")
    subjects["ensemble (majority)"] = majority
    x, y = data.test.x[: args.attacked], data.test.y[: args.attacked]
    budget = Budget(args.epsilon, LINF)
    options: dict[str, Any] = {"steps": 20, "restarts": 2, "losses": ("cross_entropy", "margin")}
    options |= {"stop": False, "seed": SEED}
    points = {
        name: projected_gradient(source, x, y, budget, **options).strongest
        for name, source in (*sources.items(), ("surrogate ensemble", surrogate))
    }
    rows = []
    for name, model in subjects.items():
        target = KerasTarget(model, name=name)
        right = target.logits(x).argmax(1) == y
        # A majority's own gradients vanish: what follows the mean of its members is shown to it.
        through = KerasTarget(subjects["ensemble (mean)"]) if "majority" in name else target
        white = projected_gradient(through, x, y, budget, **options).strongest
        cells: dict[str, Any] = {"target": name, "clean": results.share(int(right.sum()), len(x))}
        left = right & (target.logits(white).argmax(1) == y)
        worst = left.copy()
        cells["PGD on itself"] = results.share(int(left.sum()), len(x))
        for source, found in points.items():
            stands = right & (target.logits(found).argmax(1) == y)
            cells[f"from {source}"] = (
                "-" if source == name else results.share(int(stands.sum()), len(x))
            )
            worst &= stands
        with closing(TFLiteTarget(export(model).tflite)) as file:
            fallen = square(file, x, y, budget, queries=args.queries, seed=SEED).fallen
        cells["Square"] = results.share(int((~fallen).sum()), len(x))
        cells["worst case"] = results.share(int((worst & ~fallen).sum()), len(x))
        rows.append(cells)
    return rows


if __name__ == "__main__":
    sys.exit(main())
