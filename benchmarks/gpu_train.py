"""Trains CIFAR-10's ResNet-20 for three kinds of certificates on one GPU, by the clock.

    KERAS_BACKEND=jax python benchmarks/gpu_train.py PICTURES.npz OUT --seconds 600
        [--state DIR] [--only STAGE ...] [--budget STAGE=SECONDS ...] [--available N]

PICTURES.npz holds `x` (uint8, N x 32 x 32 x 3) and `y` of CIFAR-10's training batches; 2,000 of
them, chosen by a fixed rule, are held out. Stages (`STAGES` below) share the seconds: a float
network for Gaussian noise, from it float networks for splits and bands, then the 4-bit twins of
all three with the project's `quantize`, and one 4-bit network per number of splits. Whole epochs
are compiled programs.

Writes STAGE.keras of every stage and log.json under OUT. With `--state`, a run that is cut short
goes on where it stopped. Needs JAX, Keras, qkeras-v3 (without its dependencies: no TensorFlow),
optax, optree and namex. The float Gaussian network takes one second an epoch on an H100 and ten to
compile; with XLA's autotuning off an epoch takes 45 seconds, which `--slowest` refuses.
"""

import argparse
import json
import os
import platform
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")
sys.path.insert(0, str(Path(__file__).parent))

import jax
import keras
import numpy as np
import optax
from gpu import pictures
from gpu.phase import Phase, adam, sgd, variables_of
from gpu.program import compiled, epoch_of
from gpu.tasks import Task

from qrobust.architectures import resnet20
from qrobust.quantization.quantize import quantize
from qrobust.training.defend import defend

GAUSSIAN = Task("gaussian", sigma=63.75, weight=12.0, entropy=0.5)
SPLITS = Task("splits", weight=3.0, entropy=0.5, splits=(1024, 1792, 2560, 3328))
BANDS = Task("bands", channels=6)


@dataclass(frozen=True)
class Stage:
    """One network to train.

    Attributes:
        name: of its files.
        task: what it sees.
        share: of the seconds.
        start: stage whose weights it starts from.
        quantizes: float stage whose 4-bit twin it is; other 4-bit stages go on with their start's.
        numbers: changes of the task's numbers; "teach" is the weight of the float twin's word.
        rate: of learning, at the start, for a batch of 256.
        frozen: share of its seconds with fixed batch statistics, at the end.
    """

    name: str
    task: Task
    share: float
    start: str | None = None
    quantizes: str | None = None
    numbers: dict[str, Any] = field(default_factory=dict)
    rate: float = 0.1
    frozen: float = 0.0


def of_splits(number: int, weight: float) -> Stage:
    numbers = {"splits": [number], "weight": weight}
    name = f"splits{number}_w4a4"
    return Stage(name, SPLITS, 0.05, "splits_w4a4", None, numbers, 1e-3, frozen=0.1)


STAGES = (
    Stage("gaussian_float", GAUSSIAN, 0.2),
    Stage("gaussian_w4a4", GAUSSIAN, 0.27, quantizes="gaussian_float", numbers={"teach": 0.5},
          rate=2e-3, frozen=0.05),
    Stage("splits_float", SPLITS, 0.11, start="gaussian_float", rate=0.06),
    Stage("splits_w4a4", SPLITS, 0.07, quantizes="splits_float", rate=2e-3, frozen=0.1),
    of_splits(1024, 2.0),
    of_splits(1792, 3.0),
    of_splits(2560, 4.0),
    of_splits(3328, 5.0),
    Stage("bands_float", BANDS, 0.08, start="gaussian_float", rate=0.06),
    Stage("bands_w4a4", BANDS, 0.07, quantizes="bands_float", rate=2e-3, frozen=0.08),
)  # fmt: skip


