"""What the generators' make.py share: pictures of latents, peft's LoRA as the plugin has it, and gradients kept in a golden file."""
import copy, os, re, sys
import torch
from peft import LoraConfig, inject_adapter_in_model

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support")]
from counter_weights import digest, digest_all, weight  # noqa: E402


def picture(pipe, latents):
    """AutoencoderKL's picture of unit-variance latents, in [0, 1]."""
    config = pipe.vae.config
    return (pipe.vae.decode(latents / config.scaling_factor + (config.shift_factor or 0)).sample * 0.5 + 0.5).clamp(0, 1)


def lora_names(net, targets, last):
    """The layers that the plugin's targets choose, with the output layer."""
    linear = [n for n, m in net.named_modules() if isinstance(m, torch.nn.Linear)]
    conv = [n for n, m in net.named_modules() if isinstance(m, torch.nn.Conv2d)]
    chosen = {last}
    for t in targets:
        if t in ("all-linear", "all-conv"):
            chosen.update(linear if t == "all-linear" else conv)
        elif t.startswith("re:"):
            chosen.update(n for n in linear + conv if re.fullmatch(t[3:], n))
        else:
            chosen.update(n for n in linear + conv if n == t or n.endswith("." + t))
    return sorted(chosen)


def with_lora(net, name, spec, last, alpha, size_b, only_branch):
    """A copy of the network with peft's LoRA, its matrices the weights of NAME/lora/SLOT (B size_b times them), and those by their slots.
    only_branch: the output layer gives its branch alone, as a noise network's does. alpha: times the rank."""
    net = copy.deepcopy(net)
    names = "|".join(re.escape(n) for n in lora_names(net, spec["targets"], last))  # a regular expression: no name chosen by its end alone
    inject_adapter_in_model(LoraConfig(r=spec["rank"], lora_alpha=alpha * spec["rank"], target_modules=names), net)
    params = {}
    for n, p in net.named_parameters():
        p.requires_grad_("lora_" in n)
        if "lora_" in n:
            key = n.replace(".default", "")
            p.data = weight(f"{name}/lora/{key}", p.shape) * (size_b if "lora_B" in n else 1.0)
            params[key] = p
    if only_branch:   # the base's numbers are 0
        for p in getattr(net, last).base_layer.parameters():
            p.data.zero_()
    return net, params


def grads(out, key, value, cotangent, by, params=None):
    """Stores the gradient by a tensor and by adapter matrices; 0 by those that reach nothing."""
    names = sorted(params or {})
    leaves = [by, *(params[n] for n in names)]
    got = [torch.zeros_like(p) if g is None else g for p, g in zip(leaves, torch.autograd.grad(value, leaves, cotangent, allow_unused=True))]
    digest(out, key, got[0])
    if names:
        digest_all(out, key, dict(zip(names, got[1:])))
