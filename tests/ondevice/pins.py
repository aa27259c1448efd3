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
