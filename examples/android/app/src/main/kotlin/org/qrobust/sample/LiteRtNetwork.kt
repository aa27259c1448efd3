package org.qrobust.sample

import java.io.Closeable
import java.nio.ByteBuffer
import java.nio.ByteOrder
import org.tensorflow.lite.Interpreter

/** A `.tflite` of ours in LiteRT: int8 in, int8 out, the same integers as everywhere. */
class LiteRtNetwork(model: ByteBuffer) : Network, Closeable {
    private val interpreter = Interpreter(model, Interpreter.Options().setNumThreads(1))
    override val input: ByteBuffer = direct(interpreter.getInputTensor(0).numBytes())
    override val output: ByteBuffer = direct(interpreter.getOutputTensor(0).numBytes())

    override fun run() {
        input.rewind()
        output.rewind()
        interpreter.run(input, output)
    }

    override fun close() = interpreter.close()

    private fun direct(bytes: Int) = ByteBuffer.allocateDirect(bytes).order(ByteOrder.nativeOrder())
}
