"""Names and shapes of the published checkpoints, made by the references' own classes at full size on the meta device.

    HPSV2=FOLDER python make_lists.py [OUT_DIR]     # default: lists/; versions and HPSV2 as in make.py

The sizes are those of the published configurations: OpenCLIP's model_configs (also in hpsv2's wheel), and the config.json of
laion/CLIP-ViT-H-14-laion2B-s32B-b79K (PickScore_v1 has the same) and openai/clip-vit-large-patch14, written out below.
"""
import json, os, sys
import torch
from transformers import CLIPConfig, CLIPModel

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path += [HERE, os.path.join(HERE, "../../support")]
from make import MLP, hpsv2, open_clip
from tensor_list import write

HF = {"clip_h14": dict(text=dict(hidden_size=1024, intermediate_size=4096, num_hidden_layers=24, num_attention_heads=16, hidden_act="gelu"),
                       vision=dict(hidden_size=1280, intermediate_size=5120, num_hidden_layers=32, num_attention_heads=16, patch_size=14, hidden_act="gelu"),
                       projection_dim=1024),
      "clip_l14": dict(text=dict(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12),
                       vision=dict(hidden_size=1024, intermediate_size=4096, num_hidden_layers=24, num_attention_heads=16, patch_size=14),
                       projection_dim=768)}


def main(out):
    os.makedirs(out, exist_ok=True)
    with torch.device("meta"):
        config = json.load(open(os.path.join(os.environ["HPSV2"], "hpsv2/src/open_clip/model_configs/ViT-H-14.json")))
        package = hpsv2("model")
        model = package.CLIP(config["embed_dim"], package.CLIPVisionCfg(**config["vision_cfg"]), package.CLIPTextCfg(**config["text_cfg"]))
        write(f"{out}/hps.tensors", model.state_dict(), "hpsv2 1.2.0 CLIP, ViT-H-14")
        for name in ["ViT-H-14", "ViT-L-14", "ViT-B-32", "ViT-g-14", "ViT-bigG-14"]:
            config = open_clip.get_model_config(name)
            model = open_clip.CLIP(config["embed_dim"], config["vision_cfg"], config["text_cfg"], quick_gelu=config.get("quick_gelu", False))
            write(f"{out}/open_clip_{name}.tensors", model.state_dict(), f"open_clip {open_clip.__version__} {name}")
        for name, c in HF.items():
            model = CLIPModel(CLIPConfig(text_config=c["text"], vision_config=c["vision"], projection_dim=c["projection_dim"]))
            write(f"{out}/hf_{name}.tensors", model.state_dict(), f"transformers CLIPModel, {name}")
        write(f"{out}/aesthetic_mlp.tensors", MLP(768).state_dict(), "improved-aesthetic-predictor MLP(768)")
        write(f"{out}/aesthetic_linear.tensors", torch.nn.Linear(768, 1).state_dict(), "aesthetic-predictor linear head")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "lists"))
