"""The one exception that bad input raises."""


class CertifyError(ValueError):
    """Input that cannot be certified.

    The message is one line: what was wrong, where, and what to do. The command line prints it as
    it is and ends with exit status 2.
    """
