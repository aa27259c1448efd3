"""Fills the marked blocks of the documents from ``docs/results`` and the models' summaries.

    python benchmarks/render.py [--check]

A block begins with ``<!-- results: NAME -->`` and ends with ``<!-- end -->``. NAME is a file of
``docs/results``, ``NAME/counts`` or ``NAME/speeds`` one of its two tables, ``NAME/text`` what was
printed; ``models`` is the table of `models/README.md`, ``commands`` every option of every command,
``layers`` what exports.
``--check`` writes nothing, and its exit
status is 1 where a document would change, or where results were measured on a model that is not the
shipped one any more.
"""

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import results
from results import PROJECT, STALE, Results
from tabulate import tabulate

from qrobust.training.publish.summary import (
    FILE,
    Certified,
    CertifiedShare,
    Proportion,
    read_summary,
)

DOCUMENTS = (
    "README.md",
    "docs/attacks.md",
    "docs/certificates.md",
    "docs/commands.md",
    "docs/ensembles.md",
    "docs/evidence.md",
    "docs/measurements.md",
    "docs/microcontroller.md",
    "docs/planning.md",
    "docs/proofs.md",
    "docs/roads/README.md",
    "docs/testing.md",
    "docs/training.md",
    "docs/web.md",
    "docs/what_exports.md",
    "docs/where_it_runs.md",
    "models/README.md",
)

_BLOCK = re.compile(r"(<!-- results: (\S+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing; say what would change")
    args = parser.parse_args()
    wrong = stale_results()
    for name in DOCUMENTS:
        path = PROJECT / name
        before = path.read_text()
        after = rendered(before)
        if before != after and args.check:
            wrong.append(f"{name} is not what docs/results say: run python benchmarks/render.py")
        elif before != after:
            path.write_text(after)
            print(f"{name} rendered")
    for line in wrong:
        print(line, file=sys.stderr)
    return int(bool(wrong)) if args.check else 0


def stale_results(folder: Path = results.FOLDER, root: Path = PROJECT) -> list[str]:
    """Results of models that have changed since, and do not say so."""
    return [
        f"{name}.json was measured on another {model}: run `{found.command}` again, or say in the "
        f'file that it is "{STALE}"'
        for name in results.names(folder)
        for found in [results.read(name, folder)]
        for model in found.changed_models(root)
    ]


def rendered(text: str, folder: Path = results.FOLDER) -> str:
    """A document with its blocks filled; `ValueError` where a block's results are missing."""
    marks = text.count("<!-- results:")
    filled, count = _BLOCK.subn(lambda m: f"{m[1]}\n{block(m[2], folder)}\n\n{m[4]}", text)
    if count != marks:
        raise ValueError("a block <!-- results: NAME --> has no <!-- end -->")
    return filled


