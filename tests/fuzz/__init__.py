"""Hostile inputs that stay: ``python -m tests.fuzz.run`` is long, ``test_targets`` short."""
