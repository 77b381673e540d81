"""Adapters of other tools: what peft, diffusers, kohya and ComfyUI write, and what changes their result."""
import json
import struct

from suite import case
from weights_files import safetensors

LAYER = "transformer_blocks.0.attn1.to_q"  # of emoji-sprint: [256, 256]
LAST = "proj_out"  # [64, 256]; what a noise network adds here is its offset, so that the offset grows with the scale
RANK = 4


def matrices(a="base_model.model.{}.lora_A.weight", b="base_model.model.{}.lora_B.weight", layer=LAYER):
    rows = 64 if layer == LAST else 256
    return {a.format(layer): ("F32", (RANK, 256), 0.02), b.format(layer): ("F32", (rows, RANK), 0.02)}


def peft(t, config=None, layer=LAYER, name="adapter"):
    """A folder as peft saves it, with changes to its configuration."""
    base = {"peft_type": "LORA", "r": RANK, "lora_alpha": 8, "target_modules": [layer.split(".")[-1]], "init_lora_weights": True,
            "bias": "none"}
    t.write(f"{name}/adapter_model.safetensors", safetensors(matrices(layer=layer), {"format": "pt"}))
    t.write(f"{name}/adapter_config.json", json.dumps(base | (config or {})))
    return t.path(name)


def words(adapter, *more):
    """The sample command; without an output of its own it writes the offset."""
    out = [] if "--delta-out" in more else ["--delta-out", "delta.safetensors"]
    return ["sample", "--prompt", "a red cat", "--adapter", adapter, *more, *out]


def delta(t, adapter):
    """The offset that the adapter gives: the sum of its magnitudes."""
    out = t.path(f"delta-{adapter.name}.safetensors")
    outcome = t.fine(words(adapter, "--adapter-kind", "hypernet", "--delta-out", out))
    data = out.read_bytes()
    begin = 8 + struct.unpack("<Q", data[:8])[0]
    numbers = struct.unpack(f"<{(len(data) - begin) // 4}f", data[begin:])
    size = sum(map(abs, numbers))
    t.holds(size > 0, "the adapter gives no offset at all")
    return size, outcome


REFUSED = {
    "init_lora_weights pissa, saved without conversion": ({"init_lora_weights": "pissa"}, ["init_lora_weights \"pissa\" is not supported",
                                                                                      "path_initial_model_for_weight_conversion"]),
    "init_lora_weights olora": ({"init_lora_weights": "olora"}, ["\"olora\" is not supported", "path_initial_model"]),
    "init_lora_weights corda": ({"init_lora_weights": "corda"}, ["\"corda\" is not supported"]),
    "init_lora_weights loftq": ({"init_lora_weights": "loftq", "loftq_config": {"loftq_bits": 4}}, ["\"loftq\" is not supported"]),
    "init_lora_weights lora_ga": ({"init_lora_weights": "lora_ga"}, ["\"lora_ga\" is not supported"]),
    "use_dora": ({"use_dora": True}, ["use_dora is not supported"]),
    "lora_bias": ({"lora_bias": True}, ["lora_bias is not supported"]),
    "bias all": ({"bias": "all"}, ["bias \"all\" is not supported"]),
    "modules_to_save": ({"modules_to_save": ["proj_out"]}, ["modules_to_save is not supported"]),
    "layer_replication": ({"layer_replication": [[0, 2]]}, ["layer_replication is not supported"]),
    "alora_invocation_tokens": ({"alora_invocation_tokens": [1, 2]}, ["alora_invocation_tokens is not supported"]),
    "peft_type LOHA": ({"peft_type": "LOHA"}, ["peft_type LOHA is not supported"]),
    "a key of a peft that is newer": ({"use_something": True}, ["use_something = true is not known here", "set it to null"]),
    "an alpha_pattern that only Python reads": ({"alpha_pattern": {"(?<=attn1.)to_q": 3}}, ["alpha_pattern", "a lookbehind such as (?<=a)"]),
    "rank_pattern other than the file's rank": ({"rank_pattern": {"to_q": 2}}, ["has rank 4 in the file, and 2 by"]),
    "exclude_modules that names a layer of the file": ({"exclude_modules": ["attn1.to_q"]}, [LAYER, "exclude_modules names it"]),
}

for name, (config, says) in REFUSED.items():
    @case(f"peft, {name}", expected="refused by name")
    def refused_config(t, config=config, says=says):
        t.refused(words(peft(t, config)), says=says)


@case("peft, keys that change nothing (dropout, eva, fan_in_fan_out, empty new ones)", expected="the same offset as without them")
def harmless(t):
    plain, _ = delta(t, peft(t, layer=LAST))
    other, _ = delta(t, peft(t, {"lora_dropout": 0.5, "init_lora_weights": "eva", "eva_config": {"rho": 2.0}, "fan_in_fan_out": True,
                                 "new_key": None, "new_list": [], "megatron_core": "megatron.core"}, LAST, "harmless"))
    t.equal(other, plain)


