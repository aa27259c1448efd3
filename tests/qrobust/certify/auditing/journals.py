"""Journals as a clever forger would write them."""

import json
from dataclasses import replace

from qrobust.certify import audit, certify_dataset, check_offline
from qrobust.certify.run.journal import chain


def values_of(journal):
    return [json.loads(text) for text in journal.read_text().splitlines()]


def rewritten(values, path, *, rechain=True):
    """A journal of some lines, with every chain made anew as a clever forger would."""
    previous = ""
    for value in values:
        if rechain:
            value["chain"] = chain(previous, value)
        previous = value["chain"]
    path.write_text("".join(json.dumps(value) + "\n" for value in values))
    return path


def edited(journal, path, line, change, *, rechain):
    values = values_of(journal)
    values[line - 1].update(change)
    return rewritten(values, path, rechain=rechain)


def bad(*args, **kwargs):
    return [(f.line, f.index, f.reason) for f in audit(*args, **kwargs) if not f.reproduced]


def certified(job, data, path, **change):
    list(certify_dataset(replace(job, **change), data, out=path))
    return check_offline(path)
