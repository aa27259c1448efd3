"""The standard worst case beside an independent ensemble, on the shipped networks.

    python benchmarks/worst_case.py [MODEL ...] [--data FOLDER] [--images N] [--restarts 2]
        [--keep FOLDER] [--record worst_case] [--tiny]

MODEL is a folder of ``models`` with a file (default: all of them that classify whole inputs). Ours
is `standard_worst_case`: APGD on the cross entropy, APGD on the targeted DLR loss, Square with
5,000 queries. The ensemble is ART's: its auto-PGD on the cross entropy and on the DLR loss, and
targeted at the nine most likely other classes, and its Square with 5,000 queries, on the Keras
model with rounded inputs and straight-through gradients; each on what the ones before left
standing. Both are judged by the same integers of the same ``.tflite`` on the same images, and both
count, of all images, those that are right and stay right. Ours holds where it leaves at most one
point more than the ensemble; the exit status is 1 where it does not. Epsilon is the recipe's; for
the digits, whose 8 x 8 pixels are coarse, 40 LSB.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import results
from numpy.typing import NDArray
from tabulate import tabulate

from qrobust.attacks import Budget, KerasTarget, TFLiteTarget, project, standard_worst_case
from qrobust.load_keras import load_keras
from qrobust.training.recipe import read_recipe
from qrobust.training.train import load_data

POINT = 0.01
MODELS = results.PROJECT / "models"
#: The digits' 8 x 8 pixels are coarse.
COARSE = {"digits": 40.0}
STEPS, QUERIES, AIMS, RESTARTS = 100, 5000, 9, 2

#: Name of the results, and what of a network they are of.
RESULTS, PARTS = "worst_case", ("model.tflite", "model.keras")

#: Images of each network but those of the digits, of which all are taken: they are soon done.
IMAGES = 100

Points = NDArray[np.float32]
Row = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """What is measured of a network: the images, epsilon in LSB, restarts of ART's auto-PGD."""

    x: NDArray[Any]
    epsilon: float
    restarts: int


def main() -> int:
    args = arguments()
    if args.tiny:
        args.models, args.images, args.restarts = ["digits"], 2, 1
    rows, speeds, files, data, earlier = [], [], [], {}, {}
    for name in args.models or shipped():
        recipe = read_recipe(results.recipe_of(MODELS / name))
        test = load_data(recipe, args.data).test
        images = args.images or (len(test) if recipe.data.name in COARSE else IMAGES)
        x, y = test.x[:images], np.asarray(test.y[:images])
        task = Task(np.asarray(x), epsilon_of(recipe), args.restarts)
        row, speed, origin = kept(
            args.keep, name, task, lambda n=name, r=recipe, x=x, y=y: compare(n, r, x, y, args)
        )
        print({k: v["count"] if isinstance(v, dict) else v for k, v in row.items()}, flush=True)
        rows.append(row)
        speeds.append(speed)
        earlier |= {name: origin} if origin else {}
        files += [MODELS / name / part for part in PARTS]
        data[named(name, len(x))] = task.x
    print(tabulate(speeds, headers="keys", tablefmt="github"))
    about: dict[str, Any] = {"models": files, "data": data, "earlier": earlier, "seed": 0}
    results.record(args.record, counts=rows, speeds=speeds, **about)
    # Of two images, one that holds is 50 points.
    return int(not args.tiny and not all(row["holds"] for row in rows))


def shipped() -> list[str]:
    """Names of the folders of models with a file and its Keras network, of which one input is one.

    Of networks that count views a file takes a view; what is attacked there is their count.
    """
    folders = (path.parent for path in sorted(MODELS.rglob("model.tflite")))
    return [
        folder.relative_to(MODELS).as_posix()
        for folder in folders
        if (folder / "model.keras").is_file()
        and not read_recipe(results.recipe_of(folder)).defence.counts
    ]


def kept(
    folder: Path | None, name: str, task: Task, measure: Callable[[], tuple[Row, Row]]
) -> tuple[Row, Row, str]:
    """What was measured before on these very files, or recorded, or is measured now.

    Returns:
        The counts, the CPU seconds, and where they come from if they were recorded.
    """
    parts = [results.file_sha256(MODELS / name / part) for part in PARTS]
    other = "" if task.restarts == RESTARTS else f"_{task.restarts}_restarts"
    about = f"{name.replace('/', '_')}_{len(task.x)}_{parts[0][:8]}{parts[1][:8]}{other}"
    path = folder and folder / f"{about}.json"
    if path and path.exists():
        row, speed, *origin = json.loads(path.read_text())
        if row["epsilon (LSB)"] == task.epsilon:
            return row, speed, "".join(origin)
    found = (path and recorded(name, task, parts)) or (*measure(), "")
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found))
    return found


