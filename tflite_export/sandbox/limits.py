"""What a child that runs a stranger's file may take."""

import os
import resource
import signal

#: Bytes of private memory, whatever the machine has.
MOST_MEMORY = 4 << 30
#: Seconds for one answer. Requests are cut so that an honest file needs a small part of it.
ANSWER_S = 60.0
_SHARE = 2


def memory_limit() -> int:
    """Bytes that one child may allocate: half the machine, at most `MOST_MEMORY`."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(MOST_MEMORY, machine // _SHARE)


def restrict(memory: int) -> None:
    """Limit this process for good: private memory, no files, no core dump.

    RLIMIT_DATA rather than RLIMIT_AS: address space that is only reserved (thread arenas, mapped
    libraries) costs nothing and differs from machine to machine.
    """
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    memory = memory if most == resource.RLIM_INFINITY else min(memory, most)
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
