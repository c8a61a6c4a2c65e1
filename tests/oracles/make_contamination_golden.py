"""Makes contamination_golden.json: what lm-evaluation-harness's Janitor and datatrove's filter make of documents.

pip install lm_eval==0.4.13 datatrove==0.10.0 nltk --no-deps, and what they import
python tests/oracles/make_contamination_golden.py
"""

import json
import pathlib
import random
import types

from datatrove.data import Document
from datatrove.pipeline.decont.n_grams import NGramsDecontConfig, NGramsDecontFilter, NGramsDecontIndexer
from datatrove.utils import word_tokenizers
from lm_eval.decontamination.janitor import Janitor
from nltk.tokenize import NLTKWordTokenizer

VOCABULARY = "river house stone winter letter captain harbour song market garden window teacher forest bridge".split()


def main() -> None:
    """Write the file beside this one: items, documents, the chunks and the verdict for each."""
    draw = random.Random(0)

    def words(count):
        return [draw.choice(VOCABULARY) for _ in range(count)]

    items = [" ".join(words(draw.randint(13, 30))) for _ in range(12)]
    documents = []
    for number in range(60):
        parts = [" ".join(words(draw.randint(60, 160)))]
        for _ in range(number % 4):
            item = draw.choice(items).split()
            size = draw.choice([11, 12, 13, len(item)])  # a piece, some of them too short
            first = draw.randint(0, max(0, len(item) - size))
            piece = " ".join(item[first : first + size])
            piece = draw.choice(
                [piece, piece.upper(), piece.replace(" ", ", "), piece.replace(" ", "\n"), piece.title()]
            )
            parts += [piece, " ".join(words(draw.randint(60, 160)))]
        documents.append(" ".join(parts))
    janitor = Janitor()
    janitor.too_dirty_cutoff = 10**9  # which counts grams that overlap, and not pieces
    for item in items:
        janitor.register_contaminant_python(item)
    rule = NGramsDecontFilter(".", NGramsDecontConfig())
    tokenizer = word_tokenizers.load_word_tokenizer("en")
    tokenizer.word_tokenize = NLTKWordTokenizer().tokenize
    rule.tokenizer = tokenizer
    parts = types.SimpleNamespace(config=rule.config, tokenizer=tokenizer, hash_func=rule.hash_func)
    rule._index_hashes = {hash: "task" for item in items for hash in NGramsDecontIndexer.compute_hashes(parts, item)}
    golden = {
        "items": items,
        "documents": documents,
        "janitor": [janitor.clean_python(text) for text in documents],
        "datatrove": [rule.filter(Document(text=text, id="")) is True for text in documents],
    }
    path = pathlib.Path(__file__).with_name("contamination_golden.json")
    path.write_text(json.dumps(golden, indent=0, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
