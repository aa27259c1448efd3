"""The road from a recipe to a published model, and what is said of it."""

from qrobust.training.publish.road import Published, publish, run_recipe
from qrobust.training.publish.summary import ModelSummary, Table, read_summary

__all__ = ["ModelSummary", "Published", "Table", "publish", "read_summary", "run_recipe"]
