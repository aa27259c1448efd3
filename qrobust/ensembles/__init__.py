"""Several quantized networks as one: one integer file that is exported, certified and attacked."""

from qrobust.ensembles.combine import RULES, combine
from qrobust.ensembles.draw_members import draw_members
from qrobust.ensembles.integer_weights import integer_weights
from qrobust.ensembles.learn_bundle import LearnedBundle, learn_bundle
from qrobust.ensembles.learn_weights import LearnedWeights, learn_weights

__all__ = [
    "RULES",
    "LearnedBundle",
    "LearnedWeights",
    "combine",
    "draw_members",
    "integer_weights",
    "learn_bundle",
    "learn_weights",
]
