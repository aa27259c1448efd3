"""How long the attacks of one evaluation run: one table for all suites."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SuiteSettings:
    """Steps and queries of every attack.

    Attributes:
        steps: of BIM and MI-FGSM.
        step_share: their step as a share of epsilon; None for ``2.5 / steps``.
        pgd_steps: of each restart.
        pgd_restarts: of PGD.
        spsa_steps: of SPSA.
        spsa_samples: inputs for one estimate.
        cw_searches: constants that Carlini and Wagner's attack tries.
        cw_steps: for each.
        random_queries: of the random search.
        square_queries: of Square.
        hop_iterations: of HopSkipJump.
        hop_samples: labels of its first estimate.
        masking_steps: of the iterated attacks in the masking checks.
        masking_queries: of their Square and random search.
    """

    steps: int = 20
    step_share: float | None = None
    pgd_steps: int = 40
    pgd_restarts: int = 4
    spsa_steps: int = 20
    spsa_samples: int = 32
    cw_searches: int = 5
    cw_steps: int = 50
    random_queries: int = 100
    square_queries: int = 500
    hop_iterations: int = 8
    hop_samples: int = 50
    masking_steps: int = 20
    masking_queries: int = 200


STANDARD = SuiteSettings()

#: Bernhard et al. 2019: BIM 300 steps of 3e-4 at .03, CW 10 x 100, SPSA 100 steps of 128 samples.
FULL = SuiteSettings(
    steps=300,
    step_share=1 / 100,
    pgd_steps=100,
    pgd_restarts=10,
    spsa_steps=100,
    spsa_samples=128,
    cw_searches=10,
    cw_steps=100,
    random_queries=1000,
    square_queries=5000,
    hop_iterations=30,
    hop_samples=100,
    masking_steps=40,
    masking_queries=2000,
)


def suite_settings(full: bool) -> SuiteSettings:
    """The table for the long suite or the standard one."""
    return FULL if full else STANDARD
