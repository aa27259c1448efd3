"""What an evaluation found, as JSON, Markdown and pictures."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from tabulate import tabulate

from qrobust.attacks.evaluation.attack_certificates import Broken
from qrobust.attacks.evaluation.masking import Check
from qrobust.attacks.evaluation.standard_worst_case import WorstCase
from qrobust.attacks.evaluation.suite import worst_case
from qrobust.attacks.evaluation.transfer import mean_sizes
from qrobust.attacks.ground.budget import IN_PIXELS, SPARSE, Budget
from qrobust.attacks.ground.pixel_grid import sizes
from qrobust.attacks.ground.search import Attacked
from tflite_export.atomic import write_text
from tflite_export.printable import markdown


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Everything about one model under attack.

    Attributes:
        model: its file's name.
        sha256: of the file.
        clean_accuracy: in [0, 1].
        budget: of the bounded attacks.
        span: width of the input grid in LSB.
        seed: of everything random.
        full: whether the long suite ran.
        attacks: what each left.
        curve: epsilon in LSB -> accuracy.
        checks: of masked gradients; None for a file without a surrogate: it has no gradients.
        checked: name of the model that was checked for them, where it is another: the surrogate.
        attacked_certificates: how many were attacked; None where none were given.
        broken: the certificates that did not hold.
        standard: what the fixed suite leaves, which cards and tables share; its attacks are among
            ``attacks``.
    """

    model: str
    sha256: str
    clean_accuracy: float
    budget: Budget
    span: int
    seed: int
    full: bool
    attacks: Sequence[Attacked]
    curve: dict[float, float]
    checks: Sequence[Check] | None = None
    checked: str | None = None
    attacked_certificates: int | None = None
    broken: Sequence[Broken] = ()
    standard: WorstCase | None = None

    @property
    def worst(self) -> float:
        """Accuracy under the best attack for each image, inside the budget."""
        if self.budget.norm in SPARSE:
            inside = [
                a.fallen & (sizes(a.clean, a.adversarial, self.budget.norm) <= self.budget.epsilon)
                for a in self.attacks
            ]
            return float(1 - np.any(inside, axis=0).mean())
        return worst_case(self.attacks, self.budget)

    @property
    def unit(self) -> str:
        """What epsilon is measured in."""
        return "pixels" if self.budget.norm in IN_PIXELS else "LSB"

    def _share(self, epsilon: float) -> float | None:
        """Epsilon on the scale from 0 to 1; pixels have none."""
        return None if self.budget.norm in IN_PIXELS else epsilon / self.span

    def to_json(self) -> dict[str, Any]:
        """Plain numbers: accuracies in [0, 1], perturbations and epsilons in LSB."""
        return {
            "model": self.model,
            "sha256": self.sha256,
            "images": len(self.attacks[0].fallen),
            "clean_accuracy": self.clean_accuracy,
            "worst_case_accuracy": self.worst,
            "standard_worst_case": None if self.standard is None else self.standard.to_json(),
            "epsilon": self.budget.epsilon,
            "epsilon_unit": self._share(self.budget.epsilon),
            "norm": self.budget.norm,
            "seed": self.seed,
            "full": self.full,
            "attacks": [self._attack(attack) for attack in self.attacks],
            "curve": [{"epsilon": e, "accuracy": a} for e, a in self.curve.items()],
            "masking": None if self.checks is None else [asdict(c) for c in self.checks],
            "masking_model": None if self.checks is None else self.checked or self.model,
            "attacked_certificates": self.attacked_certificates,
            "broken_certificates": [asdict(b) for b in self.broken],
        }

    def _attack(self, attack: Attacked) -> dict[str, Any]:
        return {
            "name": attack.name,
            "bounded": attack.budget is not None,
            "accuracy": attack.accuracy,
            "accuracy_within_budget": attack.within(self.budget),
            "mean_queries": float(attack.queries.mean()),
            "total_queries": int(attack.queries.sum()),
            "perturbation": mean_sizes(attack),
            "seed": attack.seed,
            "seconds": attack.seconds,
        }

    def markdown(self) -> str:
        """The same as tables."""
        values = self.to_json()
        rows = [
            {
                "attack": a["name"],
                "accuracy": f"{a['accuracy_within_budget']:.1%}" if self._judged(a) else "-",
                "fooled, any size": f"{1 - a['accuracy']:.1%}" if not a["bounded"] else "-",
                "queries": f"{a['mean_queries']:.0f}",
                **{norm: f"{size:.4g}" for norm, size in a["perturbation"].items()},
                "s": f"{a['seconds']:.1f}",
            }
            for a in values["attacks"]
        ]
        lines = [
            f"# {markdown(self.model)} under attack",
            "",
            f"{values['images']} images, clean accuracy {self.clean_accuracy:.1%}, "
            f"{'full' if self.full else 'standard'} suite, {self.budget}{self._of_the_range()}, "
            f"seed {self.seed}. Perturbations in LSB, means over the images that fell; adversarial "
            f"inputs are integers.",
            "",
            *self._standard(),
            f"**Accuracy under the best attack for each image: {self.worst:.1%}**",
            "",
            tabulate(rows, headers="keys", tablefmt="github", disable_numparse=True),
            "",
            "## Accuracy against epsilon",
            "",
            tabulate(
                [(f"{e:g}", self._text(e), f"{a:.1%}") for e, a in self.curve.items()],
                headers=(f"epsilon ({self.unit})", f"epsilon / {self.span}", "accuracy"),
                tablefmt="github",
                disable_numparse=True,
            ),
            *self._masking(),
            *self._certificates(),
        ]
        return "\n".join(lines) + "\n"

    def _standard(self) -> list[str]:
        if self.standard is None:
            return []
        of, alone = len(self.standard.left), "" if self.standard.gradients else ", no gradients"
        return [
            f"**Standard worst case ({self.standard.by}{alone}): {self.standard.accuracy:.1%}**, "
            f"{int(self.standard.left.sum())} of {of} right and still right",
            "",
        ]

    def _text(self, epsilon: float) -> str:
        share = self._share(epsilon)
        return "-" if share is None else f"{share:.4f}"

    def _of_the_range(self) -> str:
        share = self._share(self.budget.epsilon)
        return "" if share is None else f" ({share:.4f} of the input range)"

    def _judged(self, attack: dict[str, Any]) -> bool:
        # The smallest L2 perturbation is no try at an L-inf ball.
        return attack["bounded"] or self.budget.norm == "l2"

    def _masking(self) -> list[str]:
        if self.checks is None:
            return []
        title = "## Masked gradients" + (f" of {markdown(self.checked)}" if self.checked else "")
        return ["", title, "", masking_table(self.checks)]

    def _certificates(self) -> list[str]:
        if self.attacked_certificates is None:
            return []
        lines = [str(broken) for broken in self.broken] or ["none broken"]
        head = f"{self.attacked_certificates} attacked by EOT-PGD within their radii:"
        return ["", "## Certificates", "", head, "", *(f"* {line}" for line in lines)]


