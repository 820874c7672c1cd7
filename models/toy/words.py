"""The toy's tokenizer: a Unigram tokenizer.json whose pieces are whole words, with letters as the fallback."""

import json
import os
import string

SPECIAL = ["<pad>", "</s>", "<unk>"]
# The first 21 words keep the ids of the earlier prototype; new words go to the end.
WORDS = (
    "a background black blue circle down gray green left moves navy on orange purple red right square triangle up "
    "white yellow "
    "an the ball box moving going goes is to rightwards leftwards upwards downwards top bottom grey small big "
    "slowly fast and in of with over across from shape "
    "disc move"
).split()


def pieces():
    """The pieces in id order with their log probabilities."""
    out = [(piece, 0.0) for piece in SPECIAL]
    out += [("▁" + word, -2.0) for word in WORDS]
    out += [("▁", -6.0)]
    out += [(letter, -10.0) for letter in string.ascii_lowercase + string.digits]
    out += [(mark, -4.0 if mark in ".,!?;:" else -10.0) for mark in ".,!?;:-'\"()/&"]
    return out


def tokenizer_json():
    special = [
        dict(id=i, content=c, single_word=False, lstrip=False, rstrip=False, normalized=False, special=True)
        for i, c in enumerate(SPECIAL)
    ]
    metaspace = dict(type="Metaspace", replacement="▁", prepend_scheme="always", split=True)
    return dict(
        version="1.0",
        truncation=None,
        padding=None,
        added_tokens=special,
        normalizer=dict(type="Sequence", normalizers=[dict(type="NFKC"), dict(type="Lowercase")]),
        pre_tokenizer=metaspace,
        post_processor=dict(
            type="TemplateProcessing",
            single=[{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}],
            pair=[
                {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": "</s>", "type_id": 0}},
                {"Sequence": {"id": "B", "type_id": 0}},
                {"SpecialToken": {"id": "</s>", "type_id": 0}},
            ],
            special_tokens={"</s>": dict(id="</s>", ids=[1], tokens=["</s>"])},
        ),
        decoder=metaspace,
        model=dict(type="Unigram", unk_id=2, vocab=[list(p) for p in pieces()], byte_fallback=False),
    )


def save(folder):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "tokenizer.json"), "w", encoding="utf-8") as file:
        json.dump(tokenizer_json(), file, ensure_ascii=False, indent=1)
    config = dict(
        tokenizer_class="PreTrainedTokenizerFast",
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=512,
        clean_up_tokenization_spaces=False,
    )
    with open(os.path.join(folder, "tokenizer_config.json"), "w", encoding="utf-8") as file:
        json.dump(config, file, indent=1)
