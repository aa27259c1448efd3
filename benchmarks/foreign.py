"""Which other clients and compilers give our integers: differing logits of each, in its own place.

    python benchmarks/foreign.py [--clients NAME ...] [--environments DIR] [--record foreign]

Every client gets a virtual environment of its own, made on first use with the packages named in
``CLIENTS`` from PyPI; one that does not install is a row that says so. Each runs a file in a
process of its own (``benchmarks/foreign_clients``); its logits are compared with LiteRT's, whose
kernel families ``benchmarks/parity.py`` compares. The networks are what ``export`` makes of the
shipped Keras models, the shipped files where those differ, and the stock converter's files of
their float twins. A run can be taken up again (``--answers``).
"""

import argparse
import json
import subprocess
import sys
import tempfile
import venv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import results

from qrobust.load_keras import load_keras
from tflite_export import export, runtimes

WORKERS = Path(__file__).parent / "foreign_clients"
MODELS = results.PROJECT / "models"
SHIPPED = (
    *("digits", "cifar10_resnet8_w4a4", "cifar10_resnet20_w4a4", "cifar10_stq"),
    *("cifar10_bernhard/w4a4", "kws_dscnn_w4a8", "kws_stq/adversarial"),
    *("digits_proof", "mnist_proof", "digits_splits", "digits_bands"),
)
#: Float twins that the stock converter is shown on.
FLOAT = {
    name: f"{name}/float" for name in ("digits", "cifar10_resnet8_w4a4", "cifar10_resnet20_w4a4")
}
LITERT = "LiteRT XNNPACK"
STANDARD, STOCK = "export", "stock converter"
_SECONDS = 600


@dataclass(frozen=True)
class Client:
    """One client.

    Attributes:
        worker: the script that runs it, and its first arguments.
        packages: what its environment holds.
        counts: "differ" for logits, "CPU operators" where it only compiles.
    """

    worker: tuple[str, ...]
    packages: tuple[str, ...]
    counts: str = "differ"

    @property
    def environment(self) -> str:
        """A folder's name: clients with the same packages share one."""
        return results.text_sha256(" ".join(self.packages))[:12]


_ONNX = (
    *("tensorflow-cpu==2.15.1", "tf2onnx==1.17.0", "onnx==1.16.2", "onnxruntime==1.23.2"),
    *("tract==0.23.9", "numpy<2"),
)
_TOSA = "tosa-converter-for-tflite==2026.2.0"
_IREE = (_TOSA, "iree-base-compiler", "iree-base-runtime", "numpy")
_OPENVINO = ("openvino==2026.4.1", "numpy")

CLIENTS: dict[str, Client] = {
    "ONNX Runtime 1.23, tf2onnx": Client(("onnx.py", "onnxruntime"), _ONNX),
    "tract 0.23, tf2onnx": Client(("onnx.py", "tract"), _ONNX),
    "IREE, TOSA": Client(("tosa.py", "iree"), _IREE),
    "TOSA reference model": Client(
        ("tosa.py", "reference"), (_TOSA, "tosa-tools==2026.8.0", "numpy")
    ),
    "OpenVINO, f32 hint": Client(("openvino_cpu.py", "f32"), _OPENVINO),
    "OpenVINO, default hint": Client(("openvino_cpu.py", ""), _OPENVINO),
    "tflite-runtime 2.14": Client(("litert.py",), ("tflite-runtime==2.14.0", "numpy<2")),
    "TensorFlow 2.15": Client(("litert.py",), _ONNX),
    "ai-edge-litert 1.0.1": Client(("litert.py",), ("ai-edge-litert==1.0.1", "numpy<2")),
    "ai-edge-litert 1.4.0": Client(("litert.py",), ("ai-edge-litert==1.4.0",)),
    "Vela 3.12, U55": Client(
        ("vela_cpu.py", "ethos-u55-128"), ("ethos-u-vela==3.12.0", "numpy<2"), "CPU operators"
    ),
    "Vela 4.2, U55": Client(
        ("vela_cpu.py", "ethos-u55-128"), ("ethos-u-vela==4.2.0",), "CPU operators"
    ),
    "Vela 5.2, U55": Client(
        ("vela_cpu.py", "ethos-u55-128"), ("ethos-u-vela==5.2.0",), "CPU operators"
    ),
}
TINY = "this environment"


def main() -> int:
    args = arguments()
    files = list(networks(args))
    rows: list[dict] = []
    found: dict[tuple[str, str, str], int | str] = {}
    kept = answers(args.answers)
    with tempfile.TemporaryDirectory() as folder:
        for number, (network, of, content) in enumerate(files):
            path = Path(folder) / f"{number}.tflite"
            path.write_bytes(content)
            inputs = some_inputs(content, args.inputs)
            (expected,) = runtimes.run(LITERT, content, [inputs])
            for name in args.clients:
                digest = results.text_sha256(str(content))
                key = f"{name} | {network} | {of} | {args.inputs} | {digest}"
                if key not in kept:
                    kept[key] = answered(name, path, inputs, expected, args.environments)
                    if args.answers:
                        args.answers.write_text(json.dumps(kept, indent=1))
                answer = found[name, network, of] = kept[key]
                print(f"{name:28}{network:24}{of:18}{answer}", flush=True)
    for name in args.clients:
        row = {"client": name}
        for network, of, _ in files:
            row[f"{network}, {of}"] = found[name, network, of]
        rows.append(row)
    results.record(
        args.record,
        counts=rows,
        models=[MODELS / name / "model.tflite" for name in args.networks if args.shipped],
        seed=0,
    )
    return 0


