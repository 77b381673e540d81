"""image-reward 1.5 with what it needs and nothing more, for make.py and shapes.py.

Its package pulls in half of its authors' training code at import, and pins that no longer install together; only BLIP and the scorer are
wanted. So the package is entered below its __init__, and fairscale's checkpoint_wrapper (used in training alone) is a stand-in.
Needs: image-reward 1.5 unzipped on the path, transformers 4.27.4 (with tokenizers 0.13.3 and huggingface-hub 0.25.2), timm 0.6.13; torch
2.11, torchvision 0.26, Pillow 13.
"""
import functools
import importlib.util
import sys
import types


def bare(name, path=None):
    module = types.ModuleType(name)
    module.__path__ = [path] if path else []
    sys.modules[name] = module
    return module


root = importlib.util.find_spec("ImageReward").submodule_search_locations[0]
bare("ImageReward", root)
bare("ImageReward.models", root + "/models")
bare("fairscale"), bare("fairscale.nn"), bare("fairscale.nn.checkpoint")
bare("fairscale.nn.checkpoint.checkpoint_activations").checkpoint_wrapper = lambda module, *a, **k: module

from ImageReward import ImageReward as scorer  # noqa: E402
from ImageReward.models.BLIP import blip_pretrain, vit  # noqa: E402
from transformers import BertTokenizer  # noqa: E402


def build(med_config, vocabulary, vision=None, width=768):
    """ImageReward(...) as upstream builds it; with `vision` (a dict of VisionTransformer's arguments) and the text's `width` where the sizes
    are not the published ones, which upstream has in its code. vocabulary: a vocab.txt."""
    def tokenizer():
        t = BertTokenizer(vocabulary)
        t.add_special_tokens({"bos_token": "[DEC]"})
        t.add_special_tokens({"additional_special_tokens": ["[ENC]"]})
        t.enc_token_id = t.additional_special_tokens_ids[0]
        return t

    saved = blip_pretrain.init_tokenizer, blip_pretrain.create_vit, scorer.MLP, scorer._transform
    blip_pretrain.init_tokenizer = tokenizer
    if vision:
        blip_pretrain.create_vit = lambda *a, **k: (vit.VisionTransformer(**vision), vision["embed_dim"])
        scorer.MLP = functools.partial(lambda original, _: original(width), saved[2])
        scorer._transform = functools.partial(lambda original, _: original(vision["img_size"]), saved[3])
    try:
        return scorer.ImageReward(device="cpu", med_config=med_config).eval()
    finally:
        blip_pretrain.init_tokenizer, blip_pretrain.create_vit, scorer.MLP, scorer._transform = saved
