"""The one exception that bad input raises."""

from tflite_export.printable import LONGEST, printable


class CertifyError(ValueError):
    """Input that cannot be certified.

    The message is one line: what was wrong, where, and what to do. The command line prints it as
    it is and ends with exit status 2. What a file says in it can do nothing to a terminal.
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(message, 10 * LONGEST))
