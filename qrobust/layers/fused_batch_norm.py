"""Batch normalization by TensorFlow's fused operators, with gradients of gradients as cheap."""

from typing import Any

from qrobust.layers.batch_variance import batch_variance

#: Added to every variance: a channel that is constant must divide by something.
TINY = 1e-12


def fused_batch_norm(z: Any, scale: Any, offset: Any, epsilon: Any) -> tuple[Any, Any, Any]:
    """``batch_normalize`` where plain operators would cross the memory ten times.

    The operators know one epsilon for all channels. Ours differ, so they go in with the variances.
    Of the three functions inside, with ``n = (x - mean) / sqrt(s)``, ``s = variance + epsilon``,
    and sums and means over a channel,

        normalized = scale n + offset
        back       = scale / sqrt(s) (u - mean(u) - n mean(u n))      to x, of an upstream u
        sums       = sum(u n), sum(u)                                 to scale and offset

    gradients are again such functions: ``back`` is its own adjoint in u, and that of ``sums`` is
    ``normalized`` in u and ``back`` in x. So a penalty on a Jacobian, which asks for the gradient
    of a gradient, stays with operators that cross the memory once or twice.

    Their results pass ``stop_gradient``: TensorFlow's eager forward mode would follow the operators
    inside, which take mean and variance for constants, and not the gradients that are given here.

    Arguments and results are those of `batch_normalize`.
    """
    import tensorflow as tf

    images = z if len(z.shape) == 4 else tf.reshape(z, (-1, 1, 1, z.shape[-1]))
    ones, zeros = tf.ones(z.shape[-1], z.dtype), tf.zeros(z.shape[-1], z.dtype)
    _, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=tf.stop_gradient(images),
        scale=ones,
        offset=ones,
        mean=[],
        variance=[],
        epsilon=TINY,
        is_training=True,
    )
    # The operator corrects variances for the sample's size; Keras's batch norm does not.
    count = tf.cast(tf.size(z) // z.shape[-1], z.dtype)
    variance = variance * ((count - 1) / count)

    def affine(x: Any, factor: Any, add: Any, mean: Any = zeros, variance: Any = ones) -> Any:
        """``(x - mean) / sqrt(variance) * factor + add``, in one pass."""
        y, *_ = tf.raw_ops.FusedBatchNormV3(
            x=x,
            scale=factor,
            offset=add,
            mean=mean,
            variance=variance,
            epsilon=TINY,
            is_training=False,
        )
        return y

    def backward(u: Any, x: Any, scale: Any, mean: Any, variance: Any) -> tuple[Any, Any, Any]:
        to_x, to_scale, to_offset, *_ = tf.raw_ops.FusedBatchNormGradV3(
            y_backprop=u,
            x=x,
            scale=scale,
            reserve_space_1=mean,
            reserve_space_2=variance,
            reserve_space_3=[],
            epsilon=TINY,
            is_training=True,
        )
        return to_x, to_scale, to_offset

    @tf.custom_gradient
    def mean_of(x: Any) -> Any:
        return tf.identity(mean), lambda u: tf.broadcast_to(u / count, tf.shape(x))

    def spread_of(x: Any, epsilon: Any) -> Any:
        return batch_variance(x, mean, variance) + epsilon + TINY

    @tf.custom_gradient
    def normalized(x: Any, scale: Any, offset: Any, epsilon: Any) -> Any:
        def gradient(u: Any) -> tuple[Any, ...]:
            to_scale, to_offset = sums(u, x, epsilon)
            to_epsilon = -0.5 * scale * to_scale / spread_of(x, epsilon)
            return back(u, x, scale, epsilon), to_scale, to_offset, to_epsilon

        return tf.stop_gradient(affine(x, scale, offset, mean, variance + epsilon)), gradient

    @tf.custom_gradient
    def sums(u: Any, x: Any, epsilon: Any) -> Any:
        # The layer's scale, which they do not depend on: the very operator that `back` is.
        _, by_scale, by_offset = backward(u, x, channels[0], mean, variance + epsilon)

        def gradient(to_scale: Any, to_offset: Any) -> tuple[Any, ...]:
            to_epsilon = -0.5 * to_scale * sums(u, x, epsilon)[0] / spread_of(x, epsilon)
            to_u = normalized(x, to_scale, to_offset, epsilon)
            return to_u, back(u, x, to_scale, epsilon), to_epsilon

        return (tf.stop_gradient(by_scale), tf.stop_gradient(by_offset)), gradient

    @tf.custom_gradient
    def back(u: Any, x: Any, scale: Any, epsilon: Any) -> Any:
        to_x, *_ = backward(u, x, scale, mean, variance + epsilon)

        def gradient(w: Any) -> tuple[Any, ...]:
            """Of ``q scale / sqrt(s)``, ``q = sum w u - (sum w sum u + sum w n sum u n) / N``."""
            spread = spread_of(x, epsilon)
            root = tf.math.rsqrt(spread)
            u_n, u_1 = sums(u, x, epsilon)
            w_n, w_1 = sums(w, x, epsilon)
            q = tf.reduce_sum(w * u, axis=(0, 1, 2)) - (w_1 * u_1 + w_n * u_n) / count
            # To n: w of_w + u of_u. Then through n = (x - mean) / sqrt(s), and through s alone.
            of_w, of_u = -scale * root * u_n / count, -scale * root * w_n / count
            to_spread = -0.5 / spread * (of_w * w_n + of_u * u_n + q * scale * root)
            of_x = 2 * to_spread / count
            constant = -root * (of_w * w_1 + of_u * u_1) / count - of_x * mean_of(x)
            to_x = [
                affine(w, of_w * root, constant),
                affine(u, of_u * root, zeros),
                affine(x, of_x, zeros),
            ]
            return back(w, x, scale, epsilon), tf.add_n(to_x), q * root, to_spread

        return tf.stop_gradient(to_x), gradient

    # Tensors, not variables, which a custom gradient would have to answer for.
    channels = [tf.convert_to_tensor(value) for value in (scale, offset, epsilon)]
    y = normalized(images, *channels)
    return tf.reshape(y, tf.shape(z)), mean, variance
