"""What is fed, and what has to hold: a refusal is one clean line, an acceptance makes sense.

A target makes its inputs from a seed and a number, and judges one: whether it came past the first
check (the identifier, the syntax, the archive's directory). It raises where something is wrong.
"""

import io
import json
import random
import tempfile
import tomllib
import zipfile
from dataclasses import fields, is_dataclass
from math import isfinite
from pathlib import Path

import numpy as np

from qrobust.certify import (
    Certificate,
    Certifier,
    CertifyError,
    Job,
    SmoothingSpec,
    attach_spec,
    certify_dataset,
    load_data,
    make_data,
    read_lines,
    read_spec,
)
from qrobust.certify.arithmetic.strict_json import strict_json
from qrobust.certify.file.metadata import read_metadata, write_metadata
from qrobust.certify.file.smoothing_spec import METADATA_NAME
from qrobust.certify.run.journal import chain
from qrobust.training.recipe import read_recipe
from tests.fuzz.mutate import damaged_bytes, damaged_json, damaged_toml, damaged_words, dumped
from tflite_export.errors import ExportError
from tflite_export.inspection import inspect
from tflite_export.printable import one_line
from tflite_export.read import read_graph

CORPUS = Path(__file__).parent / "corpus"
MODELS = Path(__file__).parents[2] / "models"
_NOTHING_MORE = 20  # samples: a fuzzed network is run, not measured


class Finding(Exception):
    """An input that was accepted and should not have been, or refused in a bad way."""


def clean(error):
    """A refusal is one line that a terminal survives."""
    # The command line prints an exporter's words through this, a certifier's as they are.
    text = one_line(error) if isinstance(error, ExportError) else str(error)
    if not text or "\n" in text or len(text) > 5000:
        raise Finding(f"a refusal of {len(text)} characters: {text[:200]!r}")


class Target:
    """Base: a name, seeds, a way to make an input and a way to judge it."""

    name = ""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="qrobust-fuzz-"))
        self.seeds = self.make_seeds()

    def input(self, seed, number):
        rng = random.Random(f"{self.name}-{seed}-{number}")
        if number < len(self.seeds):
            return self.seeds[number] if isinstance(self.seeds[number], bytes) else b""
        return self.damaged(rng.choice(self.seeds), rng)

    def make_seeds(self):
        return [path.read_bytes() for path in sorted((CORPUS / self.name).glob("*"))]

    def damaged(self, data, rng):
        return damaged_bytes(data, rng)

    def written(self, data, name):
        path = self.folder / name
        path.write_bytes(data)
        return path


class File(Target):
    """A ``.tflite``: read here, run in a child."""

    name = "file"

    def make_seeds(self):
        return [*super().make_seeds(), (MODELS / "digits" / "model.tflite").read_bytes()]

    def damaged(self, data, rng):
        return damaged_bytes(data, rng) if rng.random() < 0.3 else damaged_words(data, rng)

    def judge(self, data):
        try:
            read_metadata(data, "")
        except CertifyError as error:
            clean(error)
            return False
        for read in (inspect, read_graph):
            try:
                str(read(data))
            except ExportError as error:
                clean(error)
        try:
            sigma = "20" if read_spec(data) is None else None
            with Certifier(data, sigma=sigma, threads=1, batch_size=4) as certifier:
                x = np.full(certifier.file.shape, certifier.file.grid.low)
                votes = certifier.votes(x, _NOTHING_MORE)
                if votes.sum() != _NOTHING_MORE:
                    raise Finding("votes do not add up")
        except CertifyError as error:
            clean(error)
        return True


class Spec(Target):
    """The smoothing spec inside a file."""

    name = "spec"

    def make_seeds(self):
        self.model = (MODELS / "digits" / "model.tflite").read_bytes()
        spec = SmoothingSpec.for_model(
            self.model,
            sigma=30,
            unit="pixel step",
            labels=tuple("0123456789"),
            tables=((50, "0.01"),),
        )
        self.value = json.loads(read_metadata(attach_spec(self.model, spec), METADATA_NAME))
        return [json.dumps(self.value).encode(), *super().make_seeds()]

    def damaged(self, data, rng):
        if rng.random() < 0.1:
            return damaged_bytes(data, rng)
        return dumped(damaged_json(json.loads(data), rng), rng)

    def judge(self, data):
        file = write_metadata(self.model, METADATA_NAME, data)
        try:
            spec = read_spec(file)
        except CertifyError as error:
            clean(error)
            return is_object(data)
        if spec.sigma <= 0 or not isfinite(float(spec.sigma)):
            raise Finding(f"accepted sigma {spec.sigma}")
        json.dumps(spec.to_json(), allow_nan=False)
        try:
            with Certifier(file, threads=1, batch_size=4) as certifier:
                certifier.votes(np.zeros(certifier.file.shape), 4)
        except CertifyError as error:
            clean(error)
        return True


