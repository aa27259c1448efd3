"""What is packed, what is pinned, and that a release with a hole is no release."""

import configparser
import importlib.util
import io
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import setuptools
from packaging.requirements import Requirement

import qrobust

ROOT = Path(__file__).parents[1]


def load(path, name):
    spec = importlib.util.spec_from_file_location(name, ROOT / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def release(monkeypatch):
    """tools/release.py, with tools/build.py rather than the distribution of that name."""
    monkeypatch.setitem(sys.modules, "build", load("tools/build.py", "build"))
    return load("tools/release.py", "release")


@pytest.fixture
def project(tmp_path):
    """Just what is read of a project."""
    for name in ("qrobust/version.py", "setup.cfg"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text((ROOT / name).read_text())
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## 0.1.0 (2026-11-26)\n\n* first\n")
    return tmp_path


def change(path, old, new):
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def test_one_version(release):
    assert release.version() == qrobust.__version__
    assert list(release.version_problems(ROOT, dry=True)) == []


def test_a_version_that_is_written_down_is_ready(release, project):
    assert list(release.version_problems(project, dry=False)) == []


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("CHANGELOG.md", "2026-11-26", "unreleased", "write its date"),
        ("CHANGELOG.md", "## 0.1.0", "## 0.0.9", "is 0.0.9, the version 0.1.0"),
        ("setup.cfg", "attr: qrobust.version.__version__", "0.1.0", "a version of its own"),
        ("qrobust/version.py", "0.1.0", "0.1", "no version such as"),
    ],
)
def test_a_version_that_is_not_is_told(release, project, name, old, new, said):
    change(project / name, old, new)
    assert any(said in problem for problem in release.version_problems(project, dry=False))


def test_a_hole_in_an_artefact_is_found(release, tmp_path):
    """Artefacts of all that there is, then of all but one file."""
    listed = subprocess.run(["git", "-C", ROOT, "ls-files"], capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("no git checkout")
    sources = [path.relative_to(ROOT).as_posix() for path in ROOT.glob("[qt]*/**/*.[pch]*")]
    packed = {name for name in sources if not name.endswith(".pyc")} | set(release.IN_WHEEL)
    whole = set(listed.stdout.splitlines()) | set(release.IN_SDIST)

    def problems(left_out=""):
        wheel, sdist = tmp_path / "q-0.1.0-py3-none-any.whl", tmp_path / "q-0.1.0.tar.gz"
        with zipfile.ZipFile(wheel, "w") as archive:
            for name in packed - {left_out}:
                if name.startswith(("qrobust/", "tflite_export/")):
                    archive.writestr(name, "")
        with tarfile.open(sdist, "w:gz") as archive:
            for name in whole - {left_out}:
                archive.addfile(tarfile.TarInfo(f"q-0.1.0/{name}"), io.BytesIO())
        return list(release.content_problems(ROOT, [wheel, sdist], "0.1.0"))

    assert problems() == []
    assert problems("qrobust/certify/c99/qrobust_certify.h") != []
    assert problems("qrobust/models/digits/recipe.toml") != []
    assert problems("docs/releasing.md") == ["q-0.1.0.tar.gz lacks docs/releasing.md"]


def test_small_models_and_every_recipe_are_packed(monkeypatch):
    monkeypatch.setattr(setuptools, "setup", lambda **_: None)
    packed = {
        p.relative_to(ROOT / "models").as_posix() for p in load("setup.py", "s").packed_models()
    }
    for name in ("digits", "digits_bands", "digits_splits"):
        assert {f"{name}/model.keras", f"{name}/model.tflite", f"{name}/summary.json"} <= packed
    recipes = {p.relative_to(ROOT / "models").as_posix() for p in ROOT.glob("models/**/*.toml")}
    assert recipes <= packed
    assert "cifar10_resnet20_w4a4/float/model.keras" not in packed
    assert not [name for name in packed if name.endswith(".jsonl")]


def test_the_constraints_cover_and_meet_every_requirement():
    """Each direct requirement of the base install and of the extras, in its bounds."""
    pinned = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if not line.startswith("#"):
            name, _, number = line.partition("==")
            pinned[name] = number
    config = configparser.ConfigParser(interpolation=None)
    config.read(ROOT / "setup.cfg")
    texts = [config["options"]["install_requires"], *config["options.extras_require"].values()]
    lines = [line.strip() for text in texts for line in text.splitlines()]
    wanted = [Requirement(line) for line in lines if line and line[0] not in "#%"]
    assert len(wanted) > 20
    for requirement in wanted:
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        assert requirement.specifier.contains(pinned[name], prereleases=True), requirement
