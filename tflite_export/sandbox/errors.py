"""What a file that was run elsewhere did wrong."""


class SandboxError(ValueError):
    """A child died, hung or gave nonsense; the message is one line."""


class RefusedError(SandboxError):
    """A child is well and says no; the message is the handler's."""
