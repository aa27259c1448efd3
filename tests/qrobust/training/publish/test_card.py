from dataclasses import replace

from summaries import SUMMARY

from qrobust.training.publish.card import card


def test_a_card_says_all_that_its_summary_does():
    text = card(SUMMARY)
    for part in (
        "# small\n\nPrinted by `qrobust train recipe.toml`, 2026-01-01, with\nPython 3.11.7.",
        "| 97.6% (95.8% to 98.8%) on 500 test examples",
        "| 20,720 bytes, 121,088 MACs",
        "| generated C: 2,848 bytes; TFLM: unknown",
        "0 differing integers of 5,000 on each of Keras predict, LiteRT XNNPACK; allowed to be "
        "missing, and not compared: TFLM (not installed)",
        "| 300 test examples, sigma 64 LSB, n = 10,000, alpha = 0.001 ",
        "| 32             | 0.125          | 95.0% (91.9% to 97.2%) ",
        "All of them hold together.",
        "the first 200 test examples: 94.0% (89.8% to 96.9%) under PGD on the Keras model",
        "## Proofs",
        "| light    | 75.0% (19.4% to 99.4%) |",
        "```\nthe layers\n```\n\nTried: *less* noise.\n",
    ):
        assert part in text


def test_features_have_no_unit_scale():
    text = card(replace(SUMMARY, data=replace(SUMMARY.data, span=None, unit="feature step")))
    assert "radius /" not in text and "| feature step" in text


def test_the_undefended_twin_stands_beside():
    text = card(replace(SUMMARY, baseline=SUMMARY))
    assert "| defended " in text and "| undefended " in text


def test_another_method_is_named():
    settings = {**SUMMARY.certified.settings, "method": "anytime"}
    text = card(replace(SUMMARY, certified=replace(SUMMARY.certified, settings=settings)))
    assert "alpha = 0.001, anytime" in text


def test_a_float_twin_has_no_file():
    text = card(replace(SUMMARY, file=None, compared=None, certified=None, why_not_certified="no"))
    assert "A float twin" in text and "No certificates." in text and "bytes" not in text
