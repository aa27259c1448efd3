"""A spoken word to a certified label: WAV files of 16 kHz, mono, 16 bits, one second each.

    python examples/audio.py models/kws_dscnn_w4a8/model.tflite word.wav ... [--sigma 8]

The network reads 49 x 10 mel-frequency cepstral coefficients, and a certificate holds on those
features, not on the sound: a change of the sound is covered where its features stay within the
radius. How far that is for your noise is measured here, by adding it.
"""

import argparse

import numpy as np

from qrobust.audio import FEATURE_EXPONENT, fit_clip, mfcc, quantize_features, read_wav
from qrobust.certify import Certifier, read_spec


def features(sound):
    return quantize_features(mfcc(fit_clip(sound)), FEATURE_EXPONENT)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", metavar="MODEL.tflite")
    parser.add_argument("sounds", nargs="+", metavar="WORD.wav")
    parser.add_argument("--sigma", help="in feature steps, where the file has no smoothing spec")
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--hiss", type=float, default=20, help="to compare with, PCM steps")
    args = parser.parse_args()
    with open(args.model, "rb") as file:
        spec = read_spec(file.read())
    labels = spec.labels if spec is not None else None
    with Certifier(args.model, sigma=args.sigma, key="fresh") as certifier:
        for index, path in enumerate(args.sounds):
            sound = read_wav(path)
            x = features(sound).reshape(certifier.inputs)
            found = certifier.certify(x, n=args.samples, index=index)
            word = labels[found.label] if labels and not found.abstained else found.label
            said = "abstains" if found.abstained else f"{word} within {found.radius:.1f} steps"
            hiss = np.random.default_rng(index).normal(0, args.hiss, sound.shape)
            noisy = np.clip(sound + np.rint(hiss), -32768, 32767).astype(sound.dtype)
            change = features(noisy).reshape(x.shape).astype(int) - x
            print(f"{path}: {said}; hiss moves the features by {np.linalg.norm(change):.1f}")


if __name__ == "__main__":
    main()
