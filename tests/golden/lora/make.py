"""LoRA files in every spelling, and what diffusers and peft make of them.

    python tests/golden/lora/make.py

Each case CASE.safetensors (or folder) is a LoRA file on a tiny model; golden.safetensors holds, for every layer that the
reference gave an adapter, "CASE|LAYER" = D cos(0, 1, 2, ...) with D [out, rest], the change of the layer's weight (peft's
get_delta_weight); layers.json lists the layers of the models with the fields of hn.adapter/1. Run with torch 2.11.0, diffusers 0.42.1, peft 0.21.2.
"""
import inspect
import json
import shutil
from pathlib import Path

import torch
from diffusers import FluxTransformer2DModel, UNet2DConditionModel
from diffusers.loaders import lora_conversion_utils, lora_pipeline
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file

HERE = Path(__file__).parent
golden = {}


def random(*shape):
    return torch.randn(shape) * 0.1


def unet():
    torch.manual_seed(1)
    return UNet2DConditionModel(
        sample_size=8, block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=4, cross_attention_dim=12,
        attention_head_dim=4, use_linear_projection=True, down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"))


def flux():
    torch.manual_seed(2)
    return FluxTransformer2DModel(
        in_channels=8, num_layers=1, num_single_layers=1, attention_head_dim=4, num_attention_heads=2,
        joint_attention_dim=10, pooled_projection_dim=6, axes_dims_rope=(2, 1, 1), guidance_embeds=False)


def layers_of(model):
    rows = []
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear):
            rows.append([name, 0, module.in_features, module.out_features, 1, 1])
        elif isinstance(module, torch.nn.Conv2d):
            rows.append([name, 1, module.in_channels, module.out_channels, module.kernel_size[0], module.groups])
    return rows


def keep(case, model):
    """The change that each adapted layer got."""
    for name, module in model.named_modules():
        if isinstance(module, LoraLayer):
            layer = name.removeprefix("base_model.model.")
            for adapter in module.lora_A:
                delta = module.get_delta_weight(adapter).detach().flatten(1).double()
                golden[f"{case}|{layer}"] = (delta @ torch.cos(torch.arange(delta.shape[1]).double())).float()


def sizes(model, layer):
    module = model.get_submodule(layer)
    if isinstance(module, torch.nn.Linear):
        return (module.in_features,), (module.out_features, ), ()
    k = module.kernel_size[0]
    return (module.in_channels, k, k), (module.out_channels,), (1, 1)


def pair(model, layer, rank):
    a, b, tail = sizes(model, layer)
    return random(rank, *a), random(b[0], rank, *tail)


UNET = ["down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q",
        "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0",
        "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k",
        "down_blocks.0.attentions.0.transformer_blocks.0.ff.net.0.proj",
        "up_blocks.1.attentions.0.proj_in"]
CONVS = ["down_blocks.0.resnets.0.conv1", "mid_block.resnets.0.time_emb_proj"]


def load_unet(case, state):
    model = unet()
    mixin = lora_pipeline.StableDiffusionLoraLoaderMixin
    state, alphas = mixin.lora_state_dict(dict(state), unet_config=model.config)[:2]
    mixin.load_lora_into_unet(state, network_alphas=alphas, unet=model)
    keep(case, model)


def unet_kohya():
    torch.manual_seed(10)
    model, state = unet(), {}
    for i, layer in enumerate(UNET + CONVS):
        name = "lora_unet_" + layer.replace(".", "_")
        a, b = pair(model, layer, 2 + i % 3)
        state[name + ".lora_down.weight"], state[name + ".lora_up.weight"] = a, b
        # One alpha for the attention: diffusers loses others there (it looks for them under names of its old processors).
        state[name + ".alpha"] = torch.tensor(2.0 if "attn" in layer else 1.0 + i)
    save = dict(state)
    te = "lora_te_text_model_encoder_layers_0_self_attn_q_proj"
    save[te + ".lora_down.weight"], save[te + ".lora_up.weight"] = random(2, 4), random(4, 2)
    save[te + ".alpha"] = torch.tensor(2.0)
    save_file(save, HERE / "unet_kohya.safetensors")
    load_unet("unet_kohya", state)


