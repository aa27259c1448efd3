"""Networks as people bring them: the list of facts, and builders after it.

`networks.json` names every network, its public source and how it is built. The builders are written
after those descriptions; entries may be added, none dropped.
"""
