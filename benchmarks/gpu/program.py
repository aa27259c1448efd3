"""One epoch of training as one compiled program."""

import time
from typing import Any

import jax
import jax.numpy as jnp
import optax

from gpu.tasks import augment
from qrobust.layers.folded_batch_norm import FoldedBatchNorm

COPIES = 2


def smoothed_loss(logits: Any, targets: Any, weight: Any, entropy: Any) -> Any:
    """``mean_i CE(p_i, y) + weight * mean_i KL(p || p_i) + entropy * H(p)`` over the copies i.

    The loss of `qrobust.layers.Consistency`, in one batch of copies, with a teacher.
    """
    log_p = jax.nn.log_softmax(logits).reshape(COPIES, -1, logits.shape[-1])
    mean_log = log_p.mean(0)
    log_mean = jax.nn.logsumexp(log_p, axis=0) - jnp.log(float(COPIES))
    mean = jnp.exp(log_mean)
    cross = -(targets * mean_log).sum(-1)
    divergence = (mean * (log_mean - mean_log)).sum(-1)
    spread = -(mean * log_mean).sum(-1)
    return (cross + weight * divergence + entropy * spread).mean()


def epoch_of(model: Any, task: Any, optimizer: Any, teacher: Any = None) -> Any:
    """``epoch(tv, ntv, state, key, order, x, y, numbers, taught)``, not compiled.

    Args:
        model: a Keras model that ends in logits.
        task: a `Task`.
        optimizer: of optax.
        teacher: a Keras model whose prediction for one more noisy view is mixed into the labels,
            with its variables in `taught`; None for labels alone.
    """

    def step(values: Any, given: Any, pictures: Any, labels: Any, numbers: Any, taught: Any) -> Any:
        tv, ntv, state = values
        at, key = given
        keys = jax.random.split(key)
        x, y = augment(keys[0], pictures[at]), labels[at]
        targets = jax.nn.one_hot(y, 10)
        if teacher is not None:
            seen = task.noisy(keys[1], x)
            logits, _ = teacher.stateless_call(*taught, seen, training=False)
            targets += numbers["teach"] * (jax.nn.softmax(logits) - targets)
        inputs = jnp.tile(x.astype(jnp.float32), (COPIES, 1, 1, 1))

        def loss_of(tv: Any) -> Any:
            logits, new = model.stateless_call(tv, ntv, inputs, training=True)
            right = (logits.argmax(-1) == jnp.tile(y, COPIES)).mean()
            loss = smoothed_loss(logits, targets, numbers["weight"], numbers["entropy"])
            return loss, (new, right)

        (loss, (ntv, right)), gradient = jax.value_and_grad(loss_of, has_aux=True)(tv)
        update, state = optimizer.update(gradient, state, tv)
        return (optax.apply_updates(tv, update), ntv, state), (loss, right)

    def epoch(
        tv: Any, ntv: Any, state: Any, key: Any, order: Any, x: Any, y: Any, numbers: Any,
        taught: Any,
    ) -> Any:  # fmt: skip
        keys = jax.random.split(key, len(order))
        values, (loss, right) = jax.lax.scan(
            lambda values, given: step(values, given, x, y, numbers, taught),
            (tv, ntv, state),
            (order, keys),
        )
        return *values, loss.mean(), right.mean()

    return epoch


def compiled(epoch: Any, model: Any, arguments: Any, *, frozen: bool) -> Any:
    """An epoch compiled for the shapes of its arguments, and the seconds that took.

    Nothing else may run on the GPU meanwhile: XLA times kernels to choose among them, and programs
    that were compiled beside a training crashed with illegal instructions (JAX 0.11.2, H100).

    Args:
        epoch: of `epoch_of`.
        model: its model.
        arguments: an example of each argument.
        frozen: whether folded batch norms keep their statistics.
    """
    start = time.time()
    folded = [f for f in model._flatten_layers() if isinstance(f, FoldedBatchNorm)]
    shapes = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), arguments)
    for layer in folded:
        layer.frozen = frozen
    try:
        lowered = jax.jit(epoch, donate_argnums=(0, 1, 2)).lower(*shapes)
    finally:
        for layer in folded:
            layer.frozen = False
    return lowered.compile(), round(time.time() - start, 1)