def recorded(name: str, task: Task, parts: list[str]) -> tuple[Row, Row, str] | None:
    """The network's rows in docs/results, if they are of these files and of the same task."""
    if RESULTS not in results.names(results.FOLDER):
        return None
    found = results.read(RESULTS, results.FOLDER)
    files = [(MODELS / name / part).relative_to(results.PROJECT).as_posix() for part in PARTS]
    row, speed = (
        next((dict(line) for line in rows if line["network"] == name), None)
        for rows in (found.counts, found.speeds)
    )
    if row is None or speed is None or found.stale or row.get(results.STALE):
        return None
    same = (
        [found.models.get(file) for file in files] == parts
        and found.data.get(named(name, len(task.x))) == sha256(task.x.tobytes()).hexdigest()
        and row["epsilon (LSB)"] == task.epsilon
        and task.restarts == RESTARTS
        and "--restarts" not in found.command
    )
    return (row, speed, found.origin(name)) if same else None


def named(name: str, images: int) -> str:
    """How the results name the images of a network."""
    return f"the first {images} test images for {name}"


def epsilon_of(recipe: Any) -> float:
    """Of L-inf, in LSB."""
    found: float = COARSE.get(recipe.data.name, recipe.attack.epsilon)
    return found


def compare(
    name: str, recipe: Any, x: NDArray[Any], y: NDArray[Any], args: argparse.Namespace
) -> tuple[Row, Row]:
    """One network under both: counts, and CPU seconds."""
    epsilon, of = epsilon_of(recipe), len(x)
    file = TFLiteTarget(MODELS / name / "model.tflite", name=name)
    model = KerasTarget(load_keras(MODELS / name / "model.keras"))
    began = time.process_time()
    ours = standard_worst_case(file, x, y, Budget(epsilon), surrogate=model)
    halfway = time.process_time()
    left = ensemble(file, model, x, y, epsilon, args)
    ended = time.process_time()
    file.close()
    row = {
        "network": name,
        "epsilon (LSB)": epsilon,
        "right": results.share(int(ours.right.sum()), of),
        **{a.name: results.share(int((~a.fallen).sum()), of) for a in ours.attacks},
        "standard worst case": results.share(int(ours.left.sum()), of),
        "independent ensemble": results.share(int(left.sum()), of),
        "both together": results.share(int((left & ours.left).sum()), of),
        "holds": bool(ours.left.mean() <= left.mean() + POINT + 1e-9),
    }
    speed = {
        "network": name,
        "our CPU s": round(halfway - began),
        "ART CPU s": round(ended - halfway),
    }
    return row, speed


def ensemble(
    file: TFLiteTarget,
    model: KerasTarget,
    x: NDArray[Any],
    y: NDArray[Any],
    epsilon: float,
    args: argparse.Namespace,
) -> NDArray[np.bool_]:
    """bool[n]: what ART's attacks leave, in the file's own integers."""
    clean, budget, grid = file.grid.integers(x), Budget(epsilon), file.grid
    left = file.logits(clean).argmax(axis=1) == y
    others = np.argsort(-model.logits(clean), axis=1, kind="stable")
    # ART draws from the global generators of NumPy and Python, and offers nothing else.
    np.random.seed(0)
    random.seed(0)
    for attack in art_attacks(model, epsilon / grid.span, args.restarts, others, y):
        rows = np.flatnonzero(left)
        if not len(rows):
            break
        units = ((clean[rows] - grid.low) / grid.span).astype(np.float32)
        found = attack(units, rows).astype(np.float64)
        wanted = clean[rows] + grid.span * (found - units)
        points = project(clean[rows], wanted, budget, grid)
        left[rows] = file.logits(points).argmax(axis=1) == y[rows]
    return left


Attack = Callable[[Points, NDArray[np.intp]], Points]


