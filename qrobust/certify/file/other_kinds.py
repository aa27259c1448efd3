"""What to do with a file that is no ``.tflite``."""

from pathlib import Path


def road_from(name: str) -> str:
    """Return what to do with a file, by its ending: the end of a message, or nothing."""
    ending = Path(name).suffix.lower()
    if ending in (".keras", ".h5", ".hdf5"):
        return f"; it looks like a Keras model: qrobust export {name} OUT.tflite first"
    if ending in (".npz", ".npy", ".csv", ".png", ".jpg", ".jpeg", ".wav"):
        return "; it looks like data: the model comes first, then the data"
    if ending == ".jsonl":
        return "; it looks like a journal of certificates: qrobust audit takes it before the model"
    return ""
