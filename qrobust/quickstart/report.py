"""The quickstart's report in Markdown and its table for the terminal."""

from collections.abc import Mapping
from typing import Any

from tabulate import tabulate


def radius_table(summary: Mapping[str, Any], *, style: str) -> str:
    """Certified accuracy at fixed radii, defended beside undefended."""
    defended, baseline = summary["certified_accuracy"], summary["baseline_certified_accuracy"]
    rows = [
        [radius, f"{float(radius) / 255:.3f}", f"{defended[radius]:.1%}", f"{baseline[radius]:.1%}"]
        for radius in defended
    ]
    header = ["radius (pixel steps)", "radius / 255", "defended", "undefended"]
    return str(tabulate(rows, header, tablefmt=style, disable_numparse=True))


def markdown(summary: Mapping[str, Any], layers: str) -> str:
    """The whole report."""
    parity = tabulate(
        [[name, count] for name, count in summary["parity"].items()],
        ["runtime", "differing integers"],
        tablefmt="github",
    )
    settings = summary["settings"]
    return f"""# Digits: a certified integer model

{settings["weight_bits"]}-bit weights and activations, trained with integer noise of sigma
{settings["sigma"]} pixel steps and a per-layer Jacobian penalty of {settings["jacobian"]};
"undefended" is the same network trained without either. Seed {settings["seed"]}.

* Clean accuracy on {summary["test_images"]} held-out digits: {summary["clean_accuracy"]:.1%}
  (undefended {summary["baseline_clean_accuracy"]:.1%}).
* Certificates: {summary["certified_images"]} held-out digits, n = {settings["n"]:,},
  alpha = {settings["alpha"]}, {summary["votes_per_second"]:,.0f} votes per second.

## Certified accuracy

{radius_table(summary, style="github")}

![certified accuracy](report.png)

![votes](votes.png)

## The same integers everywhere

{summary["inputs_compared"]} inputs, {summary["integers_compared"]} logits on each runtime.

{parity}

## Layers

```
{layers}
```
"""
