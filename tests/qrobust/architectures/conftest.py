import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def mlcommons():
    """Folder of MLPerf Tiny's reference models."""
    root = os.environ.get("QROBUST_BASELINES")
    folder = Path(root or ".") / "mlcommons_tiny"
    if not root or not folder.is_dir():
        pytest.skip("QROBUST_BASELINES names no folder with mlcommons_tiny")
    return folder


def _tflite_kernels(path):
    """Kernel shapes of a .tflite file in the order of its operators, TFLite's layouts."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), experimental_op_resolver_type=_no_delegate())
    interpreter.allocate_tensors()
    linear = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
    return [
        (op["op_name"], tuple(interpreter._get_tensor_details(op["inputs"][1], 0)["shape"]))
        for op in interpreter._get_ops_details()
        if op["op_name"] in linear
    ]


def _no_delegate():
    from ai_edge_litert.interpreter import OpResolverType

    return OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES


def _keras_kernels(model):
    """Kernel shapes of a Keras model in the order of its layers, turned into TFLite's layouts."""
    kernels = []
    for layer in model.layers:
        kind = type(layer).__name__
        if kind == "Conv2D":
            height, width, inputs, outputs = layer.kernel.shape
            kernels.append(("CONV_2D", (outputs, height, width, inputs)))
        elif kind == "DepthwiseConv2D":
            height, width, channels, _ = layer.kernel.shape
            kernels.append(("DEPTHWISE_CONV_2D", (1, height, width, channels)))
        elif kind == "Dense":
            kernels.append(("FULLY_CONNECTED", tuple(reversed(layer.kernel.shape))))
    return kernels


@pytest.fixture(scope="session")
def tflite_kernels():
    return _tflite_kernels


@pytest.fixture(scope="session")
def keras_kernels():
    return _keras_kernels
