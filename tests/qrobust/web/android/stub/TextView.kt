package android.widget

import android.app.Activity
import android.view.View

class TextView(@Suppress("UNUSED_PARAMETER") owner: Activity) : View() {
    var text: CharSequence = ""
}
