"""What transformers' AutoTokenizer makes of the folder of a tokenizer: run by a Python that has it.

python auto_tokenizer.py FOLDER < texts.json
"""

import json
import sys

from transformers import AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
texts = json.load(sys.stdin)
plain = [tokenizer.encode(text, add_special_tokens=False) for text in texts]
json.dump(
    {
        "class": type(tokenizer).__name__,
        "roles": {role: getattr(tokenizer, role) for role in ("bos_token", "eos_token", "unk_token", "pad_token")},
        "ids": {
            role: getattr(tokenizer, f"{role}_id") for role in ("bos_token", "eos_token", "unk_token", "pad_token")
        },
        "size": len(tokenizer),
        "plain": plain,
        "whole": [tokenizer.encode(text) for text in texts],
        "decoded": [tokenizer.decode(ids) for ids in plain],
        "chat": tokenizer.chat_template,
    },
    sys.stdout,
)
