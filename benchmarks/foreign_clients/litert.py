"""An interpreter of TensorFlow Lite, whichever this environment has: MODEL INPUT.npy OUTPUT.npy."""

import sys

import numpy as np

try:
    from tflite_runtime.interpreter import Interpreter
except ImportError:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        import tensorflow as tf

        Interpreter = tf.lite.Interpreter

model, inputs, outputs = sys.argv[1:]
interpreter = Interpreter(model_path=model, num_threads=1)
interpreter.allocate_tensors()
(entry,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
found = []
for row in np.load(inputs):
    interpreter.set_tensor(entry["index"], row[None])
    interpreter.invoke()
    found.append(interpreter.get_tensor(result["index"])[0])
np.save(outputs, np.stack(found))
