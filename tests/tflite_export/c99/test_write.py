from random_graphs import random_graph

from tflite_export.c99.write import write
from tflite_export.passes.merge_reshapes import merge_reshapes


def test_a_pair_of_files(tmp_path):
    header, source = write(random_graph(1), tmp_path / "deep" / "down", "net")
    assert (header.name, source.name) == ("net.h", "net.c")
    assert '#include "net.h"' in source.read_text()


def test_an_exported_model_is_written_as_lowered(tmp_path):
    class Exported:
        class lowered:
            graph = random_graph(3)

    write(Exported(), tmp_path / "a")
    write(merge_reshapes(Exported.lowered.graph), tmp_path / "b")
    assert (tmp_path / "a/model.c").read_text() == (tmp_path / "b/model.c").read_text()