def answers(path: Path | None) -> dict[str, int | str]:
    """What an earlier run found, by client, network, whose file, inputs and the file's digest."""
    return json.loads(path.read_text()) if path and path.is_file() else {}


def networks(args: argparse.Namespace):
    """(network, whose file, its bytes)."""
    for name in args.networks:
        folder = MODELS / name
        content = export(load_keras(folder / "model.keras")).tflite
        yield name, STANDARD, content
        if args.shipped and content != (folder / "model.tflite").read_bytes():
            yield name, "as shipped", (folder / "model.tflite").read_bytes()
        if args.stock and name in FLOAT:
            yield name, STOCK, stock_file(load_keras(MODELS / FLOAT[name] / "model.keras"), content)


def stock_file(model: object, ours: bytes) -> bytes:
    """What ``TFLiteConverter`` makes of a float model, calibrated on the inputs compared."""
    import tensorflow as tf

    inputs = some_inputs(ours, 100).astype(np.float32) + 128
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([row[None]] for row in inputs)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter.convert()


def some_inputs(content: bytes, count: int) -> np.ndarray:
    """Random int8, and as many smooth planes, whose neighbours are alike as a picture's are."""
    from ai_edge_litert.interpreter import Interpreter

    shape = tuple(Interpreter(model_content=content).get_input_details()[0]["shape"][1:])
    rng = np.random.default_rng(0)
    noise = rng.integers(-128, 128, (count // 2, *shape))
    steps = rng.normal(0, 12, (count - count // 2, *shape))
    smooth = rng.integers(-100, 100, (len(steps), 1, 1, 1)) + steps.cumsum(1) + steps.cumsum(2)
    return np.concatenate([noise, smooth.round().clip(-128, 127)]).astype(np.int8)


def answered(
    name: str, model: Path, inputs: np.ndarray, expected: np.ndarray, environments: Path
) -> int | str:
    """Differing logits (or CPU operators) of a client, or why there is no number."""
    if name == TINY:
        client, python = Client(("litert.py",), ()), Path(sys.executable)
    else:
        client = CLIENTS[name]
        try:
            python = environment(client, environments)
        except subprocess.CalledProcessError as error:
            return f"does not install: {last_line(error.stderr)}"
    with tempfile.TemporaryDirectory() as folder:
        given, result = Path(folder) / "in.npy", Path(folder) / "out.npy"
        np.save(given, inputs)
        script, *options = client.worker
        words = [
            str(python),
            "-I",
            str(WORKERS / script),
            *options,
            *map(str, (model, given, result)),
        ]
        try:
            done = subprocess.run(words, capture_output=True, text=True, timeout=_SECONDS)
        except subprocess.TimeoutExpired:
            return f"no answer in {_SECONDS} s"
        if done.returncode:
            return f"refused: {last_line(done.stderr)}"
        received = np.load(result)
    if client.counts != "differ":
        return int(received)
    return int(np.count_nonzero(received.reshape(expected.shape) != expected))


def environment(client: Client, folder: Path) -> Path:
    """The interpreter of a client's environment, which is made where it is missing."""
    place = folder / client.environment
    python, made = place / "bin" / "python", place / "made"
    if not made.exists():
        venv.create(place, with_pip=True, clear=True)
        words = [str(python), "-m", "pip", "install", "--quiet", *client.packages]
        subprocess.run(words, check=True, capture_output=True, text=True)
        made.touch()
    return python


def last_line(text: str) -> str:
    """The last words of an error, without paths."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return (lines[-1] if lines else "no message")[:100]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", nargs="+", choices=CLIENTS, default=list(CLIENTS))
    parser.add_argument("--networks", nargs="+", choices=SHIPPED, default=list(SHIPPED))
    parser.add_argument("--inputs", type=int, default=100)
    parser.add_argument("--no-stock", dest="stock", action="store_false")
    parser.add_argument("--no-shipped", dest="shipped", action="store_false")
    parser.add_argument(
        "--environments", type=Path, default=Path.home() / ".cache" / "qrobust" / "foreign"
    )
    parser.add_argument("--answers", type=Path, help="file of answers, to take a run up again")
    results.add_arguments(parser)
    args = parser.parse_args()
    if args.tiny:
        args.clients, args.networks, args.inputs, args.stock = [TINY], ["digits"], 4, False
    return args


if __name__ == "__main__":
    sys.exit(main())
