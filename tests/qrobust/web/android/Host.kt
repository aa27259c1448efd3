package org.qrobust.sample

import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder

class HostNetwork(inputs: Int, classes: Int, private val failsAt: Int) : Network {
    override val input: ByteBuffer = ByteBuffer.allocateDirect(inputs)
    override val output: ByteBuffer = ByteBuffer.allocateDirect(classes)
    private var runs = 0

    override fun run() {
        if (++runs == failsAt) throw IllegalStateException("the network failed")
        infer(input, output)
    }

    private external fun infer(input: ByteBuffer, output: ByteBuffer)
}

/** Arguments: tables, images, coordinates, classes, pilot, seed, the run that fails. */
fun main(arguments: Array<String>) {
    val words = ByteBuffer.wrap(File(arguments[0]).readBytes()).order(ByteOrder.LITTLE_ENDIAN).asIntBuffer()
    val tables = IntArray(words.remaining()).also { words.get(it) }
    val coordinates = arguments[2].toInt()
    val network = HostNetwork(coordinates, arguments[3].toInt(), arguments[6].toInt())
    Certifier(tables, network, samples = tables[8]).use { certifier ->
        val images = File(arguments[1]).readBytes()
        for (index in 0 until images.size / coordinates) {
            val image = images.copyOfRange(index * coordinates, (index + 1) * coordinates)
            val key = longArrayOf(arguments[5].toLong(), index.toLong())
            val found = certifier.certify(image, arguments[4].toInt(), key)
            println("${found.label} ${found.radius} ${found.votes.joinToString(" ")}")
        }
    }
}
