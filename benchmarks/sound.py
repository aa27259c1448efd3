"""Certificates said in sound: what a feature step is in dB, and noise on the samples themselves.

    python benchmarks/sound.py --data FOLDER [--images 200] [-n 1000] [--keep FOLDER]
        [--record sound] [--tiny]

`SoundCertifier` puts the noise on clips of 8 bits, in front of the features: a radius is then an L2
distance between sounds, in steps of 2^-7 of full scale. Columns: each keyword network on the first
clips of the test part, clean (without noise, in 8 bits) and certified. "51 dB below each clip" asks
of every clip a radius of its own, ``|x| / 10^(51/20)`` with its own L2 norm; the same R for all is
another question, since it is more of a quiet clip than of a loud one ("the median clip" says how
much). Both are distances on the 8-bit grid; "white noise" is added to the 16-bit clip, 51 dB below
it, and says how far apart the two are once they are rounded to 8 bits.
"Most frequent answer" shows a network that says one class to whatever it hears under noise.
`kws_sound_w4a8` was trained with such noise and kept whole speakers apart, by whom nobody chose
anything: it is also judged on them (other clips than the test part's, so unpaired: Newcombe's
interval, in which clips count as independent). Beside it, CPU time of a vote, with the noise on
features and on sound. Journals are kept under ``--keep``; an interrupted run goes on.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import results
from grid.unpaired import unpaired_points
from numpy.typing import NDArray
from tabulate import tabulate
from tqdm import tqdm

from qrobust import SoundCertifier
from qrobust.audio import eight_bits, mfcc, quantize_features, step_in_decibels
from qrobust.certify import Certifier, Settings, make_data, read_certificates
from qrobust.datasets import speech_commands
from qrobust.training.recipe import read_recipe

MODELS = results.PROJECT / "models"
NETWORKS = ("kws_dscnn_w4a8", "kws_sound_w4a8")
TRAINED_FOR_SOUND = "kws_sound_w4a8"
SIGMA = 2
RADII = (0, 1, 2, 3, 4)
#: Of which the docs speak, and how far below each clip that is, in dB, beside a weaker one.
SAID = 2
BELOW = (51, 60)
SEED = 0


def main() -> int:
    args = arguments()
    of = read_recipe(MODELS / TRAINED_FOR_SOUND / "recipe.toml").data
    if args.tiny:
        args.images, args.n = 3, 20
    data = speech_commands(
        args.data,
        of.words,
        features="waveform",
        held_out=of.held_out,
        held_out_fold=of.held_out_fold,
    )
    x, y = eight_bits(data.test.x), data.test.y
    kept = args.keep or Path(tempfile.mkdtemp())
    rows, speeds = [], []
    networks = [name for name in NETWORKS if (MODELS / name / "model.tflite").exists()]
    if left := set(NETWORKS) - set(networks):
        print(f"not trained yet, left out: {', '.join(sorted(left))}", file=sys.stderr)
    for name in networks:
        file = MODELS / name / "model.tflite"
        rows.append(judged(name, file, x, y, data.validation, kept, args))
        speeds.append(speed(name, file, x[: 4 if args.tiny else 20], args.n))
    steps = [
        {"coefficient": k, "one step, dB, root mean square over bands": round(found, 3)}
        for k in range(10)
        if (found := step_in_decibels(k))
    ]
    apart = np.median(regridded(data.test.x[: args.images], BELOW[0], SEED))
    for row in rows:
        row[f"white noise {BELOW[0]} dB below, median distance in 8 bits"] = f"{apart:.1f} steps"
    counts = turned(rows)
    for rows in (counts, steps, speeds):
        print(tabulate([shown(row) for row in rows], headers="keys", tablefmt="github"), "\n")
    results.record(
        args.record,
        counts=counts,
        speeds=speeds,
        models=[MODELS / name / "model.tflite" for name in networks],
        data={f"the first {args.images} test clips in 8 bits": x[: args.images]},
        seed=SEED,
    )
    return 0


def judged(
    name: str,
    file: Path,
    x: NDArray[np.int8],
    y: NDArray[Any],
    apart: Any,
    kept: Path,
    args: argparse.Namespace,
) -> dict[str, Any]:
    """One network: clean, on speakers held out, and certified sound by radius."""
    row: dict[str, Any] = {"network": name}
    with Certifier(file, sigma=8, seed=SEED, classes=int(y.max()) + 1, trusted=True) as plain:
        right = [plain.classify(heard(clip)) == label for clip, label in zip(x, y, strict=True)]
        row["clean, test clips"] = results.share(sum(right), len(right))
        if name == TRAINED_FOR_SOUND:
            clips = eight_bits(apart.x)
            right = [plain.classify(heard(c)) == t for c, t in zip(clips, apart.y, strict=True)]
            row["clean, speakers held out"] = results.share(sum(right), len(right))
            row["held out minus test, points"] = unpaired_points(
                row["clean, speakers held out"], row["clean, test clips"]
            )
    settings = Settings(n=args.n, n0=min(100, args.n))
    part = slice(0, args.images)
    path = kept / f"{name}_{results.file_sha256(file)[:12]}_{args.n}_{args.images}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with SoundCertifier(file, sigma=SIGMA, seed=SEED, trusted=True) as certifier:
        made = certifier.certify_dataset(make_data(x[part], y[part]), out=path, settings=settings)
        for _ in tqdm(made, desc=name, total=args.images, mininterval=5):
            pass
    found = sorted(read_certificates(path), key=lambda certificate: certificate.index)
    norms = np.linalg.norm(x[part].astype(float), axis=1)
    radii = np.array([c.radius_q16 / 65536 if c.correct else -1.0 for c in found])
    row |= certified(radii, norms)
    row["most frequent answer"] = most_frequent([c.label for c in found])
    return row


def certified(radii: NDArray[np.float64], norms: NDArray[np.float64]) -> dict[str, Any]:
    """Shares at radii that are the same for all clips, and at those that are a part of each.

    Args:
        radii: of each clip, -1 where it is not certified to its class.
        norms: L2 norms of the clips, in the radii's unit.
    """
    quiet = np.argsort(norms, kind="stable")[: max(1, len(norms) // 4)]
    below = 20 * np.log10(np.median(norms) / SAID)
    row: dict[str, Any] = {f"certified, R = {radius}": _share(radii >= radius) for radius in RADII}
    row[f"certified, R = {SAID}, the quietest quarter"] = _share(radii[quiet] >= SAID)
    row[f"R = {SAID} is below the median clip by"] = f"{below:.0f} dB"
    for decibels in BELOW:
        name = f"certified, {decibels} dB below each clip"
        row[name] = _share(radii >= norms / 10 ** (decibels / 20))
    return row


def regridded(clips: NDArray[np.int16], decibels: float, seed: int) -> NDArray[np.float64]:
    """L2 distance in 8 bits of each clip to itself with white noise so much weaker, in 16 bits."""
    rng, found = np.random.default_rng(seed), []
    for clip in clips:
        noise = rng.normal(size=clip.shape)
        noise *= np.linalg.norm(clip.astype(float)) / 10 ** (decibels / 20) / np.linalg.norm(noise)
        noisy = np.clip(np.rint(clip + noise), -(2**15), 2**15 - 1).astype(np.int16)
        apart = eight_bits(noisy).astype(float) - eight_bits(clip)
        found.append(float(np.linalg.norm(apart)))
    return np.array(found)


def most_frequent(labels: Sequence[int | None]) -> dict[str, int]:
    """How often the smoothed network gave the answer that it gave most often."""
    return results.share(max(Counter(v for v in labels if v is not None).values()), len(labels))


def turned(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row a question and a column a network, of rows that are a network each."""
    questions = dict.fromkeys(key for row in rows for key in row if key != "network")
    return [
        {"question": key, **{row["network"]: row.get(key, "") for row in rows}} for key in questions
    ]


