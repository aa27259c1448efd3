"""Cortex-M cores under QEMU: the generated C and the C certifier, compared with this computer."""
