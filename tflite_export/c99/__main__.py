"""``python -m tflite_export.c99 MODEL.tflite DIR``: the C of an exported file."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tflite_export.c99.write import write
from tflite_export.errors import ExportError
from tflite_export.read import border_types, read_graph


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the C; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tflite_export.c99", description="Write an exported .tflite as C99."
    )
    parser.add_argument("model", type=Path, metavar="MODEL.tflite")
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--name", default="model", help="of the files and of what they define")
    options = parser.parse_args(arguments)
    try:
        content = options.model.read_bytes()
        graph = read_graph(content)
        if "uint8" in border_types(content):
            raise ExportError("A border of the file is uint8; export with io='int8' to write C.")
        written = write(graph, options.folder, options.name)
    except (OSError, ValueError) as error:
        print(f"error: {options.model}: {error}", file=sys.stderr)
        return 2
    print(*written, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