class Trainer:
    """All stages, one after the other."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.begun = time.time()
        self.out, self.state = Path(args.out), Path(args.state or args.out)
        for folder in (self.out, self.state):
            folder.mkdir(parents=True, exist_ok=True)
        self.data = pictures.load(args.pictures, args.available, args.held)
        self.x, self.y = jax.device_put(self.data.x), jax.device_put(self.data.y)
        self.phases: dict[str, Phase] = {}
        self.programs: dict[str, Any] = {}
        modules = (jax, keras, np, optax)
        self.log: dict[str, Any] = {
            "arguments": vars(args),
            "device": jax.devices()[0].device_kind,
            "versions": {"python": platform.python_version()}
            | {module.__name__: module.__version__ for module in modules},
            "held_out": {
                "rule": f"sort(default_rng({pictures.SPLIT_SEED}).permutation({len(self.data.x)})"
                f"[:{args.held}])",
                "sha256": self.data.held_hash,
            },
            "stages": {},
            "events": [],
        }
        self.say(event="start", device=self.log["device"])

    def say(self, **event: Any) -> None:
        """Print and keep an event."""
        event = {"t": round(time.time() - self.begun, 1), **event}
        print(json.dumps(event), flush=True)
        self.log["events"].append(event)
        (self.out / "log.json").write_text(json.dumps(self.log, indent=1))

    def order(self, epoch: int, seed: int = 0) -> Any:
        """Indices (steps, batch) of an epoch."""
        batch = self.args.batch
        return self.data.order(len(self.data.train) // batch, batch, seed, epoch)

    def teacher(self, stage: Stage) -> Any:
        """The float twin, where the stage listens to it."""
        if not stage.numbers.get("teach"):
            return None
        return self.phases[stage.quantizes or ""].model

    def rest(self, stage: Stage) -> Any:
        """The program's arguments behind weights and order, and the teacher's variables."""
        teacher = self.teacher(stage)
        taught = () if teacher is None else jax.device_put(variables_of(teacher))
        return self.x, self.y, jax.device_put(stage.task.numbers(**stage.numbers)), taught

    def model(self, stage: Stage) -> Any:
        """The stage's network, untrained or with its float twin's weights."""
        if stage.quantizes is None:
            shape = (32, 32, stage.task.channels)
            net = resnet20(shape, width=self.args.width, blocks=self.args.blocks)
            return defend(net, sigma=stage.task.sigma, seed=0)
        source = self.phases[stage.quantizes].model
        return quantize(source, 4, 4, calibrate=self.calibration(stage.task), seed=1000)

    def calibration(self, task: Task) -> Any:
        """512 noisy training pictures, from which the ranges of activations come."""
        here = self.data.train[self.data.train < self.data.available]
        some = np.random.default_rng(0).choice(here, min(512, len(here)), replace=False)
        numbers = jax.device_put(task.numbers())
        return np.asarray(task.noisy(jax.random.PRNGKey(7), self.x[np.sort(some)], numbers))

    def prepare(self, stage: Stage) -> Phase:
        """The stage's phase, and its programs in `programs`."""
        four_bits = stage.name.endswith("_w4a4")
        optimizer = adam(1e-3) if four_bits else sgd(0.1)
        number = STAGES.index(stage)
        if four_bits and stage.quantizes is None:
            model = self.phases[stage.start or ""].model
            self.programs[stage.name] = self.programs[stage.start]
            return Phase(stage.name, model, optimizer, stage.rate, number)
        phase = Phase(stage.name, self.model(stage), optimizer, stage.rate, number)
        arguments = (*phase.values, jax.random.PRNGKey(0), self.order(0), *self.rest(stage))
        programs: list[Any] = [None, None]
        for frozen in (False, True)[: 1 + bool(stage.frozen)]:
            # A function of its own each time: JAX remembers what a function traced to.
            epoch = epoch_of(phase.model, stage.task, phase.optimizer, self.teacher(stage))
            programs[frozen], seconds = compiled(epoch, phase.model, arguments, frozen=frozen)
            self.say(event="compiled", stage=stage.name, frozen=frozen, seconds=seconds)
        self.programs[stage.name] = programs
        return phase

    def run(self) -> None:
        """Train every stage that is asked for and not done."""
        stages = [s for s in STAGES if not self.args.only or s.name in self.args.only]
        budget = dict(given.split("=") for given in self.args.budget)
        for number, stage in enumerate(stages):
            phase = self.phases[stage.name] = self.prepare(stage)
            saved, planned = self.state / f"{stage.name}.npz", 0.0
            if saved.exists():
                planned = phase.load(saved)
            elif stage.start is not None:
                phase.start_from(self.phases[stage.start].values[:2])
            spare = max(0.0, self.args.seconds - (time.time() - self.begun) - self.args.reserve)
            share = stage.share / sum(s.share for s in stages[number:])
            seconds = planned or float(budget.get(stage.name, spare * share))
            self.say(event="begins", stage=stage.name, seconds=round(seconds, 1))
            phase.run(
                self.programs[stage.name],
                seconds,
                time.time() + spare,
                lambda epoch, phase=phase: self.order(epoch, phase.seed),
                self.rest(stage),
                stage.frozen,
                lambda stage=stage, **what: self.say(stage=stage.name, **what),
                saved,
                self.args.slowest,
            )
            phase.save(saved, seconds)
            phase.model.save(self.out / f"{stage.name}.keras")
            self.log["stages"][stage.name] = {
                **{k: v for k, v in asdict(stage).items() if k not in ("name", "task")},
                "task": asdict(stage.task),
                "epochs": phase.epochs,
                "seconds": round(phase.elapsed, 1),
                "planned": round(seconds, 1),
            }
            self.say(event="ends", stage=stage.name, epochs=phase.epochs)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures")
    parser.add_argument("out")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--reserve", type=float, default=6, help="seconds kept for saving")
    parser.add_argument("--slowest", type=float, default=10, help="seconds an epoch may take")
    parser.add_argument("--state", help="folder to go on from; OUT if not given")
    parser.add_argument("--only", nargs="*", default=[], help="names of stages")
    parser.add_argument("--budget", nargs="*", default=[], help="STAGE=SECONDS")
    parser.add_argument("--available", type=int, help="use the first N pictures only")
    parser.add_argument("--held", type=int, default=pictures.HELD_OUT)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--blocks", type=int, default=3)
    parser.add_argument("--cache", help="folder for compiled programs")
    return parser.parse_args()


def main() -> None:
    args = arguments()
    if args.cache:
        jax.config.update("jax_compilation_cache_dir", args.cache)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    # Four-bit weights times eight-bit activations are exact in it.
    jax.config.update("jax_default_matmul_precision", "tensorfloat32")
    keras.utils.set_random_seed(0)
    trainer = Trainer(args)
    trainer.run()
    trainer.say(event="done")


if __name__ == "__main__":
    main()
