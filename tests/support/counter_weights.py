"""Tensors that Python and C++ compute alike from a name and a shape, so that goldens need not store weights, inputs and cotangents.

Element i of the tensor NAME is z = splitmix64(fnv1a64(NAME) + (i + 1) * 0x9e3779b97f4a7c15), taken as a number of [-1, 1) with 24 bits:
exact in float32. The C++ half is counter_weights.hpp.
"""
import numpy as np
import torch

M64 = (1 << 64) - 1


def fnv1a64(text):
    h = 0xcbf29ce484222325
    for byte in text.encode():
        h = (h ^ byte) * 0x100000001b3 & M64
    return h


def uniform(name, shape):
    """float32 in [-1, 1)."""
    n = int(np.prod(shape)) if len(shape) else 1
    with np.errstate(over="ignore"):
        z = np.uint64(fnv1a64(name)) + (np.arange(n, dtype=np.uint64) + np.uint64(1)) * np.uint64(0x9e3779b97f4a7c15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xbf58476d1ce4e5b9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94d049bb133111eb)
        z = z ^ (z >> np.uint64(31))
    u = ((z >> np.uint64(40)).astype(np.float64) - 2.0**23) / 2.0**23
    return torch.from_numpy(u.astype(np.float32)).reshape(tuple(shape))


def noise(name, shape):
    """float32 of unit variance (uniform)."""
    return (uniform(name, shape).double() * 3**0.5).float()


def weight(name, shape):
    """A weight of sane size: matrices and kernels by their fan-in, norms about 1, embeddings unscaled, the rest small."""
    u = uniform(name, shape).double()
    if "embedding" in name and len(shape) == 2 and "linear" not in name:
        return u.float()
    if len(shape) >= 2:
        return (u * (1.0 / (int(np.prod(shape)) // shape[0])) ** 0.5).float()
    return (1.0 + 0.3 * u if name.endswith("weight") else 0.3 * u).float()


def fill(model, prefix, strip=""):
    """Gives every parameter of `model` the weight of PREFIX/NAME."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(weight(f"{prefix}/{name.removeprefix(strip)}", p.shape))
    return model.eval().requires_grad_(False)


def inventory(model, strip=""):
    """One number for the names and shapes of a state dict, and how many there are."""
    lines = sorted(f"{n.removeprefix(strip)} {'x'.join(str(d) for d in p.shape)}" for n, p in model.state_dict().items())
    return f"{len(lines)}:{fnv1a64(chr(10).join(lines)):016x}"


FULL = 256   # tensors up to this many elements are stored whole
PROBES = 8   # larger ones as their products with this many directions


def probes(key, tensor, count=PROBES):
    """Products of `tensor` with the directions probe/KEY/0, 1, ..."""
    flat = tensor.detach().double().flatten()
    return torch.stack([(flat * uniform(f"probe/{key}/{i}", flat.shape).double()).sum() for i in range(count)]).float()


def digest(out, key, tensor):
    """Stores `tensor` under `key`, or its probes."""
    if tensor.numel() <= FULL:
        out[key] = tensor.detach().float().contiguous()
    else:
        out[key + ".probes"] = probes(key, tensor)


def digest_all(out, key, tensors):
    """Stores half as many probes of many tensors, one row each, sorted by their names."""
    out[key + ".rows"] = torch.stack([probes(f"{key}/{name}", tensors[name], PROBES // 2) for name in sorted(tensors)])
