#!/usr/bin/env python3
"""Writes published.tensors: names and shapes of image-reward 1.5's ImageReward, as upstream's own code builds it, on the meta device.

Run: python shapes.py. Needs: what reference.py says.
"""
import gzip
import json
import os
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "../../support"))
import reference  # noqa: E402
import tensor_list  # noqa: E402
import torch  # noqa: E402
from transformers import PreTrainedModel  # noqa: E402

VOCABULARY = os.path.join(HERE, "../../../plugins/rewards/image_reward/vocabulary/bert_base_uncased.txt.gz")
# med_config.json of THUDM/ImageReward, which is BLIP's (its encoder_width is overwritten by the code).
MED = dict(architectures=["BertModel"], attention_probs_dropout_prob=0.1, hidden_act="gelu", hidden_dropout_prob=0.1, hidden_size=768, initializer_range=0.02,
           intermediate_size=3072, layer_norm_eps=1e-12, max_position_embeddings=512, model_type="bert", num_attention_heads=12, num_hidden_layers=12, pad_token_id=0,
           add_type_embeddings=False, vocab_size=30524, encoder_width=768, add_cross_attention=True)

with tempfile.TemporaryDirectory() as folder:
    med, vocabulary = os.path.join(folder, "med_config.json"), os.path.join(folder, "vocab.txt")
    json.dump(MED, open(med, "w"))
    open(vocabulary, "wb").write(gzip.open(VOCABULARY).read())
    PreTrainedModel.init_weights = lambda self: None  # random numbers; the meta device has none
    reference.vit.VisionTransformer._init_weights = lambda self, module: None
    reference.vit.trunc_normal_ = lambda tensor, **k: tensor
    linspace = torch.linspace  # vit.py reads numbers out of one (stochastic depth, off in evaluation)
    torch.linspace = lambda *a, **k: linspace(*a, device="cpu", **k)
    with torch.device("meta"):
        model = reference.build(med, vocabulary)
tensor_list.write(os.path.join(HERE, "published.tensors"), model.state_dict(), "image-reward 1.5 ImageReward(med_config.json of THUDM/ImageReward)")
