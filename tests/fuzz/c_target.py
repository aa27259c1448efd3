"""The device's C certifier under AddressSanitizer and UBSan: tables that lie."""

import resource
import struct
import subprocess
from pathlib import Path

from qrobust.certify import c99
from tests.fuzz.c_tables import sound_tables
from tests.fuzz.targets import Finding, Target
from tests.helpers.c_compiler import COMPILER, compile_program

_RUNNER = Path(__file__).parents[1] / "qrobust" / "certify" / "c99" / "certifier_runner.c"
_CHECKSUM = 3
#: Words that name and bound the parts of the tables.
_HEAD = 24


class CTables(Target):
    """Words of a device's tables, most of them with a checksum that is right."""

    name = "c99"

    def make_seeds(self):
        for name, text in c99.certifier_sources().items():
            (self.folder / name).write_text(text)
        self.program = compile_program(
            [_RUNNER, self.folder / "qrobust_certify.c"],
            self.folder / "runner",
            flags=(
                *("-std=c99", "-O1", "-g", "-fsanitize=address,undefined"),
                *("-fno-sanitize-recover=all", f"-I{self.folder}"),
            ),
        )
        tables = sound_tables()
        self.magic = tables[0][0]
        return [struct.pack(f"<{len(words)}I", *words) for words in tables]

    def damaged(self, data, rng):
        words = list(struct.unpack(f"<{len(data) // 4}I", data))
        for _ in range(rng.choice((1, 1, 2, 4))):
            place = rng.randrange(1, min(len(words), _HEAD if rng.random() < 0.7 else 1 << 30))
            old = words[place]
            drawn = rng.getrandbits(rng.choice((8, 16, 32)))
            words[place] = rng.choice((old + 1, old - 1, 2 * old, 0, 1, (1 << 32) - 1, drawn))
            words[place] %= 1 << 32
        if rng.random() < 0.1:
            del words[rng.randrange(_HEAD, len(words)) :]
        if rng.random() < 0.85:
            words[_CHECKSUM] = c99.checksum(words)
        return struct.pack(f"<{len(words)}I", *words)

    def judge(self, data):
        count = len(data) // 4
        words = struct.unpack(f"<{count}I", data[: 4 * count])
        record = struct.pack("<I", count) + data[: 4 * count] + struct.pack("<4Q", 1, 2, 1, 3)
        done = subprocess.run(
            [self.program],
            input=record,
            capture_output=True,
            timeout=15,
            check=False,
            preexec_fn=_unlimited,
        )
        if done.returncode:
            raise Finding(done.stderr.decode(errors="replace")[:400])
        return words[0] == self.magic and words[_CHECKSUM] == c99.checksum(list(words))


def _unlimited():
    """The sanitizer's shadow is larger than any memory."""
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


AVAILABLE = COMPILER is not None
