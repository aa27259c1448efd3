// Of LiteRT, as much as the sample uses: a check of types, nothing that runs.
package org.tensorflow.lite

import java.io.Closeable
import java.nio.ByteBuffer

class Tensor {
    fun numBytes(): Int = throw UnsupportedOperationException()
}

@Suppress("UNUSED_PARAMETER")
class Interpreter(model: ByteBuffer, options: Options) : Closeable {
    class Options {
        fun setNumThreads(count: Int): Options = this
    }

    fun getInputTensor(index: Int): Tensor = Tensor()
    fun getOutputTensor(index: Int): Tensor = Tensor()
    fun run(input: Any, output: Any): Unit = throw UnsupportedOperationException()
    override fun close() = Unit
}
