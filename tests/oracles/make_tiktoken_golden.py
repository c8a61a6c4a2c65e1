"""Makes tests/corpus/encoding/tiktoken_golden.json: how tiktoken 0.14.0 divides texts by its three patterns.

pip install tiktoken==0.14.0
python tests/oracles/make_tiktoken_golden.py

Each text is encoded by an encoding that has all of its substrings as tokens, so that each pre-token is one token.
"""

import json
import pathlib
import random

import tiktoken
from tiktoken_ext import openai_public

ALPHABET = (
    " \n\r\t\v\x1c\x85\u00a0\u3000\u200b\u2028'’sStTmMdDrReEvVlLſabZzéÉ\u01c5\u02b0ªK\u212aßЖжあ中龥\U00020000"
    "01٣Ⅷ½²\U0001d7ce!.-/\\<$^_`+=|~¡\u0301\u0903\u20dd\u2581\u00ad\u0378\ue000😀"
)


def lengths(pattern, text):
    """Bytes of each pre-token: all substrings are tokens, so that a pre-token is one token."""
    data = text.encode()
    found = {bytes([b]): b for b in range(256)}
    for start in range(len(data)):
        for end in range(start + 2, len(data) + 1):
            found.setdefault(data[start:end], len(found))
    encoding = tiktoken.Encoding("golden", pat_str=pattern, mergeable_ranks=found, special_tokens={})
    return [len(token) for token in encoding.decode_tokens_bytes(encoding.encode_ordinary(text))]


def main():
    generator = random.Random(1)
    texts = ["".join(generator.choices(ALPHABET, k=generator.randint(1, 16))) for _ in range(400)]
    texts += [
        "it's I'LL we'Ve don'ſ",
        "a  \n\n  ",
        "  \n \n x",
        "\n \t",
        "12345 678",
        "x!\n\n/y//\n",
        "HTTPServer McDonald'S",
    ]
    texts += [c + "a" + c + " " + c for c in ALPHABET]
    patterns = [openai_public.r50k_pat_str, openai_public.cl100k_base, openai_public.o200k_base]
    patterns[1:] = [pattern_of(make) for make in patterns[1:]]
    golden = {"version": "0.14.0", "texts": texts, "lengths": {p: [lengths(p, t) for t in texts] for p in patterns}}
    path = pathlib.Path(__file__).parent.parent / "corpus/encoding/tiktoken_golden.json"
    path.write_text(json.dumps(golden))


def pattern_of(make):
    """The pattern of an encoding, whose vocabulary is not fetched."""
    load, openai_public.load_tiktoken_bpe = openai_public.load_tiktoken_bpe, lambda *_, **__: {}
    try:
        return make()["pat_str"]
    finally:
        openai_public.load_tiktoken_bpe = load


if __name__ == "__main__":
    main()
