from qrobust.architectures import proof_cnn


def test_parameters():
    model = proof_cnn(batch_norm=False)
    assert model.count_params() == 114_314
    assert model.output_shape == (None, 10)


def test_early_strides_leave_few_numbers():
    model = proof_cnn((8, 8, 1), width=4, units=8, kernel=3)
    assert model.get_layer("flatten").output.shape == (None, 2 * 2 * 8)
