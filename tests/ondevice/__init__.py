"""Runs a .tflite on other devices' runtimes and compares every output integer.

`run.py` is the command, `compare.compare_targets` the function behind it, `runtime.Runtime` what a
new device has to implement. Nothing here is part of the installed packages.
"""
