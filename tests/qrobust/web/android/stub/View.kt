package android.view

open class View {
    fun setPadding(left: Int, top: Int, right: Int, bottom: Int) = check(left + top + right + bottom >= 0)
}
