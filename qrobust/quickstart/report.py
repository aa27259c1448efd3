"""The quickstart's report in Markdown, and what it says in the terminal."""

from pathlib import Path

from tabulate import tabulate

from qrobust.quickstart.page import PAGE
from qrobust.training.publish.card import certified_table
from qrobust.training.publish.evidence import DATA, JOURNAL
from qrobust.training.publish.road import TFLITE, Published
from qrobust.training.publish.summary import ModelSummary


def markdown(published: Published) -> str:
    """The card, pictures, and the runtimes one by one."""
    compared = published.summary.compared
    rows = [] if compared is None else [[*item] for item in compared.differing.items()]
    rows += [] if compared is None else [[*item] for item in compared.skipped.items()]
    parity = tabulate(rows, ["runtime", "differing integers"], tablefmt="github")
    return f"""{published.card}
## Certified accuracy

"undefended" is the same network, trained without noise and penalties.

![certified accuracy](report.png)

![votes](votes.png)

## The same integers everywhere

{parity}
"""


def in_words(summary: ModelSummary, out: Path) -> str:
    """What the command prints at the end."""
    compared, file, certified = summary.compared, summary.file, summary.certified
    lines = []
    if compared is not None:
        lines.append(
            f"{compared.inputs} inputs, {compared.integers} integers each, against the reference:"
        )
        lines += [f"  {name:<18}{count:>8} differ" for name, count in compared.differing.items()]
        lines += [f"  {name:<18} not compared: {why}" for name, why in compared.skipped.items()]
    clean = f"clean accuracy {summary.clean.value:.1%} on {summary.clean.of} held-out digits"
    if summary.baseline is not None:
        clean += f" (undefended {summary.baseline.clean.value:.1%})"
    lines += ["", clean if file is None else f"{clean}, {file.bytes:,} bytes"]
    if certified is not None:
        settings = certified.settings
        lines += [
            f"certified accuracy of {certified.images} held-out digits, n = {settings['n']:,}, "
            f"alpha = {settings['alpha']} (95 % intervals over images):",
            "",
            certified_table(summary, style="simple"),
            "",
        ]
    page = out / PAGE
    lines += [speed(summary), f"report: {page if page.exists() else out / 'report.md'}"]
    lines.append(f"check it: qrobust audit {out / JOURNAL} {out / TFLITE} {out / DATA}")
    return "\n".join(lines)


def speed(summary: ModelSummary) -> str:
    """What this run took on its machine."""
    seconds = f"{summary.seconds or 0:.0f} seconds in all"
    votes = summary.votes_per_second
    return seconds if votes is None else f"{votes:,} votes per second; {seconds}"
