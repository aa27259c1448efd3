from dataclasses import fields, is_dataclass

import pytest

from qrobust.training import recipe as sections
from qrobust.training.recipe import read_recipe
from qrobust.training.recipe_checks import BOUNDS, CHOICES, check_values

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
        ({"corruption__images": "-1"}, "images"),
        ({"corruption__images": "5", "quantization__weight_bits": '"float"'}, "has no file"),
        ({"training__batch_size": "0"}, "batch_size"),
        ({"training__epochs": "-1"}, "epochs"),
        ({"defence__sigma": "inf"}, "sigma lies in"),
        ({"defence__sigma": "-3"}, "sigma"),
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
        ({"certification__radii": "[nan]"}, "radii lies in"),
        ({"certification__radii": "[-1]"}, "radii"),
        ({"verify__families": '["glow:3"]'}, r"\[verify\] families are of light"),
        ({"verify__images": "0"}, "images lies in"),
        ({"verify__budget": "0"}, "budget lies in"),
        ({"attack__epsilon": "nan"}, "epsilon"),
        ({"quantization__weight_bits": '"octal"'}, "bits or one of"),
        ({"quantization__weight_bits": "99"}, "weight_bits lies in"),
        ({"quantization__weight_schedule": "{ 0 = nan }"}, "weight_schedule lies in"),
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