def unet_down_up():
    """diffusers before peft: lora.down and processors."""
    torch.manual_seed(11)
    model, state = unet(), {}
    for layer in UNET[3:]:
        a, b = pair(model, layer, 3)
        state[f"unet.{layer}.lora.down.weight"], state[f"unet.{layer}.lora.up.weight"] = a, b
    block = "down_blocks.0.attentions.0.transformer_blocks.0.attn1"
    for layer, old in (("to_q", "to_q_lora"), ("to_out.0", "to_out_lora")):
        a, b = pair(model, f"{block}.{layer}", 3)
        state[f"unet.{block}.processor.{old}.down.weight"], state[f"unet.{block}.processor.{old}.up.weight"] = a, b
    save_file(state, HERE / "unet_down_up.safetensors")
    load_unet("unet_down_up", state)


def unet_mixed():
    """Ranks that differ and no alpha at all."""
    torch.manual_seed(12)
    model, state = unet(), {}
    for i, layer in enumerate(UNET):
        a, b = pair(model, layer, 4 - i % 3)
        state[f"unet.{layer}.lora_A.weight"], state[f"unet.{layer}.lora_B.weight"] = a, b
    save_file(state, HERE / "unet_mixed.safetensors")
    from safetensors.torch import load_file
    load_unet("unet_mixed", load_file(HERE / "unet_mixed.safetensors"))


def unet_saved():
    """As diffusers saves it today, with its metadata."""
    torch.manual_seed(13)
    model = unet()
    model.add_adapter(LoraConfig(r=2, lora_alpha=6, target_modules=["to_q", "to_k", "conv_in"], init_lora_weights=False,
                                 rank_pattern={"attn2.to_k": 3}, alpha_pattern={"attn2.to_k": 5}))
    folder = HERE / "unet_saved"
    shutil.rmtree(folder, ignore_errors=True)
    lora_pipeline.StableDiffusionLoraLoaderMixin.save_lora_weights(
        folder, unet_lora_layers=get_peft_model_state_dict(model),
        unet_lora_adapter_metadata=model.peft_config["default"].to_dict() | {"target_modules": ["to_q", "to_k", "conv_in"]})
    keep("unet_saved", model)


def peft_patterns():
    torch.manual_seed(14)
    model = get_peft_model(unet(), LoraConfig(
        r=2, lora_alpha=3, use_rslora=True, target_modules=["to_v", "conv_shortcut"], init_lora_weights=False,
        rank_pattern={r"attn1\.to_v": 3}, alpha_pattern={r"down_blocks\.0.*attn1\.to_v": 7}))
    folder = HERE / "peft_patterns"
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    keep("peft_patterns", model)


def peft_case(case, config, **changes):
    """As peft saves it, with changes to its configuration; golden: what peft makes of the saved folder."""
    model = get_peft_model(unet(), config)
    folder = HERE / case
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    file = folder / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes, indent=2, sort_keys=True))
    keep(case, PeftModel.from_pretrained(unet(), folder))


def peft_choices():
    """Layers by an expression, some left out, patterns that only Python spells so, fan_in_fan_out (which peft ignores here)."""
    torch.manual_seed(16)
    peft_case("peft_choices", LoraConfig(
        r=2, lora_alpha=3, target_modules=r"(?P<block>down|up)_blocks\.\d+\..*\.(to_q|to_k|proj)", init_lora_weights=False,
        exclude_modules=["attn2.to_q"], rank_pattern={r"down.*to_[qk]\Z": 3, "ff.net.0.proj": 1},
        alpha_pattern={r"^up_blocks.1.[]a-z_]+.0..*attn1.to_q$": 7, r"(?:attn1|attn2)\.to_k": 5},
        lora_dropout=0.1), fan_in_fan_out=True)


