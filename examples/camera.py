"""A camera that says what it sees and how sure that is: Raspberry Pi, or a folder of pictures.

    python examples/camera.py MODEL.tflite                  # Picamera2, until Ctrl-C
    python examples/camera.py MODEL.tflite --folder photos  # anywhere

Needs `qrobust[images]`; on a Pi also `apt install python3-picamera2`. Every frame is a new input
and gets a fresh key: asking again about the same frame until it works would not be sound.
"""

import argparse
import tempfile
import time
from pathlib import Path

from qrobust.certify import Certifier, read_spec
from qrobust.certify.inputs import expected_by
from qrobust.certify.inputs.pictures import ENDINGS, read_picture


def frames(folder):
    """Yield pictures' names and paths: a folder's, by name, or what the camera sees."""
    if folder is not None:
        for path in sorted(p for p in folder.iterdir() if p.suffix.lower() in ENDINGS):
            yield path.name, path
        return
    from picamera2 import Picamera2

    with tempfile.TemporaryDirectory() as place, Picamera2() as camera:
        camera.configure(camera.create_still_configuration({"size": (640, 480)}))
        camera.start()
        while True:
            frame = Path(place) / "frame.png"
            camera.capture_file(str(frame))
            yield time.strftime("%H:%M:%S"), frame


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, metavar="MODEL.tflite")
    parser.add_argument("--folder", type=Path, help="of pictures, where there is no camera")
    parser.add_argument("--samples", type=int, default=200, help="noisy copies a frame")
    args = parser.parse_args()
    expected, labels = expected_by(args.model), read_spec(args.model.read_bytes()).labels
    with Certifier(args.model, key="fresh") as certifier:
        for index, (name, path) in enumerate(frames(args.folder)):
            started = time.perf_counter()
            x, _ = read_picture(path, expected)
            found = certifier.certify(x, n0=20, n=args.samples, alpha="0.01", index=index)
            spent = 1000 * (time.perf_counter() - started)
            label = labels[found.label] if labels and not found.abstained else found.label
            seen = "not sure" if found.abstained else f"{label} within {found.radius:.1f} LSB"
            print(f"{name}: {seen} ({spent:.0f} ms)", flush=True)


if __name__ == "__main__":
    main()