def masking_table(checks: Sequence[Check]) -> str:
    """The checks as a Markdown table with a verdict in words below."""
    rows = [
        {
            "check": c.name,
            "verdict": "MASKED" if c.masked else "no",
            "numbers": ", ".join(f"{k} {v:.1%}" for k, v in c.numbers.items()),
        }
        for c in checks
    ]
    verdict = "; ".join(c.meaning for c in checks if c.masked) or "no sign of masked gradients"
    table = tabulate(rows, headers="keys", tablefmt="github", disable_numparse=True)
    return f"{table}\n\nVerdict: {verdict}."


def write(evaluation: Evaluation, path: Path) -> list[Path]:
    """Write ``path`` (JSON) and beside it Markdown and, where Matplotlib is installed, PNGs.

    Returns:
        The files written.

    Raises:
        ValueError: a path that does not end in .json: the others are named after it.
    """
    check_path(path)
    from qrobust.certify.report.write_report import can_plot

    page = path.with_suffix(".md")
    text = evaluation.markdown()
    written = [path, page]
    if can_plot():
        from qrobust.attacks.evaluation import figures

        curve, pictures = (path.with_suffix(f".{name}.png") for name in ("curve", "pictures"))
        figures.curve({evaluation.model: evaluation.curve}, evaluation.budget, curve)
        written.append(curve)
        text += f"\n![accuracy against epsilon]({quote(curve.name)})\n"
        if np.any([attack.moved for attack in evaluation.attacks]):
            figures.pictures(evaluation.attacks, pictures)
            written.append(pictures)
            text += f"\n![clean, adversarial, difference]({quote(pictures.name)})\n"
    write_text(page, text)
    # Last: whoever finds the report finds its companions.
    write_text(path, json.dumps(evaluation.to_json(), indent=1, allow_nan=False) + "\n")
    return written


def check_path(path: Path) -> None:
    """`ValueError` unless the path ends in .json."""
    if path.suffix.lower() != ".json":
        raise ValueError(
            f"The report is JSON, and the Markdown beside it is named after it: end its name in "
            f".json. Received: '{path}'"
        )
