package org.qrobust.sample

import java.io.Closeable
import java.nio.ByteBuffer
import java.security.SecureRandom

/** A network that reads int8 numbers from [input] and writes one for each class to [output]. */
interface Network {
    /** Direct buffers of as many bytes as the network has inputs and outputs. */
    val input: ByteBuffer
    val output: ByteBuffer

    fun run()
}

/** What is certified: [label] is -1 and [radius] 0 where the votes are too close. */
class Certificate(val label: Int, val radius: Double, val votes: IntArray, val key: LongArray)

/** Certifies in integers, with the votes of `qrobust certify`; for one thread at a time. */
class Certifier(tables: IntArray, private val network: Network, private val samples: Int) : Closeable {
    private var handle = open(tables)

    init {
        require(handle != 0L) { "the certifier refuses its tables" }
    }

    /** Certifies int8 tensor values; a key of one's own is for comparisons only. */
    fun certify(image: ByteArray, pilot: Int = 100, key: LongArray = freshKey()): Certificate {
        val first = votes(image, key, PILOT, pilot)
        val candidate = first.indices.maxByOrFirst { first[it] }
        val votes = votes(image, key, BOUND, samples)
        val radius = radiusQ16(handle, votes[candidate])
        return Certificate(if (radius < 0) -1 else candidate, maxOf(radius, 0L) / 65536.0, votes, key)
    }

    override fun close() {
        if (handle != 0L) release(handle)
        handle = 0L
    }

    private fun votes(image: ByteArray, key: LongArray, purpose: Int, count: Int): IntArray {
        check(handle != 0L) { "the certifier is closed" }
        val votes = IntArray(network.output.capacity())
        val status = countVotes(
            handle, network, network.input, network.output, image, key[0], key[1], purpose, 0, count, votes
        )
        check(status == 0) { "the certifier stopped (status $status)" }
        return votes
    }

    private external fun open(tables: IntArray): Long
    private external fun release(handle: Long)
    private external fun radiusQ16(handle: Long, votes: Int): Long
    private external fun countVotes(
        handle: Long, network: Network, input: ByteBuffer, output: ByteBuffer, image: ByteArray,
        key0: Long, key1: Long, purpose: Int, start: Long, count: Int, votes: IntArray
    ): Int

    companion object {
        private const val PILOT = 0
        private const val BOUND = 1

        init {
            System.loadLibrary("qrobust_sample")
        }

        private fun freshKey(): LongArray = SecureRandom().let { longArrayOf(it.nextLong(), it.nextLong()) }
    }
}

/** The first index with the greatest value: a tie goes to the lowest class. */
private fun IntRange.maxByOrFirst(value: (Int) -> Int): Int =
    this.reduce { best, next -> if (value(next) > value(best)) next else best }
