"""Which network, which bound and how long: what certificates at a radius would cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.exact_numbers import rational, text, whole
from qrobust.certify.arithmetic.radius import charged_level
from qrobust.certify.methods.settings import CLOPPER_PEARSON, EARLY, Settings
from qrobust.certify.report.summary import share_interval
from qrobust.planning.bench import Bench
from qrobust.planning.candidates import Candidate
from qrobust.planning.forecast import forecast, smoothing_of
from qrobust.planning.recorded import CoreRun, Instructions, Rate, instructions
from qrobust.planning.votes_of_images import Images

#: Samples of bounds that are compared, and the most of the test beside them.
BOUNDS, MOST = (1_000, 10_000, 100_000), 10_000
#: Of more votes the exact threshold alone takes minutes.
MOST_OF_A_BOUND = 1_000_000
#: Of rows that are so near to the best share, the one with the fewest votes is advised.
_NEAR = 0.02


@dataclass(frozen=True, kw_only=True)
class Row:
    """One network with one way to certify.

    Attributes:
        network: its name.
        data: what it tells apart.
        sigma: of its noise, in LSB, exact text.
        bits: of weights and activations.
        bytes: of its file.
        method: as certify calls it.
        n: votes of the bound, or the most of them.
        share: forecast: images certified with the right class at the radius.
        low: lower end of its 95 % interval, over images of this kind.
        high: upper end.
        images: that it rests on.
        votes: of a certificate, pilot included, on average.
        seconds: of a certificate; None where no speed is known.
        at_least: whether the seconds are a lower end.
        instructions: low and high end of a vote's on the core, times votes; None where unknown.
        advised: whether it is the cheapest of the best of its data.
    """

    network: str
    data: str
    sigma: str
    bits: str
    bytes: int
    method: str
    n: int
    share: float
    low: float
    high: float
    images: int
    votes: float
    seconds: float | None
    at_least: bool
    instructions: tuple[float, float] | None
    advised: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return one JSON object."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Speeds:
    """What is known of speed.

    Attributes:
        benches: of machines, by the SHA-256 of the file.
        rates: recorded, likewise.
        runs: of an emulated core.
    """

    benches: dict[str, Bench]
    rates: dict[str, Rate]
    runs: Sequence[CoreRun] = ()

    def seconds(self, sha256: str, votes: float, *, short: bool) -> tuple[float | None, bool]:
        """Return the seconds of a certificate and whether they are a lower end.

        A recorded rate is of long requests, without what a certificate takes beside its votes.
        """
        bench, rate = self.benches.get(sha256), self.rates.get(sha256)
        if bench is not None and bench.certificate_s is not None:
            return bench.certificate_s + votes / bench.votes_per_s(short=short), False
        return (None, False) if rate is None else (votes / rate.votes_per_s, True)

    def why_none(self, network: Candidate) -> str:
        """Why a bench of the very file tells nothing of its certificates; "" where it does."""
        bench, images = self.benches.get(network.sha256), network.images
        if bench is None or images is None:
            return ""
        if bench.subject.sigma is None:
            return "its bench holds no votes: qrobust bench with --sigma"
        measured = rational(bench.subject.sigma, "sigma of a bench")
        if measured == images.sigma:
            return ""
        return f"its bench is of sigma {text(measured)}, its journal of {text(images.sigma)}"

    def of_core(self, network: Candidate) -> Instructions | None:
        """Return the instructions of a vote on the core; None where nothing tells."""
        return instructions(network.sha256, network.macs, network.coordinates, list(self.runs))


@dataclass(frozen=True)
class Plan:
    """What a planner found.

    Attributes:
        rows: by data, network, method.
        unknown: names of networks -> why there is no row of them.
        never: names of networks -> ways that can never certify the radius.
        untimed: names of networks with rows -> why a bench of theirs gives no seconds.
    """

    rows: tuple[Row, ...]
    unknown: dict[str, str]
    never: dict[str, list[str]]
    untimed: dict[str, str]


def make_plan(
    networks: Sequence[Candidate],
    radius: Fraction,
    *,
    alpha: str = "0.001",
    sigma: Fraction | None = None,
    bounds: Sequence[int] = BOUNDS,
    most: int = MOST,
    speeds: Speeds,
) -> Plan:
    """Forecast certificates at a radius.

    Args:
        networks: to choose from.
        radius: in LSB.
        alpha: error probability of a certificate.
        sigma: networks of other noise have no row; None for all.
        bounds: votes of bounds that are compared.
        most: of the test beside them.
        speeds: what is known of speed.

    Raises:
        CertifyError: settings that no certificate can have, or bounds of too many votes.
    """
    charged_level(rational(alpha, "alpha"), 1, Fraction(0))  # an alpha that there is
    for n in bounds:
        whole(n, "n of a plan", 1, MOST_OF_A_BOUND)
    ways = [Settings(n=n, alpha=alpha) for n in dict.fromkeys(bounds)]
    ways.append(Settings(method=EARLY, n=most, alpha=alpha, radius=text(radius)))
    rows: list[Row] = []
    unknown: dict[str, str] = {}
    never: dict[str, list[str]] = {}
    untimed: dict[str, str] = {}
    for network in networks:
        images = network.images
        if images is None:
            unknown[network.name] = network.why_not
        elif sigma is not None and images.sigma != sigma:
            unknown[network.name] = f"its noise has sigma {text(images.sigma)}, not {text(sigma)}"
        elif radius > images.reach:
            unknown[network.name] = (
                f"its journal tells nothing past {float(images.reach):.4g} LSB: {images.reason}"
            )
        else:
            if why := speeds.why_none(network):
                untimed[network.name] = why
            for way in ways:
                row = _row(network, images, way, radius, speeds)
                if row is None:
                    never.setdefault(network.name, []).append(f"{_short(way.method)} n = {way.n:,}")
                else:
                    rows.append(row)
    return Plan(tuple(_advised(rows)), unknown, never, untimed)


def _row(
    network: Candidate, images: Images, way: Settings, radius: Fraction, speeds: Speeds
) -> Row | None:
    """A row; None where so many votes can never certify the radius."""
    smoothing = smoothing_of(images.sigma, network.span, network.coordinates)
    try:
        found = forecast(way, radius, images.p, smoothing)
    except CertifyError:
        return None
    if not found.accepted.any():
        return None
    share, votes = images.share(found.accepted), images.average(found.samples)
    low, high = share_interval(round(share * images.count), images.count)
    seconds, at_least = None, False
    if not speeds.why_none(network):
        short = way.method != CLOPPER_PEARSON
        seconds, at_least = speeds.seconds(network.sha256, votes, short=short)
    each = speeds.of_core(network)
    return Row(
        network=network.name,
        data=network.data,
        sigma=text(images.sigma),
        bits=network.bits,
        bytes=network.bytes,
        method=way.method,
        n=way.n,
        share=share,
        low=low,
        high=high,
        images=images.count,
        votes=votes,
        seconds=seconds,
        at_least=at_least,
        instructions=None if each is None else (each.low * votes, each.high * votes),
    )


def _short(method: str) -> str:
    return "bound" if method == CLOPPER_PEARSON else "test"


def _advised(rows: Sequence[Row]) -> list[Row]:
    """Mark, of each data, the fewest votes among the best shares."""
    found = []
    for row in rows:
        same = [r for r in rows if r.data == row.data]
        best = max(r.share for r in same)
        near = [r for r in same if r.share >= best - _NEAR]
        found.append(Row(**(asdict(row) | {"advised": row is min(near, key=lambda r: r.votes)})))
    return found
