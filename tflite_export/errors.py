"""Errors that a user of the exporter meets."""


class ExportError(ValueError):
    """A model or file that cannot become the same integers everywhere.

    The message names the layer or file, says what is wrong and what to do about it.
    """