@case("peft, use_rslora and alpha_pattern", expected="as peft scales: alpha / sqrt(r), the pattern's alpha")
def scales(t):
    # 16 / 4 twice: rslora's 8 / sqrt(4), and the pattern's alpha over the rank.
    rslora, _ = delta(t, peft(t, {"use_rslora": True}, LAST, "rslora"))
    pattern, _ = delta(t, peft(t, {"alpha_pattern": {r"(?P<block>proj)_out\Z": 16}}, LAST, "pattern"))
    t.equal(rslora, pattern)
    plain, _ = delta(t, peft(t, layer=LAST))
    t.holds(rslora > 1.5 * plain, f"expected about twice {plain}, got {rslora}")


@case("diffusers, lora_adapter_metadata of a component and of a model saved alone", expected="its alpha counts in both")
def metadata(t):
    both = []
    for name, prefix, key in (("whole", "transformer.", "transformer.{}"), ("alone", "", "{}")):
        config = json.dumps({prefix + "r": RANK, prefix + "lora_alpha": 16, prefix + "target_modules": [LAST]})
        file = t.write(f"{name}.safetensors", safetensors(matrices(key + ".lora_A.weight", key + ".lora_B.weight", LAST),
                                                          {"lora_adapter_metadata": config}))
        both.append(delta(t, file)[0])
    plain, _ = delta(t, t.write("plain.safetensors", safetensors(matrices("transformer.{}.lora_A.weight", "transformer.{}.lora_B.weight", LAST))))
    t.equal(both[0], both[1])
    t.holds(both[0] > 2 * plain, f"expected about four times {plain}, got {both[0]}")


@case("diffusers, metadata that says pissa", expected="refused by name")
def metadata_pissa(t):
    config = json.dumps({"transformer.lora_alpha": 8, "transformer.init_lora_weights": "pissa_niter_4"})
    file = t.write("x.safetensors", safetensors(matrices("transformer.{}.lora_A.weight", "transformer.{}.lora_B.weight"),
                                                {"lora_adapter_metadata": config}))
    t.refused(words(file), says=["lora_adapter_metadata", "pissa_niter_4"])


FLAT = "lora_unet_" + LAST
KOHYA = {f"{FLAT}.lora_down.weight": ("F32", (RANK, 256), 0.02), f"{FLAT}.lora_up.weight": ("F32", (64, RANK), 0.02),
         f"{FLAT}.alpha": ("F32", (), 2.0)}

for ending, method in {"dora_scale": "DoRA", "lora_mid.weight": "LoCon", "hada_w1_a": "LoHa", "lokr_w1": "LoKr", "oft_blocks": "OFT",
                       "diff": "a change of the whole weight", "diff_b": "a change of a bias", "w_norm": "a norm's weight",
                       "a1.weight": "GLoRA", "reshape_weight": "another shape", "lora_up.bias": "a bias of B"}.items():
    @case(f"kohya, LyCORIS or ComfyUI, a tensor .{ending} beside plain ones", expected="refused by name, also with --adapter-partial")
    def other_method(t, ending=ending, method=method):
        file = t.write("x.safetensors", safetensors(KOHYA | {f"lora_unet_transformer_blocks_1_attn1_to_q.{ending}": ("F32", (1,), 0.5)}))
        t.refused(words(file, "--adapter-partial"), says=[f".{ending}: ", "is not supported", method])


@case("kohya, ss_network_args says loha", expected="refused by name")
def network_arguments(t):
    file = t.write("x.safetensors", safetensors(KOHYA, {"ss_network_module": "lycoris.kohya", "ss_network_args": '{"algo": "loha"}'}))
    t.refused(words(file), says=["ss_network_args: algo loha is not supported"])


@case("text-encoder keys in the spellings of diffusers, kohya and ComfyUI", expected="told with their number, the rest is loaded")
def text_encoders(t):
    plain, _ = delta(t, t.write("plain.safetensors", safetensors(KOHYA)))
    keys = ["text_encoder.text_model.x.lora_A.weight", "text_encoder_2.x.lora_A.weight", "text_encoder_3.x.lora_A.weight",
            "lora_te_x.lora_down.weight", "lora_te1_x.lora_down.weight", "lora_te2_x.lora_down.weight", "lora_te3_x.lora_down.weight",
            "text_encoders.clip_l.transformer.text_model.x.lora_A.weight", "text_encoders.t5xxl.transformer.x.lora_up.weight",
            "lora_te1_x.dora_scale"]
    got, outcome = delta(t, t.write("both.safetensors", safetensors(KOHYA | {key: ("F32", (1, 4), 0.5) for key in keys})))
    t.equal(got, plain)
    t.holds("10 keys of text encoders are not used" in outcome.err, f"no warning: {outcome.err[-400:]}")
    t.got("a warning: 10 keys of text encoders are not used")


@case("a key of the network itself that fits nothing", expected="refused with the nearest layers")
def unmatched(t):
    file = t.write("x.safetensors", safetensors(matrices() | matrices(layer="transformer_blocks.0.attn9.to_q")))
    t.refused(words(file), says=["attn9.to_q.lora_A.weight", "no such layer", "--adapter-partial"])
