import subprocess
import sys

SCRIPT = """
import sys
import qrobust.certify
loaded = {name.partition(".")[0] for name in sys.modules}
print(*sorted(loaded & {"tensorflow", "keras", "scipy", "mpmath", "matplotlib", "qkeras"}))
"""


def test_importing_loads_nothing_heavy():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


def test_importing_is_fast():
    command = [sys.executable, "-X", "importtime", "-c", "import qrobust.certify"]
    best = min(
        int(
            next(
                line
                for line in subprocess.run(
                    command, capture_output=True, text=True, check=True
                ).stderr.splitlines()
                if line.endswith(" qrobust.certify")
            ).split("|")[1]
        )
        for _ in range(3)
    )
    assert best < 500_000  # microseconds, all it imports included
