"""Certified accuracy against radius: a plot, a table with intervals, samples used.

Matplotlib is loaded only when a plot is made; without it the tables are still written.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.exact_numbers import Exact
from qrobust.certify.report.summary import Summary
from qrobust.certify.run.certificate import L0, L1, L2, PATCH, Certificate
from tflite_export.atomic import replacing, write_text
from tflite_export.printable import markdown, printable

_CSV, _TEXT, _CURVE, _SAMPLES = (
    "certified_accuracy.csv",
    "report.md",
    "certified_accuracy.png",
    "samples.png",
)
#: What a report may consist of.
WRITTEN = (_CSV, _TEXT, _CURVE, _SAMPLES)
_AXIS = {
    L2: "certified L2 radius (LSB)",
    L1: "certified L1 radius (LSB), certain",
    L0: "certified number of changed pixels, certain",
    PATCH: "certified side of a patch (pixels), certain",
}


def write_report(
    runs: Mapping[str, Sequence[Certificate] | Summary],
    folder: str | os.PathLike[str],
    *,
    radii: Sequence[Exact] | None = None,
) -> list[Path]:
    """Write the report of one or more runs, side by side.

    Args:
        runs: name of a run -> its certificates, or a `Summary` that knows the plan, too.
        folder: made if missing. Gets ``certified_accuracy.csv`` (every step of every curve),
            ``report.md`` (table at fixed radii with 95 % intervals) and, where Matplotlib is
            installed, ``certified_accuracy.png`` and ``samples.png``.
        radii: of the table, in LSB or pixels; multiples of the first run's sigma by default.

    Returns:
        The files written.

    Raises:
        CertifyError: no certificates, runs in different norms, labelled beside unlabelled ones, or
            a folder that cannot be written.
    """
    summaries = {
        name: run if isinstance(run, Summary) else Summary(run) for name, run in runs.items()
    }
    if not summaries or not all(s.certificates for s in summaries.values()):
        raise CertifyError("a report needs at least one certificate of every run")
    norms = sorted({s.norm for s in summaries.values()})
    if len(norms) > 1:
        raise CertifyError(f"runs in {' and '.join(norms)} do not go into one report")
    if len({s.labelled for s in summaries.values()}) > 1:
        raise CertifyError(
            "a run with true classes and one without do not go into one report: one counts right "
            "labels, the other any"
        )
    first = next(iter(summaries.values()))
    target = Path(folder)
    chosen = first.radii if radii is None else list(radii)
    try:
        target.mkdir(parents=True, exist_ok=True)
        written = [
            _write(target / _CSV, _csv(summaries)),
            _write(target / _TEXT, _markdown(summaries, chosen)),
        ]
        if can_plot():
            written.append(plot_accuracy(summaries, target / _CURVE))
            drawn = {name: s for name, s in summaries.items() if s.samples}  # published ones: no
            if drawn:
                written.append(_plot_samples(drawn, target / _SAMPLES))
    except OSError as error:
        raise CertifyError(f"cannot write the report to {target}: {error.strerror}") from None
    return written


def can_plot() -> bool:
    """Whether Matplotlib, which the base install does not bring, is there."""
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError:
        return False
    return True


def _write(path: Path, content: str) -> Path:
    return write_text(path, content)


def _csv(summaries: Mapping[str, Summary]) -> str:
    lines = ["run,radius,certified_accuracy"]
    for name, summary in summaries.items():
        quoted = '"' + printable(name).replace('"', '""') + '"'
        for radius, share in zip(*summary.curve(), strict=True):
            lines.append(f"{quoted},{radius!r},{share!r}")
    return "\n".join(lines) + "\n"


def _markdown(summaries: Mapping[str, Summary], radii: Sequence[Exact]) -> str:
    first = next(iter(summaries.values()))
    shares = [summary.shares(radii) for summary in summaries.values()]
    lines = [f"# {first.name.capitalize()}", ""]
    lines.append(f"| radius ({first.unit}) | {' | '.join(map(markdown, summaries))} |")
    lines.append("|---|" + "---|" * len(summaries))
    for row in zip(*shares, strict=True):
        cells = []
        for share in row:
            low, high = share.interval
            cells.append(f"{share.value:.1%} ({low:.1%} to {high:.1%})")
        lines.append(f"| {float(row[0].radius):g} | {' | '.join(cells)} |")
    lines += ["", "In brackets: exact 95 % interval over images (Clopper-Pearson).", ""]
    lines += [
        "| run | images | abstained | mean samples | method | alpha |",
        "|---|---|---|---|---|---|",
    ]
    for name, summary in summaries.items():
        images, settings = len(summary.certificates), summary.certificates[0].settings
        lines.append(
            f"| {markdown(name)} | {images} | {summary.abstained} | "
            f"{f'{summary.samples / images:.0f}' if summary.samples else '?'} | "
            f"{markdown(settings['method'])} | {markdown(settings['alpha'])} |"
        )
    for name, summary in summaries.items():
        lines += ["", f"{markdown(name)}: {' '.join(summary.statements)}"]
    return "\n".join(lines) + "\n"


def _axes() -> tuple[Any, Any]:
    # The object API draws without a display and leaves pyplot's global state alone.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def _shown(name: str) -> str:
    """A name in a figure, where dollars would start a formula."""
    return printable(name).replace("$", r"\$")


def plot_accuracy(summaries: Mapping[str, Summary], path: Path) -> Path:
    """Draw the certified share of each run against the radius; needs Matplotlib."""
    figure, axes = _axes()
    for name, summary in summaries.items():
        radii, shares = summary.curve()
        # The share holds up to the radius of each certificate and drops after it.
        axes.step([*radii, radii[-1]], [*shares, 0.0], where="pre", label=_shown(name))
    first = next(iter(summaries.values()))
    axes.set_xlabel(_AXIS[first.norm])
    axes.set_ylabel(first.name)
    axes.set_ylim(0, 1)
    axes.set_xlim(left=0)
    if first.has_unit_scale:
        span = first.certificates[0].span
        top = axes.secondary_xaxis("top", functions=(lambda r: r / span, lambda u: u * span))
        top.set_xlabel("on the [0, 1] scale")
    axes.grid(alpha=0.3)
    axes.legend()
    with replacing(path) as beside:
        figure.savefig(beside, dpi=150)
    return path


def _plot_samples(summaries: Mapping[str, Summary], path: Path) -> Path:
    figure, axes = _axes()
    counts = {name: [c.samples for c in s.certificates] for name, s in summaries.items()}
    low = min(map(min, counts.values()))
    high = max(map(max, counts.values()))
    bins = [low * (high / low + 1e-9) ** (i / 30) for i in range(31)] if high > low else 30
    axes.hist(list(counts.values()), bins=bins, label=[_shown(name) for name in counts])
    if high > 10 * low:
        axes.set_xscale("log")
    axes.set_xlabel("samples used per image")
    axes.set_ylabel("images")
    axes.legend()
    with replacing(path) as beside:
        figure.savefig(beside, dpi=150)
    return path