class Journal(Target):
    """A journal of certificates; most of them with chains that follow."""

    name = "journal"

    def make_seeds(self):
        model = (MODELS / "digits" / "model.tflite").read_bytes()
        shape = (8, 8, 1)
        data = make_data(np.full((3, *shape), 7, np.uint8), np.arange(3))
        path = self.folder / "seed.jsonl"
        job = Job(model, sigma=None if read_spec(model) else "30", threads=1)
        list(certify_dataset(job, data, out=path, allow_constant=True))
        return [path.read_bytes(), *super().make_seeds()]

    def damaged(self, data, rng):
        if rng.random() < 0.15:
            return damaged_bytes(data, rng)
        lines = [json.loads(line) for line in data.splitlines()]
        place = rng.randrange(len(lines)) if rng.random() < 0.3 else len(lines) - 1
        lines[place] = damaged_json(lines[place], rng)
        previous, out = "", []
        for line in json.loads(json.dumps(lines)):  # copies: a part may stand in two lines
            if isinstance(line, dict) and rng.random() < 0.97:
                try:
                    line["chain"] = previous = chain(previous, line)
                except (ValueError, TypeError, RecursionError, CertifyError):
                    pass
            out.append(dumped(line, rng))
        return b"\n".join(out) + b"\n"

    def judge(self, data):
        path = self.written(data, "j.jsonl")
        past = 0
        try:
            for line in read_lines(path):
                past += 1
                if line.number > 1:
                    sensible(Certificate.from_json(line.value))
        except CertifyError as error:
            clean(error)
        return past > 0


class OneCertificate(Target):
    """One certificate's JSON."""

    name = "certificate"

    def make_seeds(self):
        lines = Journal().seeds[0].splitlines()
        return [lines[1], lines[2], *super().make_seeds()]

    def damaged(self, data, rng):
        if rng.random() < 0.1:
            return damaged_bytes(data, rng)
        return dumped(damaged_json(json.loads(data), rng), rng)

    def judge(self, data):
        try:
            value = strict_json(data, "it")
        except CertifyError as error:
            clean(error)
            return is_object(data)
        if not isinstance(value, dict):
            return False
        try:
            sensible(Certificate.from_json(value))
        except CertifyError as error:
            clean(error)
        return True


class Recipe(Target):
    """A recipe's TOML."""

    name = "recipe"

    def make_seeds(self):
        return [path.read_bytes() for path in sorted(MODELS.glob("*/*.toml"))]

    def damaged(self, data, rng):
        if rng.random() < 0.1:
            return damaged_bytes(data, rng)
        return damaged_toml(data.decode(), rng).encode()

    def judge(self, data):
        path = self.written(data, "recipe.toml")
        try:
            for value in numbers(read_recipe(path)):
                if not isfinite(value) or value < 0:
                    raise Finding(f"accepted the number {value}")
        except ValueError as error:
            clean(error)
            try:
                tomllib.loads(data.decode())
            except (ValueError, RecursionError):
                return False
        return True


class Npz(Target):
    """An archive of arrays."""

    name = "npz"

    def make_seeds(self):
        made = []
        for save in (np.savez, np.savez_compressed):
            content = io.BytesIO()
            save(content, x=np.arange(24, dtype=np.uint8).reshape(4, 6), y=np.arange(4))
            made.append(content.getvalue())
        return [*made, *super().make_seeds()]

    def damaged(self, data, rng):
        # Arrays first, directory last: both where their structure is.
        return damaged_bytes(data, rng) if rng.random() < 0.5 else damaged_words(data, rng, start=0)

    def judge(self, data):
        path = self.written(data, "d.npz")
        try:
            held = load_data(path)
            if held.x.nbytes > 1 << 24:
                raise Finding(f"accepted {held.x.nbytes} bytes from {len(data)}")
        except CertifyError as error:
            clean(error)
            try:
                zipfile.ZipFile(io.BytesIO(data))
            except Exception:
                return False
        return True


def is_object(data):
    try:
        return isinstance(json.loads(data), dict)
    except (ValueError, RecursionError):
        return False


def sensible(certificate):
    """An accepted certificate can be written again and is the same."""
    text = json.dumps(certificate.to_json(), allow_nan=False)
    if Certificate.from_json(json.loads(text)) != certificate:
        raise Finding("a certificate reads as another one")
    if not 0 <= certificate.radius < 1e9 or min(certificate.votes, default=0) < 0:
        raise Finding(f"accepted radius {certificate.radius}, votes {certificate.votes}")


def numbers(value):
    """Every number in a dataclass of tables and lists."""
    if is_dataclass(value):
        for field in fields(value):
            yield from numbers(getattr(value, field.name))
    elif isinstance(value, dict):
        for item in value.values():
            yield from numbers(item)
    elif isinstance(value, tuple | list):
        for item in value:
            yield from numbers(item)
    elif isinstance(value, int | float):
        yield value


TARGETS = {kind.name: kind for kind in (File, Spec, Journal, OneCertificate, Recipe, Npz)}