def _share(holds: NDArray[np.bool_]) -> dict[str, int]:
    return results.share(int(holds.sum()), len(holds))


def heard(clip: NDArray[np.int8]) -> NDArray[np.int8]:
    """Features of one clip."""
    return quantize_features(mfcc(clip))


def speed(name: str, file: Path, x: NDArray[np.int8], n: int) -> dict[str, Any]:
    """CPU time of a vote with noise on features and on sound."""
    seconds = {}
    with Certifier(file, sigma=8, seed=SEED, classes=6, trusted=True, threads=1) as plain:
        features = [heard(clip) for clip in x]
        began = time.process_time()
        for index, clip in enumerate(features):
            plain.votes(clip, n, index=index)
        seconds["features"] = time.process_time() - began
    with SoundCertifier(file, sigma=SIGMA, seed=SEED, trusted=True) as certifier:
        began = time.process_time()
        for index, clip in enumerate(x):
            certifier.votes(clip, n, index=index)
        seconds["sound"] = time.process_time() - began
    each = {key: 1e6 * value / (n * len(x)) for key, value in seconds.items()}
    return {
        "network": name,
        "noise on features, us a vote": round(each["features"], 1),
        "noise on sound, us a vote": round(each["sound"], 1),
        "ratio": round(each["sound"] / each["features"], 1),
    }


def shown(row: dict[str, Any]) -> dict[str, Any]:
    return {
        key: f"{value['count']}/{value['of']}" if isinstance(value, dict) else value
        for key, value in row.items()
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", metavar="FOLDER", help="of Speech Commands")
    parser.add_argument("--images", type=int, default=200, help="clips that are certified")
    parser.add_argument("-n", type=int, default=1000, help="votes of a certificate")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="of journals")
    results.add_arguments(parser)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
