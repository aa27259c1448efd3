"""What a file says of its inputs: shape, grid, names of classes."""

import pytest

from qrobust.certify import CertifyError, SmoothingSpec, attach_spec
from qrobust.certify.inputs import Expected, expected_by

from ..counting_files import counting_file


def test_a_plain_file_and_one_with_names(classifier):
    assert expected_by(classifier) == Expected((5, 4, 1))
    spec = SmoothingSpec.for_model(classifier, sigma=4, labels=("a", "b", "c"))
    named = expected_by(attach_spec(classifier, spec), "exact")
    assert named == Expected((5, 4, 1), 0, 255, ("a", "b", "c"), "exact")
    assert (named.scale, named.unit) == (1.0, spec.unit)


def test_of_bands_the_pictures_they_are_made_of():
    assert expected_by(counting_file("bands")).shape == (4, 5, 1)


def test_fits_are_known():
    with pytest.raises(CertifyError, match="fit is one of crop, stretch, exact"):
        Expected((4, 4, 1), fit="zoom")