def block(name: str, folder: Path = results.FOLDER) -> str:
    """What stands in the block of a name."""
    special = {"models": models_table, "commands": options_tables, "layers": layers_table}
    if name in special:
        return special[name]()
    base, _, part = name.partition("/")
    found = results.read(base, folder)
    if part == "text":
        return f"```\n{found.text.rstrip()}\n```"
    tables = {"counts": found.counts, "speeds": found.speeds}
    chosen = [tables[part]] if part else [rows for rows in tables.values() if rows]
    return "\n\n".join([*(table(rows) for rows in chosen), provenance(found)])


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as Markdown; a last column says which are stale, where any are."""
    columns = list(dict.fromkeys(name for row in rows for name in row if name != STALE))
    cells = [[cell(row.get(name)) for name in columns] for row in rows]
    if any(row.get(STALE) for row in rows):
        columns = [*columns, ""]
        cells = [
            [*line, STALE if row.get(STALE) else ""] for line, row in zip(cells, rows, strict=True)
        ]
    text: str = tabulate(cells, columns, tablefmt="github", disable_numparse=True)
    return text


def cell(value: Any) -> str:
    """A cell: shares with their intervals, counts with commas, speeds to three digits."""
    if value is None:
        return ""
    if isinstance(value, dict):
        return str(Proportion(value["count"], value["of"]))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return str(value)


def provenance(found: Results) -> str:
    """The sentence below a table."""
    where = f"`{found.command}`, commit {found.commit}, {found.date}, {found.cpu}"
    if found.load is not None:
        where += f", load {found.load[0]:g}"
    for origin in dict.fromkeys(found.earlier.values()):
        rows = [row for row, other in found.earlier.items() if other == origin]
        where += f"; from {origin}: {', '.join(rows)}"
    if found.stale:
        return f"{where}. **{STALE}**: {found.stale}"
    reasons = sorted({str(row[STALE]) for row in found.counts if row.get(STALE)})
    return f"{where}." + (f" **{STALE}**: {'; '.join(reasons)}" if reasons else "")


def models_table(root: Path = PROJECT) -> str:
    """One row for each published model, from its summary."""
    rows = []
    for path in sorted((root / "models").rglob(FILE)):
        summary = read_summary(path)
        network, bits = summary.network, summary.network.weight_bits
        what = "float" if summary.file is None else f"{bits}, activations {network.activation_bits}"
        certified = ["", ""]
        if summary.certified is not None:
            certified = _two_radii(summary.certified)
        folder = path.parent.relative_to(root / "models").as_posix()
        rows.append(
            [
                f"[`{folder}`]({folder}/card.md)",
                f"{network.name}, {what}",
                str(summary.clean),
                *certified,
                "" if summary.file is None else f"{summary.file.bytes:,}",
            ]
        )
    header = ["folder", "network, weight bits", "clean", "certified", "further out", "bytes"]
    text: str = tabulate(rows, header, tablefmt="github", disable_numparse=True)
    return text


def _two_radii(certified: Certified) -> list[str]:
    """Shares near sigma and twice sigma; of counting near half and all of a pixel, or 1 and 2."""
    kind, sigma = certified.settings.get("method"), certified.sigma
    radii, unit = (sigma, 2 * sigma), "LSB"
    if kind == "splits":
        radii, unit = (128, 255), "LSB in L1, certain"
    elif kind in ("bands", "blocks"):
        radii, unit = (1, 2), "pixels' patch, certain"
    first, second = (_nearest(certified.shares, radius, unit) for radius in radii)
    return [first, second if second != first else ""]


def _nearest(shares: Sequence[CertifiedShare], radius: float, unit: str) -> str:
    share = min(shares, key=lambda share: abs(share.radius - radius))
    return f"{share.proportion} at {share.radius:g} {unit}"


def options_tables() -> str:
    """A table for each command, as its ``--help`` has it."""
    parts = []
    for name, parser in subcommands().items():
        rows = [
            [f"`{option_name(action)}`", (action.help or "").replace("%%", "%")]
            for action in parser._actions
            if not isinstance(action, argparse._HelpAction)
        ]
        text = tabulate(rows, ["", ""], tablefmt="github", disable_numparse=True)
        parts.append(f"### qrobust {name}\n\n{parser.description or ''}\n\n{text}")
    return "\n\n".join(parts)


def layers_table() -> str:
    """The layers that export, by package, and what to use in place of others."""
    import qrobust.layers  # noqa: F401  (registers its layers)
    from tflite_export import lower  # noqa: F401
    from tflite_export.lower.registry import INSTEAD, exported_layers

    packages: dict[str, list[str]] = {}
    for name in exported_layers():
        package, _, kind = name.partition(".")
        packages.setdefault(package, []).append(f"`{kind}`")
    exported = [[package, ", ".join(kinds)] for package, kinds in packages.items()]
    instead = [[f"`{kind}`", advice] for kind, advice in sorted(INSTEAD.items())]
    tables = ((exported, ["package", "layers"]), (instead, ["no exact kernel", "instead"]))
    return "\n\n".join(
        tabulate(rows, header, tablefmt="github", disable_numparse=True) for rows, header in tables
    )


def subcommands() -> dict[str, argparse.ArgumentParser]:
    """Every subcommand of ``qrobust`` and its parser; of one with actions, every action."""
    from qrobust import cli

    return _ends(cli._parser(), "")


def _ends(parser: argparse.ArgumentParser, name: str) -> dict[str, argparse.ArgumentParser]:
    branches = [a.choices for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    if not branches:
        return {name: parser}
    found: dict[str, argparse.ArgumentParser] = {}
    for word, branch in branches[0].items():
        found |= _ends(branch, f"{name} {word}".strip())
    return found


def option_name(action: argparse.Action) -> str:
    """An argument as one would type it."""
    value = action.metavar
    if isinstance(value, tuple):
        value = " ".join(value)
    if value is None and action.choices is not None:
        value = "{" + ",".join(map(str, action.choices)) + "}"
    if value is None and action.nargs != 0:
        value = action.dest.upper()
    if not action.option_strings:
        return str(value)
    return " ".join(filter(None, [", ".join(action.option_strings), value and str(value)]))


if __name__ == "__main__":
    sys.exit(main())
