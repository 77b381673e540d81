"""Checkpoints of torch.save in its layouts, for the reader in sdk/formats/pickle.

    python make.py [OUT_DIR]      # default: this folder; run with torch 2.11, Python 3.11

zip.pt, legacy.pt, protocol4.pt hold one object, checkpoint() below; what its tensors are is written out in
tests/unit/formats_torch_file_test.cpp. malicious.pt calls os.system when it is unpickled by Python.
"""
import argparse, os, sys
from collections import OrderedDict
import torch

HERE = os.path.dirname(os.path.abspath(__file__))


class Evil:
    def __reduce__(self): return os.system, ("touch hn_pickle_was_executed",)


def checkpoint():
    base = torch.arange(12, dtype=torch.float32)
    layer = torch.nn.Linear(2, 1)
    with torch.no_grad(): layer.weight.copy_(torch.tensor([[0.5, -0.25]])); layer.bias.fill_(2.0)
    state = layer.state_dict()  # an OrderedDict with _metadata
    state.update({
        "rows": base.view(3, 4), "columns": base.view(3, 4).t(), "slice": base[5:11:2],  # one storage, three views
        "half": torch.tensor([1.5, -2.0]).half(), "brain": torch.tensor([0.125]).bfloat16(), "double": torch.tensor(0.1, dtype=torch.float64),
        "count": torch.tensor(7), "flags": torch.tensor([True, False]), "empty": torch.zeros(0, 3), "wide": torch.ones(1).expand(4),
        "parameter": torch.nn.Parameter(torch.tensor([3.0])), "tiny": torch.tensor([1.0, -2.0]).to(torch.float8_e4m3fn)})
    return {"epoch": 3, "name": "ünï", "loss": 0.5, "big": 2**70, "none": None, "pair": (1, [2, {"x": b"bytes"}]), "dtype": torch.float32,
            "device": torch.device("cpu"), "size": torch.Size([2, 3]), "args": argparse.Namespace(lr=0.1), "set": {1, 2},
            "state_dict": state, "optimizer": {"state": {0: {"exp_avg": torch.zeros(2)}}}}


def main(out):
    torch.save(checkpoint(), os.path.join(out, "zip.pt"))
    torch.save(checkpoint(), os.path.join(out, "legacy.pt"), _use_new_zipfile_serialization=False)
    torch.save({"layers": [{"w": torch.ones(2)}, {"w": torch.zeros(1, 1)}]}, os.path.join(out, "protocol4.pt"), pickle_protocol=4)
    torch.save({"weight": torch.ones(1), "hook": Evil()}, os.path.join(out, "malicious.pt"))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else HERE)
