"""What ends the ``--help`` of each command: lines that can be typed as they stand."""

from collections.abc import Mapping

EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "qrobust": (
        "qrobust quickstart                       # everything, in some minutes",
        "qrobust certify model.tflite photos/ --out certificates.jsonl",
        "qrobust audit certificates.jsonl model.tflite photos/",
        "qrobust report certificates.jsonl --out report",
        "qrobust COMMAND --help                   # examples of each",
    ),
    "quickstart": (
        "qrobust quickstart",
        "qrobust quickstart --out mine --seed 3",
        "qrobust quickstart --out mine --resume",
    ),
    "models": (
        "qrobust models",
        "qrobust models digits mine              # then: qrobust train mine/recipe.toml",
    ),
    "train": (
        "qrobust train recipe.toml",
        "qrobust train recipe.toml --data datasets --out model --allow-missing TFLM",
        "qrobust train recipe.toml --resume",
    ),
    "ensemble": (
        "qrobust ensemble a.keras b.keras c.keras --out both.keras",
        "qrobust ensemble a.keras b.keras --out both.keras --learn held_out.npz",
    ),
    "bundle": (
        "qrobust bundle a.tflite b.tflite --out all.bundle --learn held_out.npz",
        "qrobust bundle a.tflite b.tflite --out all.bundle --rule consensus --first 2",
        "qrobust bundle random.keras --draws 16 --sigma 64 --out random.bundle",
        "qrobust bundle a.tflite b.tflite --out all.bundle --rule consensus --c99 firmware",
    ),
    "quantize": (
        "qrobust quantize float.keras data.npz model.tflite --bits 6",
        "qrobust quantize float.keras photos/ model.tflite --sigma 32 --twin twin.keras",
    ),
    "export": (
        "qrobust export model.keras model.tflite",
        "qrobust export model.keras model.tflite --sigma 64 --unit 'pixel step'",
        "qrobust export model.keras model.tflite --sigma 64 --table 1000 --c99 firmware",
    ),
    "inspect": ("qrobust inspect model.tflite",),
    "parity": (
        "qrobust parity model.keras model.tflite",
        "qrobust parity model.keras model.tflite --inputs 1000 --json",
    ),
    "attack": (
        "qrobust attack model.keras data.npz --out attack.json",
        "qrobust attack model.tflite photos/ --out attack.json --surrogate model.keras",
        "qrobust attack model.tflite data.npz --out attack.json --surrogate model.keras \\\n"
        "      --certificates certificates.jsonl",
        "qrobust attack model.tflite data.npz --out faults.json --bit-flips 16",
    ),
    "corrupt": (
        "qrobust corrupt model.tflite data.npz",
        "qrobust corrupt model.tflite photos/ --kinds fog contrast --json > corrupt.json",
    ),
    "verify": (
        "qrobust verify model.tflite data.npz --family light:16 --out light.jsonl",
        "qrobust verify model.tflite data.npz --norm linf --radius 1 --out box.jsonl --limit 20",
    ),
    "data": (
        "qrobust data inspect photos/ --shape 32x32x3",
        "qrobust data --help                      # its actions",
    ),
    "bench": (
        "qrobust bench model.tflite --out bench.json",
        "qrobust bench model.tflite --sigma 64 --threads 1 --json",
    ),
    "plan": (
        "qrobust plan --radius 64",
        "qrobust plan --radius 127.5 --network cifar10 --core cortex-m4 --mhz 168",
        "qrobust plan --radius 32 --network model.tflite --journal certificates.jsonl \\\n"
        "      --bench bench.json",
    ),
    "web": (
        "qrobust web page --model model.tflite",
        "qrobust web page --model model.tflite --samples photos/ --labels cat,dog -n 1000 10000",
    ),
}
