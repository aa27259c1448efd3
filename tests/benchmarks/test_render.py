"""The documents hold what docs/results and the models' summaries say, and nothing else."""

import re
from dataclasses import replace

import pytest
import render
import results
from test_results import folder  # noqa: F401


@pytest.mark.parametrize("name", render.DOCUMENTS)
def test_a_document_is_what_it_would_be_rendered_to(name):
    text = (results.PROJECT / name).read_text()
    assert render.rendered(text) == text


def test_no_results_are_of_a_model_that_has_changed():
    assert render.stale_results() == []


def test_every_result_is_shown_somewhere():
    text = "".join((results.PROJECT / name).read_text() for name in render.DOCUMENTS)
    shown = {name.partition("/")[0] for name in re.findall(r"<!-- results: (\S+) -->", text)}
    assert set(results.names()) == shown - {"models", "commands", "layers"}


def test_shares_have_intervals_and_counts_stand_apart_from_speeds(folder):  # noqa: F811
    text = render.rendered("a\n<!-- results: small -->\nold\n<!-- end -->\nb\n", folder)
    assert (
        "old" not in text and text.startswith("a\n<!-- results") and text.endswith("end -->\nb\n")
    )
    assert "| 75.0% (19.4% to 99.4%) | 1,234" in text
    assert "| 12,346       | 0.988" in text
    counts = render.block("small/counts", folder)
    assert "1,234" in counts and "12,346" not in counts
    assert render.block("small/text", folder) == "```\nprinted\n```"
    assert render.rendered(text, folder) == text


def test_an_edited_number_is_noticed(folder):  # noqa: F811
    text = render.rendered("<!-- results: small -->\n<!-- end -->\n", folder)
    assert render.rendered(text.replace("1,234", "0"), folder) == text


def test_a_stale_row_is_shown_as_one(folder):  # noqa: F811
    found = results.read("small", folder)
    row = {**found.counts[0], "stale": "another network"}
    results.write(replace(found, counts=[row, {**row, "stale": ""}]), folder)
    lines = render.block("small/counts", folder).splitlines()
    assert "| stale |" in lines[2] and "stale" not in lines[3]
    assert lines[-1].endswith("**stale**: another network")


def test_a_block_without_an_end_or_without_results_is_refused(folder):  # noqa: F811
    with pytest.raises(ValueError, match="has no <!-- end -->"):
        render.rendered("<!-- results: small -->\n", folder)
    with pytest.raises(ValueError, match="no results 'other'"):
        render.rendered("<!-- results: other -->\n<!-- end -->\n", folder)
