"""The card of a model in Markdown, rendered from its summary and from nothing else.

Speeds stay in the summary: a card says what is the same on every machine.
"""

from typing import Any

from tabulate import tabulate

from qrobust.training.publish.summary import (
    Certified,
    Compared,
    ModelFile,
    ModelSummary,
    Proportion,
    Table,
)
from tflite_export.printable import printable

#: Name of a table of attacks that were run on a file after it was published.
WORST_CASE = "worst_case"


def card(summary: ModelSummary) -> str:
    """Return the card."""
    parts = [f"# {printable(summary.name)}", _printed_by(summary)]
    if summary.file is None:
        parts.append("A float twin: there is no file; it is classified in float32 by Keras.")
    parts.append(_table(_about(summary), ["", ""]))
    parts.append("In brackets: exact 95 % intervals over examples (Clopper-Pearson).")
    if summary.certified is not None:
        parts.append(certified_table(summary))
        parts += summary.certified.statements
    elif summary.file is None:
        parts.append("No certificates.")
    parts += [_further(table) for table in summary.tables]
    if summary.file is not None:
        parts.append(f"```\n{summary.file.layers}\n```")
    if summary.notes:
        parts.append(summary.notes.strip())
    return "\n\n".join(parts) + "\n"


def certified_table(summary: ModelSummary, *, style: str = "github") -> str:
    """Certified accuracy at the radii, beside the baseline's where there is one."""
    span, certified, baseline = summary.data.span, summary.certified, summary.baseline
    beside = None if baseline is None else baseline.certified
    if certified is not None and _kind(certified) in ("bands", "blocks"):
        span, header = None, ["patch side (pixels)"]
    elif certified is not None and _kind(certified) == "splits":
        span, header = None, ["L1 radius (LSB)"]
    elif certified is not None and _kind(certified) == "ablation":
        span, header = None, ["changed pixels"]
    else:
        header = ["radius (LSB)"] + ([] if span is None else [f"radius / {span}"])
    header += ["certified accuracy"] if beside is None else ["defended", "undefended"]
    rows = []
    for i, share in enumerate(() if certified is None else certified.shares):
        row = [f"{share.radius:g}"] + ([] if span is None else [f"{share.radius / span:.3f}"])
        row.append(str(share.proportion))
        if beside is not None:
            row.append(str(beside.shares[i].proportion))
        rows.append(row)
    text: str = tabulate(rows, header, tablefmt=style, disable_numparse=True)
    return text


def compared_in_words(compared: Compared) -> str:
    """The comparison of the runtimes, as a sentence."""
    text = (
        f"{sum(compared.differing.values())} differing integers of {compared.integers:,} on each "
        f"of {', '.join(compared.differing)}"
    )
    if compared.skipped:
        skipped = ", ".join(f"{name} ({why})" for name, why in compared.skipped.items())
        text += f"; allowed to be missing, and not compared: {skipped}"
    return text


def _about(summary: ModelSummary) -> list[list[str]]:
    data, network, file = summary.data, summary.network, summary.file
    bits = "float"
    if file is not None:
        bits = f"weights {network.weight_bits}, activations {network.activation_bits} bits"
    rows = [
        [
            "data",
            f"{data.name}, {data.train_images} for training, {data.test_images} for tests",
        ],
        ["network", f"{network.name}, {bits}"],
        ["clean accuracy", f"{summary.clean} on {summary.clean.of} test examples"],
    ]
    if file is not None:
        rows.append(["size", f"{file.bytes:,} bytes, {file.macs:,} MACs"])
        rows.append(["RAM on a device", _memory(file)])
    if summary.compared is not None:
        rows.append(["parity", compared_in_words(summary.compared)])
    rows.append(["certificates", _certified(summary.certified, summary.why_not_certified)])
    rows.append(["one LSB", printable(data.unit)])
    rows.append(["attacked accuracy", _attacked(summary)])
    return rows


def _memory(file: ModelFile) -> str:
    return "; ".join(
        f"{name}: {need:,} bytes" if isinstance(need, int) else f"{name}: {need}"
        for name, need in file.memory.items()
    )


def _certified(certified: Certified | None, why_not: str) -> str:
    if certified is None:
        return why_not
    settings = certified.settings
    if _kind(certified) in ("splits", "bands", "blocks", "ablation"):
        return (
            f"{certified.images} test examples, all {settings['n']:,} {_kind(certified)} counted: "
            "certain, no error probability"
        )
    text = (
        f"{certified.images} test examples, sigma {certified.sigma:g} LSB, "
        f"n = {settings['n']:,}, alpha = {settings['alpha']}"
    )
    if settings.get("method", "clopper_pearson") != "clopper_pearson":
        text += f", {settings['method']}"
    return text if certified.classifier == "the file" else f"{text}, {certified.classifier}"


def _kind(certified: Certified) -> str:
    return str(certified.settings.get("method", "clopper_pearson"))


def _attacked(summary: ModelSummary) -> str:
    attacks = summary.attacks
    if not attacks:
        below = any(table.name == WORST_CASE for table in summary.tables)
        return "below" if below else "not attacked: see `qrobust attack`"
    first = attacks[0]
    left = ", ".join(f"{Proportion(a.count, a.of)} under {a.attack} on {a.target}" for a in attacks)
    norm = {"linf": "L-inf", "l2": "L2"}.get(first.norm, first.norm)
    return f"{norm}, epsilon {first.epsilon:g} LSB, the first {first.of} test examples: {left}"


def _further(table: Table) -> str:
    rows = [[_cell(cell) for cell in row] for row in table.rows]
    text = f"## {table.title}\n\n{_table(rows, list(table.columns))}"
    return f"{text}\n\n{table.note}" if table.note else text


def _cell(cell: Any) -> str:
    if isinstance(cell, dict):
        return str(Proportion(cell["count"], cell["of"]))
    return f"{cell:,}" if isinstance(cell, int) and not isinstance(cell, bool) else str(cell)


def _table(rows: list[list[str]], header: list[str]) -> str:
    text: str = tabulate(rows, header, tablefmt="github", disable_numparse=True)
    return text


def _printed_by(summary: ModelSummary) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in summary.versions.items())
    return f"Printed by `{summary.command}`, {summary.date}, with\n{versions}."
