"""Commands on a small file, as the tests of ``qrobust verify`` run them."""

from qrobust.certify.run.journal import read_lines
from qrobust.cli import main

REGIONS = {
    "family": ["--family", "light:24"],
    "product": ["--family", "shift:1:border=zero*light:3"],
    "box": ["--norm", "linf", "--radius", "2", "--budget", "30"],
    "pixels": ["--norm", "l0", "--radius", "1"],
    "intervals": ["--norm", "linf", "--radius", "1", "--method", "intervals"],
}


def qrobust(*arguments):
    return main([str(a) for a in arguments])


def verify(work, out, *more):
    return qrobust("verify", work / "m.tflite", work / "d.npz", "--out", out, "--quiet", *more)


def audit(work, out, *more):
    return qrobust("audit", out, work / "m.tflite", work / "d.npz", "--quiet", *more)


def lines_of(path):
    return [line.value for line in read_lines(path)]
