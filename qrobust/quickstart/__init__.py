"""The whole road on real digits: train, export, prove parity, certify, report."""
