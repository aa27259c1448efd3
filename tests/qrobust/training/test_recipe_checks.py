import subprocess
import sys
from dataclasses import fields, is_dataclass

import pytest

from qrobust import architectures, datasets
from qrobust.training import recipe as sections
from qrobust.training.recipe import read_recipe
from qrobust.training.recipe_bounds import BOUNDS, CHOICES
from qrobust.training.recipe_checks import check_values
from qrobust.training.recipe_sources import ARCHITECTURES, FOLDER_LOADERS, check_files

BASE = {
    "name": '"small"',
    "seed": "0",
    "data.name": '"digits"',
    "network.name": '"digits_cnn"',
    "network.weights": '""',
    "network.options": "{ width = 4 }",
    "quantization.weight_bits": "4",
    "quantization.weight_schedule": "{ 0 = 8 }",
    "defence.sigma": "30",
    "training.epochs": "1",
    "training.learning_rate": "1e-3",
    "certification.n": "1000",
    "certification.alpha": '"0.001"',
    "certification.radii": "[0, 32]",
    "attack.epsilon": "8",
}

KEYWORDS = {"data__name": '"speech_commands"'}


def written(tmp_path, **changes):
    values = BASE | {name.replace("__", "."): value for name, value in changes.items()}
    tables = {}
    for name, value in values.items():
        section, _, key = name.rpartition(".")
        tables.setdefault(section, []).append(f"{key} = {value}")
    text = "\n".join(tables.pop("")) + "\n"
    text += "".join(f"[{name}]\n" + "\n".join(lines) + "\n" for name, lines in tables.items())
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    return path


def test_the_base_is_fine(tmp_path):
    assert read_recipe(written(tmp_path)).name == "small"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"training__learning_rate": "nan"}, r"\[training\] learning_rate lies in"),
        ({"training__learning_rate": "-1e-3"}, "learning_rate lies in"),
        ({"training__learning_rate": "0"}, "learning_rate lies in"),
        ({"defence__mixed": "1.0"}, "mixed lies in"),
        ({"defence__mixed": "0.5", "defence__sigma": "0"}, "it needs a sigma"),
        ({"data__clean_copies": "1"}, "are of speech_commands, not of digits"),
        ({"data__held_out_fold": "1"}, "are of speech_commands, not of digits"),
        ({**KEYWORDS, "data__clean_copies": "1"}, "need a sound_noise"),
        ({**KEYWORDS, "data__copies": "2"}, "need a sound_noise"),
        ({**KEYWORDS, "data__held_out_fold": "1"}, "held_out is missing"),
        ({"corruption__images": "-1"}, "images"),
        ({"corruption__images": "5", "quantization__weight_bits": '"float"'}, "has no file"),
        ({"training__batch_size": "0"}, "batch_size"),
        ({"training__epochs": "-1"}, "epochs"),
        ({"defence__sigma": "inf"}, "sigma lies in"),
        ({"defence__sigma": "-3"}, "sigma"),
        ({"defence__sigma": "0.25"}, r"\[defence\] sigma is in LSB"),
        ({"defence__sigma": "1e-320"}, r"\[defence\] sigma is in LSB"),
        ({"certification__sigma": "1e-320"}, r"\[certification\]: sigma must have an exponent"),
        ({"certification__sigma": "9.9e-31"}, r"\[certification\]: sigma must have"),
        ({"defence__jacobian": "nan"}, "jacobian lies in"),
        ({"seed": "-1"}, "seed lies in"),
        ({"network__options": "{ width = 0 }"}, "width lies in"),
        ({"network__options": "{ width = -4 }"}, "width lies in"),
        ({"network__options": "{ width = 1e400 }"}, "width lies in"),
        ({"network__weights": '"https://example.org/m.keras"'}, "a file, not an address"),
        ({"data__name": '"os:system"'}, "--allow-code"),
        ({"data__name": '"../digits"'}, "is a name"),
        ({"data__name": '"../mine:load"'}, "is a name"),
        ({"data__name": '"mine:"'}, "is a name"),
        ({"network__name": '"os:system"'}, "--allow-code"),
        ({"certification__alpha": '"2"'}, "alpha"),
        ({"certification__alpha": '"nan"'}, "alpha"),
        ({"certification__n": "0"}, r"\[certification\].* n "),
        ({"certification__n": "5"}, "can never certify"),
        (
            {"certification__method": '"confidence_sequence"', "certification__deadline_ms": "50"},
            "comes out alike on every machine",
        ),
        ({"certification__deadline_ms": "50"}, "may not stop at a deadline"),
        ({"certification__radii": "[nan]"}, "radii lies in"),
        ({"certification__radii": "[-1]"}, "radii"),
        ({"verify__families": '["glow:3"]'}, r"\[verify\] families are of light"),
        ({"verify__images": "0"}, "images lies in"),
        ({"verify__budget": "0"}, "budget lies in"),
        ({"attack__epsilon": "nan"}, "epsilon"),
        ({"quantization__weight_bits": '"octal"'}, "bits or one of"),
        ({"quantization__weight_bits": "99"}, "weight_bits lies in"),
        ({"quantization__weight_schedule": "{ 0 = nan }"}, "weight_schedule lies in"),
        ({"quantization__weight_scale": '"mean"'}, "one of least_squares, max"),
        (
            {"quantization__calibration": "513", "training__float_epochs": "1"},
            r"calibration lies in \[0, 512\]",
        ),
        ({"data__augment": '"flip"'}, "one of none"),
        ({"name": '"a\\u001b[2J"'}, "printable"),
        ({"name": '"' + "a" * 1000 + '"'}, "at most 200"),
    ],
    ids=str,
)
def test_values_that_make_no_sense(tmp_path, change, says):
    with pytest.raises(ValueError, match=says) as raised:
        read_recipe(written(tmp_path, **change))
    assert "\n" not in str(raised.value)


