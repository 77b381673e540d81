"""The published SD-Turbo configuration and the names and shapes of its tensors, from the references' own classes on the meta device.

    python published.py              writes published/*.json and *.tensors beside this file; needs torch 2.11.0, diffusers 0.42.1, transformers 5.23.0
    python published.py --folder DIR writes a whole pipeline of that size with random weights in bfloat16 (2.6 GB), tokenizer of the tiny CLIP

Configurations: those of Stable Diffusion 2.1, which SD-Turbo was distilled from, as diffusers' scripts/convert_original_stable_diffusion_to_diffusers.py
makes them (create_unet_diffusers_config, create_vae_diffusers_config; convert_open_clip_checkpoint for the text model of 23 layers) and as
stabilityai/sd-turbo has them: heads 5, 10, 20, 20, linear projections, text width 1024, 64 x 64 latents, VAE scale 0.18215, Euler trailing.
Compared with what the plugin asks for by tests/golden/generator/published_test.cpp.
"""
import json, os, sys
import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../../support")]
import tensor_list  # noqa: E402
from models import CROSS, PLAIN, TURBO, blocks, vae_blocks  # noqa: E402

UNET = dict(sample_size=64, in_channels=4, out_channels=4, block_out_channels=(320, 640, 1280, 1280), layers_per_block=2,
            attention_head_dim=(5, 10, 20, 20), cross_attention_dim=1024, use_linear_projection=True, norm_num_groups=32,
            **blocks(CROSS, CROSS, CROSS, PLAIN))
VAE = dict(block_out_channels=(128, 256, 512, 512), layers_per_block=2, latent_channels=4, norm_num_groups=32, sample_size=768,
           scaling_factor=0.18215, **vae_blocks(4))
TEXT = dict(vocab_size=49408, hidden_size=1024, intermediate_size=4096, num_hidden_layers=23, num_attention_heads=16,
            max_position_embeddings=77, hidden_act="gelu", projection_dim=512)


def build():
    return dict(unet=UNet2DConditionModel(**UNET), vae=AutoencoderKL(**VAE), text_encoder=CLIPTextModel(CLIPTextConfig(**TEXT)))


def store(part, model):
    tensors = {n.removeprefix("text_model."): t for n, t in model.state_dict().items()}
    package = "transformers 5.23.0" if part == "text_encoder" else "diffusers 0.42.1"
    tensor_list.write(os.path.join(HERE, "published", part + ".tensors"), tensors, f"{package} {type(model).__name__}, SD-Turbo")
    config = json.loads(model.config.to_json_string() if part == "text_encoder" else model.to_json_string())
    with open(os.path.join(HERE, "published", part + ".json"), "w") as f:
        json.dump({k: v for k, v in config.items() if v is not None}, f, indent=1)
        f.write("\n")
    print(part, len(tensors), sum(t.numel() for t in tensors.values()))


def write_folder(folder):
    """Fills the parts one after another, so that one part in float32 is the most that is held."""
    vocabulary = os.path.join(HERE, "../../../plugins/rewards/clip/weights/tiny-clip")
    torch.manual_seed(0)
    for part in ("unet", "vae", "text_encoder"):
        with torch.device("meta"):
            model = build()[part]
        model = model.to(torch.bfloat16).to_empty(device="cpu")
        for name, p in [*model.named_parameters(), *model.named_buffers()]:
            if not p.is_floating_point():
                p.data = torch.arange(p.numel()).reshape(p.shape)
            elif p.dim() >= 2:
                p.data.normal_(std=p[0].numel() ** -0.5 * 0.5)
            else:
                p.data.fill_(1.0 if name.endswith("weight") else 0.0)
        model.save_pretrained(os.path.join(folder, part))
    EulerDiscreteScheduler(**TURBO).save_pretrained(os.path.join(folder, "scheduler"))
    CLIPTokenizer(vocab=os.path.join(vocabulary, "vocab.json"), merges=os.path.join(vocabulary, "merges.txt"), pad_token="!",
                  model_max_length=77).save_pretrained(os.path.join(folder, "tokenizer"))
    with open(os.path.join(folder, "model_index.json"), "w") as f:
        json.dump(dict(_class_name="StableDiffusionPipeline", unet=["diffusers", "UNet2DConditionModel"], vae=["diffusers", "AutoencoderKL"],
                       text_encoder=["transformers", "CLIPTextModel"], tokenizer=["transformers", "CLIPTokenizer"],
                       scheduler=["diffusers", "EulerDiscreteScheduler"], safety_checker=[None, None], feature_extractor=[None, None],
                       requires_safety_checker=False), f)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--folder"]:
        write_folder(sys.argv[2])
    else:
        os.makedirs(os.path.join(HERE, "published"), exist_ok=True)
        with torch.device("meta"):
            for part, model in build().items():
                store(part, model)
