"""Native code that strangers' files reach runs in a process of its own, with limits.

* ``template``: a process that has imported what its children need, forks them and buries them.
* ``child``: one such process as this one sees it: start, call, end.
* ``limits``: what a child may take.
* ``serve``: what a child does.
* ``litert``: a file on the interpreters of this machine, run by a child.

A child that aborts, hangs or takes too much memory is a `SandboxError` here and nothing else. It
is no jail: code that takes over a child has this user's rights.
"""

from tflite_export.sandbox.errors import SandboxError

__all__ = ["SandboxError"]
