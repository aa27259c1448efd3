"""TOSA by Arm's converter, run by IREE or by the reference model: WHICH MODEL INPUT OUTPUT."""

import subprocess
import sys
from pathlib import Path

import numpy as np

which, model, inputs, outputs = sys.argv[1], *(str(Path(p).resolve()) for p in sys.argv[2:])
bin_folder, work = Path(sys.executable).parent, Path(outputs).parent
bytecode = work / "model.mlirbc"


def run(program: str, *arguments: str) -> None:
    command = [str(bin_folder / program), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=work)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()] or ["no message"]
        raise SystemExit(f"{program}: {said[0]}")


rows = np.load(inputs)
run("tosa-converter-for-tflite", model, "--bytecode", "-o", str(bytecode))
if which == "iree":
    from iree import runtime

    compiled = work / "model.vmfb"
    run(
        "iree-compile",
        str(bytecode),
        "--iree-input-type=tosa",
        "--iree-hal-target-device=local",
        "--iree-hal-local-target-device-backends=llvm-cpu",
        "--iree-llvmcpu-target-cpu=host",
        "-o",
        str(compiled),
    )
    config = runtime.Config("local-sync")
    context = runtime.SystemContext(config=config)
    context.add_vm_module(runtime.VmModule.mmap(config.vm_instance, str(compiled)))
    (name,) = context.modules.keys() - {"hal"}
    main = getattr(context.modules, name).main
    found = [np.asarray(main(row[None]).to_host()) for row in rows]
else:
    import importlib.util

    packages = Path(importlib.util.find_spec("numpy").origin).parents[1]
    serialized = work / "model.tosa"
    run(
        "tosa-opt",
        str(bytecode),
        f"--tosa-serialize=tosa-flatbuffer-filename={serialized}",
        "-o",
        str(work / "model.mlir"),
    )
    found = []
    for row in rows:
        np.save(work / "row.npy", row[None])
        run(
            "tosa_reference_model",
            f"--tosa_file={serialized.name}",
            f"--operator_fbs={packages / 'bin' / 'tosa.fbs'}",
            "--ifm_name=TosaInput_0",
            "--ifm_file=row.npy",
            "--ofm_name=TosaOutput_0",
            "--ofm_file=row_out.npy",
            "--flatbuffer_dir=.",
            "--output_dir=.",
        )
        found.append(np.load(work / "row_out.npy"))
np.save(outputs, np.concatenate(found))
