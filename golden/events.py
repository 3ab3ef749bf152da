"""Golden event files: what TensorBoard's own writer makes of two starts of one training, and what its reader sees.

Writes crates/segment/tests/golden/events/. The Rust test writes the same numbers and compares the bytes, so what is shown
here of these files holds for ours: the package reads them, and a resumed start hides what it overtakes.
Run from the repository root: python golden/events.py (needs tensorboard; made with 2.21.0).
"""

import pathlib
import shutil

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.summary.writer.record_writer import RecordWriter

OUT = pathlib.Path(__file__).resolve().parent.parent / "crates/segment/tests/golden/events"
TAGS = ["train/loss", "validation/dice/wt"]


def start(seconds, first_step, steps, offset):
    path = OUT / f"events.out.tfevents.{seconds:010d}.glioscope"
    with open(path, "wb") as file:
        writer = RecordWriter(file)
        writer.write(Event(wall_time=seconds, file_version="brain.Event:2").SerializeToString())
        if first_step > 0:
            log = SessionLog(status=SessionLog.START)
            writer.write(Event(wall_time=seconds, step=first_step, session_log=log).SerializeToString())
        for step in steps:
            event = Event(wall_time=seconds + step + 0.5, step=step)
            for place, tag in enumerate(TAGS):
                event.summary.value.add(tag=tag, simple_value=offset + place + step / 8)
            writer.write(event.SerializeToString())


def seen(tag):
    events = EventAccumulator(str(OUT))
    events.Reload()
    return [(event.step, event.value, event.wall_time) for event in events.Scalars(tag)]


shutil.rmtree(OUT, ignore_errors=True)
OUT.mkdir(parents=True)
# Stopped after step 301; the checkpoint was of step 300.
start(1_700_000_000, 0, [0, 1, 2, 300, 301], 0.0)
start(1_700_001_000, 300, [300, 301, 302], 10.0)
for place, tag in enumerate(TAGS):
    first = [(s, place + s / 8, 1_700_000_000 + s + 0.5) for s in (0, 1, 2)]
    second = [(s, 10 + place + s / 8, 1_700_001_000 + s + 0.5) for s in (300, 301, 302)]
    assert seen(tag) == first + second, (tag, seen(tag))
print("TensorBoard reads", ", ".join(path.name for path in sorted(OUT.iterdir())))
