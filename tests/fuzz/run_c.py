"""``python -m tests.fuzz.run_c --seconds 60``: the C sources under libFuzzer, ASan and UBSan.

Builds the certifier's and the networks' entries with clang and runs each for so long, from the
committed corpus. Findings: accesses out of bounds, undefined behaviour, leaks, runs over ten
seconds, and whatever the entries `hold` (``c/certifier.c``, ``c/network.c``). Their inputs go to
``--out``; exit status 1. ``--plant`` builds a known fault in and succeeds when it is found.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.c_programs import CORPUS, PLANTS, PROGRAMS, build, fuzzing_clang

_MEGABYTES, _SLOW_S = 2048, 10
NO_CLANG = (
    "no clang with libFuzzer here. Debian: apt-get install clang libclang-rt-14-dev "
    "(14: the number that `clang --version` says)"
)


@dataclass(frozen=True)
class Run:
    """What libFuzzer did: inputs, covered edges, and its words on a finding (empty: none)."""

    inputs: int
    edges: int
    finding: str


def fuzz(name, seconds, folder, *, seed=1, networks=24, plant="", out=None):
    """Build a program and run it for some seconds, from its corpus."""
    program = PROGRAMS[name]
    sources, grown = folder / "build", folder / "grown"
    sources.mkdir()
    grown.mkdir()
    path = build(
        program,
        sources,
        compiler=fuzzing_clang(),
        fuzzer=True,
        networks=networks,
        plant=plant,
    )
    for i, data in enumerate(program.seeds()):
        (grown / f"seed{i}").write_bytes(data)
    words = [str(path), str(grown), str(CORPUS / name), f"-max_total_time={seconds}"]
    words += [f"-seed={seed}", f"-max_len={program.longest}", f"-timeout={_SLOW_S}"]
    words += [f"-rss_limit_mb={_MEGABYTES}", "-print_final_stats=1", "-verbosity=1"]
    words.append(f"-artifact_prefix={out or folder}/")
    done = subprocess.run(words, capture_output=True, text=True, errors="replace", check=False)
    return _read(done.stderr, done.returncode)


def _read(text, status):
    inputs = re.search(r"stat::number_of_executed_units:\s*(\d+)", text)
    edges = re.findall(r"\bcov: (\d+)", text)
    found = re.search(r"^.*(?:ERROR: |runtime error: ).*$", text, re.M)
    finding = (found[0] if found else text[-500:] or f"status {status}") if status else ""
    return Run(int(inputs[1]) if inputs else 0, int(edges[-1]) if edges else 0, finding)


def merge(name, folder):
    """Add to the committed corpus what reached something new, and nothing else."""
    words = [folder / "build" / name, "-merge=1", CORPUS / name, folder / "grown"]
    # Edges only: how often each is passed would keep ten times as many files.
    words += ["-use_counters=0", f"-max_len={PROGRAMS[name].longest}"]
    subprocess.run(words, capture_output=True, check=True)


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.run_c", description=__doc__)
    parser.add_argument("programs", nargs="*", metavar="PROGRAM", help=f"of {', '.join(PROGRAMS)}")
    parser.add_argument("--seconds", type=int, default=60, help="of each (default: 60)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--networks", type=int, default=24, help="random ones (default: 24)")
    parser.add_argument("--plant", choices=sorted(PLANTS), action="append", default=[])
    parser.add_argument("--merge", action="store_true", help="grow the committed corpus")
    parser.add_argument("--out", type=Path, help="folder for the inputs of findings")
    args = parser.parse_args(arguments)
    if unknown := set(args.programs) - set(PROGRAMS):
        parser.error(f"no program is called {', '.join(sorted(unknown))}")
    if fuzzing_clang() is None:
        print(f"error: {NO_CLANG}", file=sys.stderr)
        return 2
    if args.out is not None:
        args.out.mkdir(parents=True, exist_ok=True)
    runs = [(PLANTS[plant][0], plant) for plant in args.plant]
    runs = runs or [(name, "") for name in args.programs or PROGRAMS]
    failed = False
    print(f"{'program':<30}{'inputs':>10}{'edges':>8}  finding")
    for name, plant in runs:
        folder = Path(tempfile.mkdtemp(prefix="qrobust-fuzz-"))
        try:
            found = fuzz(
                name,
                args.seconds,
                folder,
                seed=args.seed,
                networks=args.networks,
                plant=plant,
                out=args.out,
            )
            if args.merge and not plant and not found.finding:
                merge(name, folder)
        finally:
            shutil.rmtree(folder)
        shown = f"{name}+{plant}" if plant else name
        print(f"{shown:<30}{found.inputs:>10,}{found.edges:>8}  {found.finding}", flush=True)
        failed |= bool(found.finding) != bool(plant)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
