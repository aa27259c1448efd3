"""A ``.tflite`` as a C array, for firmware that has no file system."""

import re
from pathlib import Path

from tflite_export.atomic import write_text

_PER_LINE = 12


def c_array(model: bytes, name: str) -> tuple[str, str]:
    """The header and the source of a C or C++ array that holds a model.

    ``const unsigned char NAME[]``, aligned to 16 bytes as TFLM asks, and ``NAME_len``.

    Args:
        model: the file.
        name: a C identifier.

    Raises:
        ValueError: the name is no C identifier.
    """
    if not re.fullmatch(r"[A-Za-z_]\w*", name):
        raise ValueError(f"A C array needs a C identifier as its name. Received: {name!r}")
    guard = f"{name.upper()}_H_"
    header = (
        f"#ifndef {guard}\n#define {guard}\n\n"
        f'#ifdef __cplusplus\nextern "C" {{\n#endif\n\n'
        f"/* A TensorFlow Lite model of {len(model)} bytes. */\n"
        f"extern const unsigned char {name}[{len(model)}];\n"
        f"extern const unsigned int {name}_len;\n\n"
        f"#ifdef __cplusplus\n}}\n#endif\n\n#endif /* {guard} */\n"
    )
    lines = [
        "  " + ", ".join(f"0x{byte:02x}" for byte in model[start : start + _PER_LINE]) + ","
        for start in range(0, len(model), _PER_LINE)
    ]
    source = (
        f'#include "{name}.h"\n\n'
        f"#ifdef __cplusplus\n#define {name}_ALIGNED alignas(16)\n"
        f"#else\n#include <stdalign.h>\n#define {name}_ALIGNED alignas(16)\n#endif\n\n"
        f"{name}_ALIGNED const unsigned char {name}[{len(model)}] = {{\n"
        + "\n".join(lines)
        + f"\n}};\nconst unsigned int {name}_len = {len(model)}u;\n"
    )
    return header, source


def save_c_array(model: bytes, source: str | Path) -> tuple[Path, Path]:
    """Write ``NAME.cc`` (or ``.c``) and ``NAME.h`` beside it; the array is called NAME.

    Returns:
        The paths of header and source.
    """
    path = Path(source)
    header, body = c_array(model, path.stem)
    write_text(path.with_suffix(".h"), header)
    write_text(path, body)
    return path.with_suffix(".h"), path
