"""The published SANA-Sprint configurations and the names and shapes of their tensors, from the references' own classes on the meta device.

    python published.py      writes published/*.json and *.tensors beside this file; needs torch 2.11.0, diffusers 0.42.1, transformers 5.23.0

Configurations: diffusers' scripts/convert_sana_to_diffusers.py (SanaSprint_600M_P1_D28, SanaSprint_1600M_P1_D20, 1024 px) and
convert_dcae_to_diffusers.py (dc-ae-f32c32-sana), transformers' defaults of Gemma2Config, which are gemma-2-2b's.
Compared with what the plugin asks for by tests/golden/generator/published_test.cpp.
"""
import json, os, sys
import torch
from diffusers import AutoencoderDC, SanaTransformer2DModel
from transformers import Gemma2Config, Gemma2Model

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../support"))
import tensor_list


def transformer(heads, layers, cross_heads, cross_head_dim):
    return dict(in_channels=32, out_channels=32, num_attention_heads=heads, attention_head_dim=32, num_layers=layers,
                num_cross_attention_heads=cross_heads, cross_attention_head_dim=cross_head_dim, cross_attention_dim=heads * 32,
                caption_channels=2304, mlp_ratio=2.5, dropout=0.0, attention_bias=False, sample_size=32, patch_size=1,
                norm_elementwise_affine=False, norm_eps=1e-6, interpolation_scale=None, guidance_embeds=True, guidance_embeds_scale=0.1,
                qk_norm="rms_norm_across_heads", timestep_scale=1.0)


VAE = dict(in_channels=3, latent_channels=32, attention_head_dim=32, encoder_block_types=["ResBlock"] * 3 + ["EfficientViTBlock"] * 3,
           decoder_block_types=["ResBlock"] * 3 + ["EfficientViTBlock"] * 3, encoder_block_out_channels=[128, 256, 512, 512, 1024, 1024],
           decoder_block_out_channels=[128, 256, 512, 512, 1024, 1024], encoder_layers_per_block=[2, 2, 2, 3, 3, 3],
           decoder_layers_per_block=[3, 3, 3, 3, 3, 3], encoder_qkv_multiscales=[[], [], [], [5], [5], [5]],
           decoder_qkv_multiscales=[[], [], [], [5], [5], [5]], downsample_block_type="conv", upsample_block_type="interpolate",
           decoder_norm_types="rms_norm", decoder_act_fns="silu", scaling_factor=0.41407)


def store(name, config, model, comment):
    tensors = {n: t for n, t in model.state_dict().items()}
    tensor_list.write(os.path.join(HERE, "published", name + ".tensors"), tensors, comment)
    with open(os.path.join(HERE, "published", name + ".json"), "w") as f:
        json.dump(config, f, indent=1)
        f.write("\n")
    print(name, len(tensors), sum(t.numel() for t in tensors.values()))


if __name__ == "__main__":
    os.makedirs(os.path.join(HERE, "published"), exist_ok=True)
    with torch.device("meta"):
        for name, config in (("transformer_0.6b", transformer(36, 28, 16, 72)), ("transformer_1.6b", transformer(70, 20, 20, 112))):
            store(name, dict(_class_name="SanaTransformer2DModel", **config), SanaTransformer2DModel(**config),
                  "diffusers 0.42.1 SanaTransformer2DModel, " + name[12:])
        store("vae", dict(_class_name="AutoencoderDC", **VAE), AutoencoderDC(**VAE), "diffusers 0.42.1 AutoencoderDC, dc-ae-f32c32-sana")
        config = Gemma2Config()
        keys = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim",
                "query_pre_attn_scalar", "sliding_window", "attn_logit_softcapping", "rms_norm_eps", "hidden_activation", "attention_bias")
        store("text_encoder", dict(model_type="gemma2", rope_theta=10000.0, **{k: getattr(config, k) for k in keys}), Gemma2Model(config),
              "transformers 5.23.0 Gemma2Model, gemma-2-2b")
