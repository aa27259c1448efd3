import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from random_graphs import random_graph, random_inputs

from tflite_export import ExportError, reference
from tflite_export.c99.__main__ import main
from tflite_export.flatbuffer import to_flatbuffer
from tflite_export.flatbuffer.explicit_clips import explicit_clips
from tflite_export.graph import Linear
from tflite_export.passes.storage import store
from tflite_export.passes.tie_free import can_be_tie_free, tie_free
from tflite_export.read import read_graph


def file_of(graph):
    """The graph as a file, or None where files cannot hold it."""
    linear = [operator for operator in graph.operators if isinstance(operator, Linear)]
    if not all(can_be_tie_free(operator) for operator in linear):
        return None
    try:
        packed, _ = store(tie_free(explicit_clips(graph)), "int2", exact=False)
        return to_flatbuffer(packed)
    except ExportError:
        return None


def test_a_file_is_its_graph():
    kinds, files = set(), 0
    for seed in range(150):
        graph = random_graph(seed)
        file = file_of(graph)
        if file is None:
            continue
        files += 1
        read = read_graph(file)
        inputs = random_inputs(graph, seed)
        for a, b in zip(reference.run(graph, *inputs), reference.run(read, *inputs), strict=True):
            np.testing.assert_array_equal(a, b)
        kinds |= {type(operator).__name__ for operator in read.operators}
    assert files > 25
    assert len(kinds) == 13  # every operator there is


def test_the_tie_free_scaling_is_undone():
    for seed in range(40):
        graph = random_graph(seed)
        file = file_of(graph)
        if file is None:
            continue
        for before, after in zip(
            (o for o in graph.operators if isinstance(o, Linear)),
            (o for o in read_graph(file).operators if isinstance(o, Linear)),
            strict=True,
        ):
            assert after.weight_bits <= before.weight_bits


def test_other_files_are_refused():
    with pytest.raises(ExportError, match="Not a .tflite file"):
        read_graph(b"no model at all")
    file = next(f for f in map(file_of, map(random_graph, range(50))) if f is not None)
    model = schema.ModelT.InitFromPackedBuf(file, 0)
    model.subgraphs[0].tensors[0].quantization.scale = [0.3]
    with pytest.raises(ExportError, match="step 0.3, which is no power of two"):
        read_graph(_packed(model))
    model.subgraphs[0].tensors[0].type = schema.TensorType.UINT8
    with pytest.raises(ExportError, match="is uint8 and no QUANTIZE makes int8 of it"):
        read_graph(_packed(model))


def test_a_uint8_border_is_read_but_not_written_as_c(tmp_path, capsys):
    graph = next(random_graph(s) for s in range(50) if file_of(random_graph(s)) is not None)
    file = to_flatbuffer(explicit_clips(graph), io="uint8")
    assert [t.shape for t in read_graph(file).inputs] == [t.shape for t in graph.inputs]
    (tmp_path / "m.tflite").write_bytes(file)
    assert main([str(tmp_path / "m.tflite"), str(tmp_path / "c")]) == 2
    assert "is uint8; export with io='int8' to write C" in capsys.readouterr().err


def _packed(model):
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def test_the_command(tmp_path, capsys):
    file = next(f for f in map(file_of, map(random_graph, range(50))) if f is not None)
    path = tmp_path / "net.tflite"
    path.write_bytes(file)
    assert main([str(path), str(tmp_path / "c"), "--name", "net"]) == 0
    assert capsys.readouterr().out.split() == [str(tmp_path / f"c/net.{e}") for e in "hc"]
    path.write_bytes(b"garbage")
    assert main([str(path), str(tmp_path)]) == 2
    assert "net.tflite: Not a .tflite file" in capsys.readouterr().err
