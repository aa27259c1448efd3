// Of Android, as much as the sample uses: a check of types, nothing that runs.
package android.app

import android.os.Bundle
import android.view.View
import java.io.InputStream

class AssetManager {
    fun open(@Suppress("UNUSED_PARAMETER") name: String): InputStream = throw UnsupportedOperationException()
}

open class Activity {
    val assets: AssetManager = AssetManager()
    protected open fun onCreate(@Suppress("UNUSED_PARAMETER") state: Bundle?) {}
    fun setContentView(@Suppress("UNUSED_PARAMETER") view: View) {}
    fun runOnUiThread(action: () -> Unit) = action()
}
