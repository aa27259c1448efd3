import numpy as np
import pytest

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.file.model_file import KERNELS, load_model, make_interpreter

from ..tiny_models import linear


def test_reads_grid_shape_and_classes(classifier, tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(classifier)
    file = load_model(path)
    assert file == load_model(classifier)
    assert (file.grid.low, file.grid.high) == (0, 255)
    assert (file.shape, file.coordinates, file.classes) == ((5, 4, 1), 20, 3)


@pytest.mark.parametrize("kernels", KERNELS)
def test_every_kernel_family_runs_batches(classifier, kernels):
    interpreter = make_interpreter(classifier, batch=4, kernels=kernels)
    source, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    interpreter.set_tensor(source["index"], np.zeros((4, 5, 4, 1), np.int8))
    interpreter.invoke()
    assert interpreter.get_tensor(result["index"]).shape == (4, 3)


def test_float_files_are_refused():
    with pytest.raises(CertifyError, match="input tensor 'x' is float32; only int8 and uint8"):
        load_model(linear([[1, 2], [3, 4]], dtype="float32"))


def test_one_class_is_no_classifier():
    with pytest.raises(CertifyError, match="2 classes or more, this file has 1"):
        load_model(linear([[1, 2]]))


def test_missing_and_foreign_files(tmp_path):
    with pytest.raises(CertifyError, match="cannot read the model .*none.tflite: No such file"):
        load_model(tmp_path / "none.tflite")
    with pytest.raises(CertifyError, match="cannot read the model"):
        load_model(tmp_path)
    with pytest.raises(CertifyError, match="not a .tflite file"):
        load_model(b"PK\3\4" * 100)


def test_truncated_files(classifier):
    for size in (8, 100, len(classifier) // 2, len(classifier) - 8):
        with pytest.raises(CertifyError) as caught:
            load_model(classifier[:size])
        assert "\n" not in str(caught.value)


def test_unknown_kernels(classifier):
    with pytest.raises(CertifyError, match="unknown kernels 'cuda'; known: xnnpack"):
        make_interpreter(classifier, batch=1, kernels="cuda")
