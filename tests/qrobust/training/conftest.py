import json

import pytest

# The smallest network that a recipe can name, trained shortly and neither certified nor attacked.
SMALL = {
    "data": {"name": "digits"},
    "network": {"name": "digits_cnn", "options": {"width": 4, "batch_norm": False}},
    "defence": {"sigma": 0},
    "training": {"epochs": 1, "batch_size": 256},
    "certification": {"images": 0},
    "attack": {"images": 0},
}


def _toml(value):
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {_toml(v)}" for k, v in value.items()) + " }"
    return json.dumps(value)


def _recipe_text(notes="", **sections):
    lines = ['name = "small"', f"notes = {_toml(notes)}"]
    for name in {**SMALL, **sections}:
        keys = {**SMALL.get(name, {}), **sections.get(name, {})}
        lines += [f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in keys.items())]
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="session")
def recipe_text():
    """A function that writes a small recipe; its sections' keys may be added to and changed."""
    return _recipe_text
