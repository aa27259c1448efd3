"""Every version that the on-device runs install, in one place."""

# Debian 12: its Python is 3.11, which both wheels below are built for.
DEBIAN_SUITE = "bookworm"
DEBIAN_PYTHON = "3.11"

# Only what `ai_edge_litert.interpreter` and `qrobust.certify` import. LiteRT itself is installed
# in the version that runs natively, so that a difference is the device's and not the release's;
# this one is for a machine where the native version has no metadata.
LITERT = "2.3.0"
NUMPY = "2.4.6"
TQDM = "4.70.1"

# LiteRT.js asks for "^2.5.3" of its second package: pinned too, or an install would drift.
LITERTJS = "2.5.3"
LITERTJS_WASM_UTILS = "2.5.3"

# SHA-256 of the ARM64 wheels, those of `pip download` for Python 3.11. npm's are the `integrity`
# of npm/package-lock.json.
WHEEL_SHA256 = {
    "ai-edge-litert==2.3.0": "853fc608f96da87bd5f3458465dfb9abbf18d5ae6b94eceacead407146f175ae",
    "numpy==2.4.6": "0ab0a9c4ffb1a6d95ef519fe4247dba8eb6b18ad93999f76b7f657039acabd47",
    "tqdm==4.70.1": "c293e525e6fef9c20e8728fd4612df02a0aa31bb5fe91ecd93e123b1b7bffa73",
}