def art_attacks(
    model: KerasTarget,
    epsilon: float,
    restarts: int,
    others: NDArray[np.intp],
    y: NDArray[Any],
) -> Iterator[Attack]:
    """ART's attacks on images in [0, 1]; the rows say which images they are."""
    from art.attacks.evasion import AutoProjectedGradientDescent, SquareAttack

    options: dict[str, Any] = {
        "eps": epsilon,
        "eps_step": 2 * epsilon,
        "max_iter": STEPS,
        "nb_random_init": restarts,
        "batch_size": 256,
        "loss_type": None,
        "verbose": False,
    }
    eye = np.eye(model.classes, dtype=np.float32)
    for loss in (cross_entropy, dlr):
        attack = AutoProjectedGradientDescent(classifier(model, loss), **options)
        yield lambda u, rows, a=attack: a.generate(x=u, y=eye[y[rows]])
    aimed = AutoProjectedGradientDescent(
        classifier(model, cross_entropy), targeted=True, **options | {"nb_random_init": 1}
    )
    for rank in range(min(AIMS, model.classes - 1)):
        wanted = np.array(
            [[c for c in row if c != own][rank] for row, own in zip(others, y, strict=True)]
        )
        yield lambda u, rows, w=wanted: aimed.generate(x=u, y=eye[w[rows]])
    # ART draws squares of this part of the area, and fails where one is as wide as the input.
    height, width = (*model.shape, 1)[:2]
    largest = (min(height, width) - 0.51) ** 2 / (height * width)
    square = SquareAttack(
        classifier(model, cross_entropy),
        norm=np.inf,
        eps=epsilon,
        max_iter=QUERIES,
        p_init=min(0.8, largest),
        batch_size=256,
        verbose=False,
    )
    yield lambda u, rows: square.generate(x=u, y=eye[y[rows]])


def cross_entropy(labels: Any, logits: Any) -> Any:
    """One loss an image, of one-hot labels."""
    import tensorflow as tf

    return tf.nn.softmax_cross_entropy_with_logits(labels, logits)


def dlr(labels: Any, logits: Any) -> Any:
    """Difference of logits ratio, Croce and Hein's equation 7."""
    import tensorflow as tf

    own = tf.reduce_sum(labels * logits, axis=1)
    best = tf.reduce_max(logits - 1e9 * labels, axis=1)
    ranked = tf.sort(logits, axis=1, direction="DESCENDING")
    return (best - own) / (ranked[:, 0] - ranked[:, 2] + 1e-12)


def classifier(model: KerasTarget, loss: Callable[[Any, Any], Any]) -> Any:
    """The Keras model for ART, with rounded inputs and gradients straight through the rounding.

    ART's own losses name a part of Keras that Keras 3 has not.
    """
    import tensorflow as tf
    from art.estimators.classification import TensorFlowV2Classifier

    grid = model.grid

    def logits(u: Any) -> Any:
        x = grid.low + grid.span * u
        return model.model_fn(x + tf.stop_gradient(tf.round(x) - x))

    def gradient(u: Any, labels: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(u)
            value = loss(labels, logits(u))
        return tape.gradient(value, u)

    inputs = tf.TensorSpec((None, *model.shape), tf.float32)
    both = [inputs, tf.TensorSpec((None, model.classes), tf.float32)]
    answers = tf.function(logits, input_signature=[inputs])
    values = tf.function(lambda u, labels: loss(labels, logits(u)), input_signature=both)
    gradients = tf.function(gradient, input_signature=both)

    class Rounded(TensorFlowV2Classifier):
        def predict(self, x: Any, *_: Any, **__: Any) -> Any:
            return answers(np.asarray(x, np.float32)).numpy()

        def compute_loss(self, x: Any, y: Any, *_: Any, **__: Any) -> Any:
            return values(np.asarray(x, np.float32), np.asarray(y, np.float32)).numpy()

        def loss_gradient(self, x: Any, y: Any, *_: Any, **__: Any) -> Any:
            return gradients(np.asarray(x, np.float32), np.asarray(y, np.float32)).numpy()

    return Rounded(
        model=answers,
        nb_classes=model.classes,
        input_shape=model.shape,
        loss_object=loss,
        clip_values=(0.0, 1.0),
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="*", metavar="MODEL", help="default: all that are shipped")
    parser.add_argument("--data", metavar="FOLDER", help="of CIFAR-10 and Speech Commands")
    parser.add_argument("--images", type=int, help="default: 100, of the digits all 500")
    parser.add_argument(
        "--keep",
        type=Path,
        metavar="FOLDER",
        help="of finished rows: an interrupted run goes on; rows recorded of the same stay",
    )
    parser.add_argument(
        "--restarts", type=int, default=RESTARTS, help="of ART's untargeted auto-PGD"
    )
    results.add_arguments(parser)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
