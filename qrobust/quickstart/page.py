"""The quickstart's page: what ``qrobust report`` writes of the two networks."""

from pathlib import Path

from qrobust.certify import load_data, read_header
from qrobust.certify.report.page.evidence import read_model
from qrobust.certify.report.page.subject import Subject
from qrobust.certify.report.page.write_page import can_write_page, write_page
from qrobust.certify.report.summary import Summary
from qrobust.training.publish.evidence import DATA, JOURNAL
from qrobust.training.publish.road import TFLITE, Published
from qrobust.training.publish.summary import FILE

PAGE = "report.html"


def quickstart_page(out: Path, defended: Published, undefended: Published) -> Path | None:
    """Write ``out/report.html``; nothing where the extra [report] is not installed."""
    if not can_write_page() or not defended.certificates:
        return None
    runs = {"defended": defended, "undefended": undefended}
    subject = Subject(
        runs={name: Summary(run.certificates) for name, run in runs.items() if run.certificates},
        data=load_data(out / DATA),
        data_sha256=read_header(out / JOURNAL)["plan"]["data_sha256"],
        model=defended.tflite,
        trained=read_model(out / FILE),
        title=f"Certified robustness: {defended.summary.name}",
        journal=str(out / JOURNAL),
        model_path=str(out / TFLITE),
        data_path=str(out / DATA),
    )
    return write_page(subject, out / PAGE)
