"""ONNX through tf2onnx, run by the module named first: RUNTIME MODEL INPUT.npy OUTPUT.npy."""

import subprocess
import sys
from pathlib import Path

import numpy as np

runtime, model, inputs, outputs = sys.argv[1:]
converted = str(Path(outputs).with_suffix(".onnx"))
command = [sys.executable, "-m", "tf2onnx.convert", "--tflite", model, "--output", converted]
done = subprocess.run([*command, "--opset", "17"], capture_output=True, text=True, check=False)
if done.returncode:
    raise SystemExit(f"tf2onnx: {done.stderr.strip().splitlines()[-1]}")
rows = np.load(inputs)
if runtime == "onnxruntime":
    import onnxruntime

    session = onnxruntime.InferenceSession(converted)
    name = session.get_inputs()[0].name
    found = [session.run(None, {name: row[None]})[0] for row in rows]
else:
    import tract

    plan = tract.onnx().load(converted)
    plan.set_input_fact(0, f"1,{','.join(map(str, rows.shape[1:]))},i8")
    plan = plan.into_model().into_runnable()
    found = [plan.run([row[None]])[0].to_numpy() for row in rows]
np.save(outputs, np.concatenate(found))
