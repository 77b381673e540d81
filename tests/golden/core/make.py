"""Golden values of the optimisers, the clipping and the regularisers: PyTorch 2.11's own.

    python make.py            writes optimiser.safetensors and regulariser.safetensors beside this file

optimiser.safetensors: start [N], gradients [20, N]; after 20 steps of torch.optim with clip_grad_norm_ (max_norm 1) before each,
`adamw` and `sgd` [20, N] hold the parameter after every step, `norms` [20] the norms before clipping. lr falls by 2 % a step.
regulariser.safetensors: x0, delta [3, 2, 4, 4]; per regulariser the values [3] (float64) and the gradient of their mean.
Read by tests/unit/core_optimiser_test.cpp and core_loss_test.cpp; tolerance 1e-6 (relative to the largest number).
"""
import math
import os

import torch
from safetensors.torch import save_file

HERE = os.path.dirname(os.path.abspath(__file__))
torch.manual_seed(20250809)
torch.set_num_threads(1)


def run(make, start, gradients):
    p = torch.nn.Parameter(start.clone())
    optimiser, after, norms = make([p]), [], []
    for step, g in enumerate(gradients):
        for group in optimiser.param_groups:
            group["lr"] = group["initial"] * 0.98**step
        p.grad = g.clone()
        norms.append(torch.nn.utils.clip_grad_norm_([p], 1.0).item())
        optimiser.step()
        after.append(p.detach().clone())
    return torch.stack(after), torch.tensor(norms)


def adamw(params):
    o = torch.optim.AdamW(params, lr=1e-2, betas=(0.9, 0.99), eps=1e-8, weight_decay=0.05)
    o.param_groups[0]["initial"] = 1e-2
    return o


def sgd(params):
    o = torch.optim.SGD(params, lr=5e-2, momentum=0.9, weight_decay=0.02)
    o.param_groups[0]["initial"] = 5e-2
    return o


start = torch.randn(67)
gradients = torch.randn(20, 67) * torch.logspace(-2.5, 0.5, 20)[:, None]
after_adamw, norms = run(adamw, start, gradients)
after_sgd, _ = run(sgd, start, gradients)
save_file({"start": start, "gradients": gradients, "adamw": after_adamw, "sgd": after_sgd, "norms": norms},
          os.path.join(HERE, "optimiser.safetensors"))

x0, delta = torch.randn(3, 2, 4, 4), torch.randn(3, 2, 4, 4) * 0.3
d, weight = 32, 1.7
out = {"x0": x0, "delta": delta}
regularisers = {
    "mean": lambda v: weight * 0.5 * v.pow(2).flatten(1).mean(1),
    "paper": lambda v: weight * 0.5 * v.pow(2).flatten(1).sum(1),
    # ReNO (arXiv 2406.04312): minus log density of the norm, less its least value.
    "norm": lambda v: weight * (0.5 * (x0 + v).flatten(1).norm(dim=1) ** 2
                                - (d - 1) * (x0 + v).flatten(1).norm(dim=1).log()
                                - (0.5 * (d - 1) - (d - 1) * math.log(math.sqrt(d - 1)))),
}
for name, f in regularisers.items():
    v = delta.clone().requires_grad_()
    values = f(v.double())
    values.mean().backward()
    out[name + ".value"] = values.detach().double()
    out[name + ".gradient"] = v.grad.float()
save_file(out, os.path.join(HERE, "regulariser.safetensors"))
