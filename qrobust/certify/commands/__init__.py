"""The command lines ``certify``, ``audit`` and ``report``: thin shells around the library."""