def test_code_is_allowed_by_the_caller_only(tmp_path):
    recipe = read_recipe(written(tmp_path))
    from dataclasses import replace

    coded = replace(recipe, data=replace(recipe.data, name="mine:load"))
    with pytest.raises(ValueError, match="--allow-code"):
        check_values(coded, "r.toml")
    check_values(coded, "r.toml", allow_code=True)
    path = written(tmp_path, data__name='"mine:load"', network__name='"mine.nets:make"')
    assert read_recipe(path, allow_code=True).network.name == "mine.nets:make"


def numbers(kind, name=""):
    """Names of all fields that may hold a number."""
    for field in fields(kind):
        inner = f"{name}.{field.name}" if name else field.name
        annotation = field.type
        if is_dataclass(annotation):
            yield from numbers(annotation, inner)
        elif annotation in (int, float) or "int" in str(annotation) or "float" in str(annotation):
            yield inner


def test_every_number_of_a_recipe_has_bounds():
    assert set(numbers(sections.Recipe)) <= set(BOUNDS)


def test_choices_are_fields():
    for name in CHOICES:
        section, _, key = name.partition(".")
        (kind,) = [f.type for f in fields(sections.Recipe) if f.name == section]
        assert key in {f.name for f in fields(kind)}


@pytest.mark.parametrize(
    "name", ["../../../tmp/x", "/tmp/x", r"a\\b", ".hidden", "", "a\\u001b[2J"]
)
def test_a_name_is_no_path(tmp_path, name):
    with pytest.raises(ValueError, match="name is"):
        read_recipe(written(tmp_path, name=f'"{name}"'))


def test_names_with_dots_and_spaces_are_names(tmp_path):
    assert read_recipe(written(tmp_path, name='"ResNet 8, 4.5 bits"')).name == "ResNet 8, 4.5 bits"


def test_words_are_folders_of_the_data_set(tmp_path):
    changes = {"data__name": '"speech_commands"', "data__words": '["yes", "../../up"]'}
    with pytest.raises(ValueError, match=r"\[data\] words is no path"):
        read_recipe(written(tmp_path, **changes))


@pytest.mark.parametrize("section", ["data", "network"])
def test_names_that_nothing_has(tmp_path, section):
    with pytest.raises(ValueError, match=rf"\[{section}\] name is one of .*Received: 'nope'"):
        read_recipe(written(tmp_path, **{f"{section}__name": '"nope"'}))


def test_the_names_are_those_that_there_are():
    assert set(ARCHITECTURES) == set(architectures.__all__)
    assert set(FOLDER_LOADERS) < set(datasets.__all__)


@pytest.mark.parametrize("key", ["weights", "start"])
def test_files_to_start_from_are_there(tmp_path, key):
    path = written(tmp_path, **{f"network__{key}": '"none.keras"'})
    recipe = read_recipe(path)  # a listing of recipes needs no files
    with pytest.raises(ValueError, match=rf"\[network\] {key}: there is no file '.*none.keras'"):
        check_files(recipe, str(path))


@pytest.mark.ordinary(2)
@pytest.mark.parametrize(
    "changes",
    [
        {"name": '"../x"'},
        {"network__name": '"nope"'},
        {"training__learning_rate": "nan"},
        {"network__weights": '"none.keras"'},
        {"certification__alpha": '"2"'},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_bad_recipe_is_refused_without_keras(tmp_path, changes):
    path = written(tmp_path, **changes)
    program = (
        "import sys; from qrobust.cli import main\n"
        "status = main(['train', sys.argv[1], '--allow-missing', 'TFLM'])\n"
        "print(status, 'keras' in sys.modules, 'tensorflow' in sys.modules)"
    )
    found = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True
    )
    assert found.stdout == "2 False False\n"
    (line,) = found.stderr.splitlines()
    assert line.startswith("error: ")
    assert list(tmp_path.iterdir()) == [path]
