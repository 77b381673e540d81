"""Makes events.bin with TensorBoard's own protobuf classes and reads it back with its own reader.

    python make.py          writes events.bin
    python make.py FILE     reads any event file and prints one line a value (a check by hand)

The unit test run_event_file_test.cpp writes the same events; tolerance: none, byte for byte.
Needs the package tensorboard (made with 2.20).
"""

import struct
import sys
from pathlib import Path

from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

HERE = Path(__file__).parent
PNG = bytes(range(64))  # the format does not look into the picture


def events():
    yield Event(wall_time=1000.25, file_version="brain.Event:2")
    yield Event(
        wall_time=1000.5,
        summary=Summary(value=[Summary.Value(tag="eval/redness", simple_value=0.104)]),
    )
    yield Event(
        wall_time=1001.0,
        step=1,
        summary=Summary(
            value=[
                Summary.Value(tag="train/reward", simple_value=-0.5),
                Summary.Value(tag="train/kl", simple_value=0.0),
            ]
        ),
    )
    image = Summary.Image(height=4, width=300, colorspace=3, encoded_image_string=PNG)
    yield Event(
        wall_time=1002.0,
        step=200,
        summary=Summary(value=[Summary.Value(tag="samples", image=image)]),
    )


def show(path):
    for event in LegacyEventFileLoader(str(path)).Load():
        if event.file_version:
            print(f"step {event.step} version {event.file_version}")
        for value in event.summary.value:
            if value.HasField("image"):
                size = len(value.image.encoded_image_string)
                print(f"step {event.step} {value.tag} image {value.image.width}x{value.image.height} {size} bytes")
            else:
                print(f"step {event.step} {value.tag} {struct.pack('<f', value.simple_value).hex()} {value.simple_value:.6g}")


def main():
    if len(sys.argv) > 1:
        show(sys.argv[1])
        return
    path = HERE / "events.bin"
    with open(path, "wb") as out:
        writer = RecordWriter(out)
        for event in events():
            writer.write(event.SerializeToString(deterministic=True))
        writer.flush()
    show(path)


if __name__ == "__main__":
    main()
