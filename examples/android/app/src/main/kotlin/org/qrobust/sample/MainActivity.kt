package org.qrobust.sample

import android.app.Activity
import android.os.Bundle
import android.widget.TextView
import java.nio.ByteBuffer
import java.nio.ByteOrder
import kotlin.concurrent.thread

/** Certifies the picture in assets/input.bin and shows the certificate. */
class MainActivity : Activity() {
    override fun onCreate(state: Bundle?) {
        super.onCreate(state)
        val text = TextView(this).apply { setPadding(48, 96, 48, 48); text = "Asking noisy copies." }
        setContentView(text)
        thread {
            val said = try {
                certify()
            } catch (error: Exception) {
                error.message ?: error.toString()
            }
            runOnUiThread { text.text = said }
        }
    }

    private fun certify(): String {
        val words = ByteBuffer.wrap(asset("tables.bin")).order(ByteOrder.LITTLE_ENDIAN).asIntBuffer()
        val tables = IntArray(words.remaining()).also { words.get(it) }
        val model = asset("model.tflite").let {
            ByteBuffer.allocateDirect(it.size).order(ByteOrder.nativeOrder()).put(it) // LiteRT asks for both
        }
        LiteRtNetwork(model).use { network ->
            Certifier(tables, network, samples = tables[SAMPLES_AT]).use { certifier ->
                val found = certifier.certify(asset("input.bin"))
                val claim = if (found.label < 0) "No certificate" else "${found.label}, certified within ${found.radius}"
                return "$claim\nvotes: ${found.votes.joinToString()}"
            }
        }
    }

    private fun asset(name: String): ByteArray = assets.open(name).use { it.readBytes() }

    private companion object {
        /** Where the tables say for how many samples their radii are. */
        const val SAMPLES_AT = 8
    }
}
