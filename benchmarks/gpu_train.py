"""Trains two CIFAR-10 networks for certificates on one GPU, by the clock.

    KERAS_BACKEND=jax python benchmarks/gpu_train.py PICTURES.npz OUT --seconds 600
        [--state DIR] [--only STAGE ...] [--budget STAGE=SECONDS ...]

PICTURES.npz holds `x` (uint8, N x 32 x 32 x 3) and `y` of CIFAR-10's training batches; 2,000 of
them, chosen by a fixed rule, are held out. Stages (`gpu/stages.py`) share the seconds: a larger
float network for Gaussian noise and its twin of 4-bit weights and 8-bit activations, for a phone;
then ResNet-20 and its 4-bit twin, which listens to the larger network. Whole epochs are compiled
programs.

Writes STAGE.keras of every stage and log.json under OUT. With `--state`, a run that is cut short
goes on where it stopped. Needs JAX, Keras, qkeras-v3 (without its dependencies: no TensorFlow),
ai-edge-litert, optax, optree and namex. ResNet-20 takes one second an epoch on an
H100 and ten to compile; with XLA's autotuning off an epoch takes 45 seconds, which `--slowest`
refuses.
"""

import argparse
import json
import os
import platform
import sys
import time
from dataclasses import asdict
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
from gpu.stages import STAGES, Stage, budgets, chosen
from gpu.tasks import Task

from qrobust.architectures import resnet20
from qrobust.quantization.quantize import quantize
from qrobust.training.apply_defence import defend

TASK = Task(sigma=63.75, weight=12.0, entropy=0.5)


class Trainer:
    """All stages, one after the other."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.begun = time.time()
        self.out, self.state = Path(args.out), Path(args.state or args.out)
        for folder in (self.out, self.state):
            folder.mkdir(parents=True, exist_ok=True)
        self.data = pictures.load(args.pictures, args.held)
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
        """The network that the stage listens to, if any."""
        return None if stage.teacher is None else self.phases[stage.teacher].model

    def rest(self, stage: Stage) -> Any:
        """The program's arguments behind weights and order, and the teacher's variables."""
        teacher = self.teacher(stage)
        taught = () if teacher is None else jax.device_put(variables_of(teacher))
        numbers = TASK.numbers(teach=0.0 if teacher is None else stage.teach)
        return self.x, self.y, jax.device_put(numbers), taught

    def model(self, stage: Stage) -> Any:
        """The stage's network, untrained or with its float twin's weights."""
        if stage.twin is None:
            scale = self.args.scale
            width, blocks = max(1, int(stage.width * scale)), max(1, int(stage.blocks * scale))
            net = resnet20((32, 32, 3), width=width, blocks=blocks)
            return defend(net, sigma=TASK.sigma, seed=0)
        source = self.phases[stage.twin].model
        return quantize(source, *stage.bits, calibrate=self.calibration(), seed=1000)

    def calibration(self) -> Any:
        """512 noisy training pictures, from which the ranges of activations come."""
        here = self.data.train
        some = np.random.default_rng(0).choice(here, min(512, len(here)), replace=False)
        return np.asarray(TASK.noisy(jax.random.PRNGKey(7), self.x[np.sort(some)]))

    def prepare(self, stage: Stage) -> Phase:
        """The stage's phase, and its programs in `programs`."""
        optimizer = sgd(0.1) if stage.twin is None else adam(1e-3)
        phase = Phase(stage.name, self.model(stage), optimizer, stage.rate, STAGES.index(stage))
        arguments = (*phase.values, jax.random.PRNGKey(0), self.order(0), *self.rest(stage))
        programs: list[Any] = [None, None]
        for frozen in (False, True)[: 1 + bool(stage.frozen)]:
            # A function of its own each time: JAX remembers what a function traced to.
            epoch = epoch_of(phase.model, TASK, phase.optimizer, self.teacher(stage))
            programs[frozen], seconds = compiled(epoch, phase.model, arguments, frozen=frozen)
            self.say(event="compiled", stage=stage.name, frozen=frozen, seconds=seconds)
        self.programs[stage.name] = programs
        return phase

    def run(self) -> None:
        """Train every stage that is asked for and not done."""
        stages, budget = chosen(self.args.only), budgets(self.args.budget)
        for number, stage in enumerate(stages):
            phase = self.phases[stage.name] = self.prepare(stage)
            saved, planned = self.state / f"{stage.name}.npz", 0.0
            if saved.exists():
                planned = phase.load(saved)
            spare = max(0.0, self.args.seconds - (time.time() - self.begun) - self.args.reserve)
            share = stage.share / sum(s.share for s in stages[number:])
            seconds = planned or budget.get(stage.name, spare * share)
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
                **{k: v for k, v in asdict(stage).items() if k != "name"},
                "task": asdict(TASK),
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
    parser.add_argument("--held", type=int, default=pictures.HELD_OUT)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--scale", type=float, default=1.0, help="of widths and blocks, for tests")
    parser.add_argument("--cache", help="folder for compiled programs")
    return parser.parse_args()


def main() -> None:
    args = arguments()
    try:
        chosen(args.only)
        budgets(args.budget)
    except ValueError as error:
        raise SystemExit(str(error)) from None
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
