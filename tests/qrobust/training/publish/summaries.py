"""A summary of a model that does not exist, every part of it filled in."""

from qrobust.training.publish.summary import (
    AttackedShare,
    Certified,
    CertifiedShare,
    Compared,
    Data,
    ModelFile,
    ModelSummary,
    Network,
    Proportion,
    Table,
)

SUMMARY = ModelSummary(
    name="small",
    command="qrobust train recipe.toml",
    date="2026-01-01",
    versions={"Python": "3.11.7"},
    data=Data("digits", 1297, 500, "pixel step (inputs are 0..255)", 255),
    network=Network("digits_cnn", "4", "4"),
    clean=Proportion(488, 500),
    file=ModelFile(20_720, "ab", 121_088, {"generated C": 2848, "TFLM": "unknown"}, "the layers"),
    compared=Compared(
        500, 5000, {"Keras predict": 0, "LiteRT XNNPACK": 0}, {"TFLM": "not installed"}
    ),
    certified=Certified(
        64.0,
        300,
        {"method": "clopper_pearson", "n0": 100, "n": 10_000, "alpha": "0.001"},
        "the file",
        (CertifiedShare(0.0, 291, 300), CertifiedShare(32.0, 285, 300)),
        3,
        ("All of them hold together.",),
    ),
    attacks=(AttackedShare("PGD", "the Keras model", "linf", 8.0, 188, 200),),
    tables=(
        Table("proofs", "Proofs", ("family", "proven"), (("light", {"count": 3, "of": 4}),), "x."),
    ),
    notes="Tried: *less* noise.\n",
    votes_per_second=9,
    seconds=1.5,
)
