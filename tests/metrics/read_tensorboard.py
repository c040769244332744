"""read_tensorboard.py DIR: what the tensorboard package reads there, as JSON; a folder that changes meanwhile
is read again at every line of standard input. {"scalars": {tag: [[step, value], ...]}, "texts": {tag: [...]}}"""
import json
import sys

from tensorboard.backend.event_processing import event_accumulator

reader = event_accumulator.EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "tensors": 0})
while True:
    reader.Reload()
    tags = reader.Tags()
    found = {"scalars": {}, "texts": {}}
    for tag in tags["scalars"]:
        found["scalars"][tag] = [[event.step, event.value] for event in reader.Scalars(tag)]
    for tag in tags["tensors"]:
        events = reader.Tensors(tag)
        if events[0].tensor_proto.dtype == 7:
            found["texts"][tag] = [[e.step, e.tensor_proto.string_val[0].decode()] for e in events]
        else:  # scalars that the reader has turned into tensors
            found["scalars"][tag] = [[e.step, e.tensor_proto.float_val[0]] for e in events]
    print(json.dumps(found), flush=True)
    if not sys.stdin.isatty() and sys.stdin.readline():
        continue
    break