def peft_numbers():
    """Layers by the number of their block; a start that leaves the base alone."""
    torch.manual_seed(17)
    peft_case("peft_numbers", LoraConfig(
        r=2, lora_alpha=5, use_rslora=True, target_modules=["to_v", "conv1"], init_lora_weights=False, layers_to_transform=[1],
        layers_pattern=["up_blocks", "resnets"]), init_lora_weights="gaussian")


def unet_alone():
    """A model saved by itself: keys and metadata without the component's name."""
    torch.manual_seed(18)
    model = unet()
    model.add_adapter(LoraConfig(r=2, lora_alpha=8, target_modules=["to_q", "proj_out"], init_lora_weights=False,
                                 alpha_pattern={"attn2.to_q": 3}))
    folder = HERE / "unet_alone"
    shutil.rmtree(folder, ignore_errors=True)
    model.save_lora_adapter(folder)
    keep("unet_alone", model)


def flux_kohya():
    """FLUX's original names: q, k and v in one."""
    torch.manual_seed(15)
    width = 8
    out = {"img_attn_qkv": 3 * width, "txt_attn_qkv": 3 * width, "img_attn_proj": width, "txt_attn_proj": width,
           "img_mlp_0": 4 * width, "txt_mlp_0": 4 * width, "img_mlp_2": width, "txt_mlp_2": width,
           "img_mod_lin": 6 * width, "txt_mod_lin": 6 * width}
    names = {f"double_blocks_0_{k}": ((4 * width if "mlp_2" in k else width), v) for k, v in out.items()}
    names |= {"single_blocks_0_linear1": (width, 7 * width), "single_blocks_0_linear2": (5 * width, width),
              "single_blocks_0_modulation_lin": (width, 3 * width)}
    names |= {"img_in": (8, width), "txt_in": (10, width), "time_in_in_layer": (256, width), "vector_in_in_layer": (6, width)}
    state = {}
    for i, (name, (a, b)) in enumerate(names.items()):
        rank = 2 + i % 2
        state[f"lora_unet_{name}.lora_down.weight"] = random(rank, a)
        state[f"lora_unet_{name}.lora_up.weight"] = random(b, rank)
        state[f"lora_unet_{name}.alpha"] = torch.tensor(float(1 + i % 4))
    for name, a, b in (("final_layer_linear", width, 8), ("final_layer_adaLN_modulation_1", width, 2 * width)):
        state[f"lora_unet_{name}.lora_down.weight"] = random(2, a)
        state[f"lora_unet_{name}.lora_up.weight"] = random(b, 2)
    save_file(state, HERE / "flux_kohya.safetensors")
    # The sizes of the published model stand in the conversion; here they are the tiny one's.
    source = inspect.getsource(lora_conversion_utils._convert_kohya_flux_lora_to_diffusers)
    source = source.replace("dims=[3072, 3072, 3072, 12288]", f"dims=[{width}, {width}, {width}, {4 * width}]")
    exec(source, lora_conversion_utils.__dict__)
    converted = lora_conversion_utils._convert_kohya_flux_lora_to_diffusers(
        {k: v.clone() for k, v in state.items()})
    converted = {k if k.startswith("transformer.") else "transformer." + k: v for k, v in converted.items()}
    model = flux()
    lora_pipeline.FluxLoraLoaderMixin.load_lora_into_transformer(
        converted, network_alphas=None, transformer=model)
    keep("flux_kohya", model)


if __name__ == "__main__":
    unet_kohya()
    unet_down_up()
    unet_mixed()
    unet_saved()
    peft_patterns()
    flux_kohya()
    peft_choices()
    peft_numbers()
    unet_alone()
    save_file(golden, HERE / "golden.safetensors")
    rows = {"unet": layers_of(unet()), "flux": layers_of(flux())}
    (HERE / "layers.json").write_text("{" + ",\n".join(
        f'"{k}": [' + ",\n".join(json.dumps(r) for r in v) + "]" for k, v in rows.items()) + "}\n")
    print(len(golden), "layers")
