"""OpenVINO on the CPU, which reads .tflite itself: HINT MODEL INPUT.npy OUTPUT.npy."""

import sys

import numpy as np
import openvino

hint, model, inputs, outputs = sys.argv[1:]
core = openvino.Core()
options = {"INFERENCE_PRECISION_HINT": hint} if hint else {}
compiled = core.compile_model(core.read_model(model), "CPU", options)
found = [np.asarray(compiled(row[None])[0]) for row in np.load(inputs)]
np.save(outputs, np.concatenate(found))
