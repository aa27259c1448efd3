"""The versions of this environment: ``python tools/constraints.py > constraints.txt``.

Run it in an environment whose tests passed. It follows the requirements of the base install and of
every extra to their ends, so that nothing else that lies around gets in, and prints one
``name==version`` a line; ``pip install -c constraints.txt '.[EXTRA]'`` installs those again.
"""

import configparser
import re
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]


def required(root: Path = ROOT) -> list[Requirement]:
    """What setup.cfg asks for: base and all extras."""
    config = configparser.ConfigParser(interpolation=None)
    config.read(root / "setup.cfg")
    lines = config["options"]["install_requires"].splitlines()
    for text in config["options.extras_require"].values():
        lines += text.splitlines()
    lines = [line.strip() for line in lines]
    return [Requirement(line) for line in lines if line and not re.match(r"[#%]", line)]


def pins(wanted: list[Requirement]) -> tuple[dict[str, str], list[str]]:
    """Name -> installed version of requirements and theirs, and the names that are missing."""
    found: dict[str, str] = {}
    missing, done = [], set()
    while wanted:
        requirement = wanted.pop()
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        key = (name, *sorted(requirement.extras))
        marker = requirement.marker
        if key in done or (marker is not None and not marker.evaluate({"extra": ""})):
            continue
        done.add(key)
        try:
            installed = distribution(requirement.name)
        except PackageNotFoundError:
            missing.append(name)
            continue
        found[name] = installed.version
        for line in installed.requires or []:
            further = Requirement(line)
            extras = ("", *requirement.extras)
            if further.marker is None or any(further.marker.evaluate({"extra": e}) for e in extras):
                further.marker = None
                wanted.append(further)
    return found, sorted(missing)


def main() -> int:
    """Print them; exit status 1 where a requirement of setup.cfg is not installed."""
    direct = required()
    found, missing = pins(list(direct))
    python = ".".join(map(str, sys.version_info[:3]))
    print(f"# Python {python}, {sys.platform}: python tools/constraints.py > constraints.txt")
    print("\n".join(f"{name}=={version}" for name, version in sorted(found.items())))
    names = {re.sub(r"[-_.]+", "-", requirement.name).lower() for requirement in direct}
    if lacking := [name for name in missing if name in names]:
        print(f"not installed here: {', '.join(lacking)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
