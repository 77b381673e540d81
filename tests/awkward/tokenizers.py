"""Tokenizers: the files beside a vocabulary, and tokenizer.json's parts from elsewhere."""
import json

from clip_folders_files import CLIP, IDS, PICTURE, edit, folder, refused, score, with_token_like
from suite import case

ONLY_VOCAB = ("tokenizer.json",)
LIKE_THE_WORD = "the score of the same prompt with the word whose embedding the token copies"


def token(content, **flags):
    return {"content": content, "lstrip": False, "rstrip": False, "normalized": False, "single_word": False, "special": False, **flags}


def same_as_cat(t, prompt="a red <sks>", like="a red cat", without=ONLY_VOCAB, **files):
    target = with_token_like(folder(t, without=without, **files), "cat")
    t.equal(score(t, target, prompt), score(t, CLIP, like))


@case("vocab.json and merges.txt with added_tokens.json", LIKE_THE_WORD)
def added_tokens(t):
    same_as_cat(t, added_tokens={"<sks>": IDS})


@case("tokenizer.json with added_tokens.json", LIKE_THE_WORD)
def added_tokens_json(t):
    same_as_cat(t, without=(), added_tokens={"<sks>": IDS})


@case("added_tokens_decoder in tokenizer_config.json; the token in capitals, as it is matched behind normalisation", LIKE_THE_WORD)
def decoder(t):
    same_as_cat(t, prompt="a red <SKS>", tokenizer_config={"added_tokens_decoder": {str(IDS): token("<sks>", normalized=True)}})


@case("a new token that special_tokens_map.json names and no file gives an id", LIKE_THE_WORD)
def special_map(t):
    same_as_cat(t, special_tokens_map={"additional_special_tokens": ["<sks>"]})


@case("an added token with single_word, within a longer word", "read as if the token were not there")
def single_word(t):
    target = with_token_like(folder(t, tokenizer_config={"added_tokens_decoder": {str(IDS): token("sks", single_word=True)}}), "cat")
    t.equal(score(t, target, "a red xsks"), score(t, CLIP, "a red xsks"))
    t.equal(score(t, target, "a red sks"), score(t, CLIP, "a red cat"))


@case("start and end tokens in added_tokens.json instead of vocab.json", "the score of the whole vocabulary")
def ends_apart(t):
    vocab = json.loads((CLIP / "vocab.json").read_text())
    ends = {name: vocab.pop(name) for name in ("<|startoftext|>", "<|endoftext|>")}
    target = folder(t, without=ONLY_VOCAB, vocab=vocab, added_tokens=ends)
    t.equal(score(t, target, "a red cat"), score(t, CLIP, "a red cat"))


@case("an added token with an id that leaves one out", "refused, the file, the id and the right one named")
def wrong_id(t):
    refused(t, folder(t, added_tokens={"<sks>": 900}), ["added_tokens.json", "<sks>", str(IDS), "900"])


@case("a tokenizer_config.json with a key that nobody knows", "refused, the file and the key named")
def unknown_key(t):
    refused(t, folder(t, tokenizer_config={"reverse_text": True}), ["tokenizer_config.json", "reverse_text"])


@case("truncation_side left", "refused by name")
def left(t):
    refused(t, folder(t, tokenizer_config={"truncation_side": "left"}), ["tokenizer_config.json", "truncation_side", "left"])


@case("model_max_length written as 1e30", "the score without it")
def no_limit(t):
    target = folder(t, tokenizer_config='{"model_max_length": 1000000000000000019884624838656}')
    t.equal(score(t, target, "a red cat"), score(t, CLIP, "a red cat"))


@case("tokenizer.json with the normaliser Nmt, and a prompt with an invisible character that it writes as a space", "the score of the prompt with a space")
def nmt(t):
    target = folder(t, without=("vocab.json", "merges.txt"))
    edit(target, "tokenizer.json", lambda j: j["normalizer"]["normalizers"].insert(0, {"type": "Nmt"}))
    t.equal(score(t, target, "a red\u200ecat"), score(t, CLIP, "a red cat"))


def bomb(target, normalizers):
    edit(target, "tokenizer.json", lambda j: j.update(normalizer={"type": "Sequence", "normalizers": normalizers}))
    return target


def small_refusal(t, target, says):
    """Not scored, with the reason in the picture's row or on stderr, and little memory taken."""
    outcome = t.hnhost("score", PICTURE, "--reward", "clip", "--prompt", "a", "--weights", f"clip={target}", "--json")
    text = outcome.out + outcome.err
    t.holds(outcome.code in (1, 2) and all(word in text for word in says), f"code {outcome.code}: {text[-500:]}")
    t.holds(outcome.peak_mib < 700, f"took {outcome.peak_mib} MiB")
    t.got(next(line for line in text.splitlines() if says[-1] in line).strip()[:200])


@case("forty normalisers in tokenizer.json that each double a letter", "refused by name within some hundred MiB")
def doubling(t):
    twice = {"type": "Replace", "pattern": {"String": "a"}, "content": "aa"}
    small_refusal(t, bomb(folder(t), [twice] * 40), ["tokenizer.json", "normalizers", "Replace", "bytes"])


@case("the same, each in a Sequence of its own, the letter found by a regular expression", "refused by name within some hundred MiB")
def doubling_nested(t):
    twice = {"type": "Sequence", "normalizers": [{"type": "Replace", "pattern": {"Regex": "a"}, "content": "aa"}]}
    small_refusal(t, bomb(folder(t), [twice] * 40), ["tokenizer.json", "normalizers", "bytes"])


@case("a thousand normalisers", "refused by name")
def many(t):
    refused(t, bomb(folder(t), [{"type": "NFC"}] * 1000), ["tokenizer.json", "normalizers", "at most 256"])


@case("a template in tokenizer.json that repeats the text without end", "refused by name within some hundred MiB")
def template(t):
    text = {"Sequence": {"id": "A", "type_id": 0}}
    twice = {"type": "TemplateProcessing", "single": [text, text], "pair": [], "special_tokens": {}}
    target = folder(t)
    edit(target, "tokenizer.json", lambda j: j.update(post_processor={"type": "Sequence", "processors": [twice] * 40}))
    small_refusal(t, target, ["tokenizer.json", "post_processor", "ids"])


@case("a regular expression in Python's syntax in tokenizer.json", "refused; the message says that it is Python's")
def python_pattern(t):
    target = folder(t)
    split = {"type": "Split", "pattern": {"Regex": "(?P<word>\\w+)"}, "behavior": "Isolated", "invert": False}
    edit(target, "tokenizer.json", lambda j: j.update(pre_tokenizer=split))
    refused(t, target, ["tokenizer.json", "pre_tokenizer", "(?P<", "Python"])
