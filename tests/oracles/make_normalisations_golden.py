"""Makes `normalisations_golden.json`: shingles by the code of the packages themselves.

    pip install datatrove==0.10.0 tokenizers 'xxhash<4' nltk==3.10.4 uniseg==0.10.1 zstandard
    pip download --no-deps text-dedup==0.4.0 && unzip text_dedup-0.4.0-*.whl -d TD
    pip download --no-deps datatrove==0.2.0 && unzip datatrove-0.2.0-*.whl -d OLD
    python tests/oracles/make_normalisations_golden.py TD OLD DATA

datatrove's stage gets NLTK's words, of one sentence: what `simplify_text` leaves has no mark that ends one. FineWeb's
is that of datatrove 0.2.0. DCLM and Dolma have Rust's unicode-segmentation, here it is uniseg. Of text-dedup its
`ngrams` is imported; what it splits at is taken from its source. DATA: the folder of real corpora.
"""

import ast
import hashlib
import io
import json
import pathlib
import re
import sys

TEXTS = [
    "",
    " \n ",
    "The quick brown fox, it's said, can't (or cannot) jump 3.14 times over 1,000,000 dogs.",
    "one two three four",
    "one two three four five",
    "one, two three four",
    "... !!! ???",
    "Numbers: 1.2.3 4,5,6 ٣٫١٤ १२३ 7. 8 .9 10,x 1⎖2 ².5",
    "naïve façade Ångström İstanbul ΟΔΟΣ ΑΣ. straße ǅ ﬁ Ⅷ",
    "日本語の文章です。「引用」も、ある！ 中文 也 有 한국어 문장 입니다",
    "हिन्दी में क़िले की ज़मीन है और ड़ भी বাংলা ভাষার কথা",
    "اَلْعَرَبِيَّةُ لُغَةٌ جَمِيلَةٌ جِدًّا وَقَدِيمَةٌ",
    "a\u0301 e\u0301\u0323 \u0301start \u2260 \u037e \u1fef x\u0338 I\u0307 \ufb2c \u1e9b\u0323",
    "tabs\tand\x0bother\x0c\x1cspaces\x85and\u2028lines\u00a0of\u3000all kinds",
    "gonna wanna gimme d'ye 'tis lemme gotta more'n cannot wanna",
    "under_score e-mail a_b_c - -- --- “quotes” ‘single’ «guillemets» „low“ {curly} [x] <y>",
    "I ❤\ufe0f emoji 👍🏽 and zero\u200dwidth\u200cjoiners soft\u00adhyphen",
    "same same same same same same same same",
    "1\u03012 9\u0489 3.14 1,000,000.5 a1b22c ٣٫١٤ १२३x can.not gon na wan-na d'ye 2024-11-22",
    "a  \u0301b \u200d❤ 🇩🇪🇫🇷🇩 x\r\n\r\ny  \u200d z\x1c\x1d \u2003\u2003q 🇩\u200d🇪 \u0301",
    "def f(x):\n    return x ** 2  # comment\n\n\nclass A_b9: pass",
]
NGRAMS = (1, 5, 13)
WHITE_SPACE = "\t\n\x0b\x0c\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
"""The property White_Space."""


def text_dedup(folder: str):
    """Its `ngrams`, and the pattern that it splits at."""
    root = pathlib.Path(folder, "text_dedup")
    found: dict = {}
    exec(compile(root.joinpath("utils/tokenization.py").read_text(), "tokenization.py", "exec"), found)
    for node in ast.walk(ast.parse(root.joinpath("minhash.py").read_text())):
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "NON_ALPHA":
            return found["ngrams"], re.compile(ast.literal_eval(node.value.args[0]), re.UNICODE)
    raise SystemExit("no NON_ALPHA in text_dedup/minhash.py")


def digest(shingles: set[bytes]) -> str:
    return hashlib.sha256(b"\n".join(sorted(hashlib.sha1(shingle).digest()[:8] for shingle in shingles))).hexdigest()


def main(folder: str, old: str, data: str) -> None:
    import zstandard
    from datatrove.utils.text import ngrams as datatrove_ngrams
    from datatrove.utils.text import simplify_text
    from nltk.tokenize import NLTKWordTokenizer
    from uniseg.wordbreak import words

    split = NLTKWordTokenizer().tokenize
    ngrams, non_alpha = text_dedup(folder)

    def datatrove(text: str, n: int) -> set[bytes]:  # MinhashDedupSignature.get_shingles
        return {" ".join(each).encode() for each in datatrove_ngrams(split(simplify_text(text)), n)}

    found: dict = {"__name__": "old"}
    exec(compile(pathlib.Path(old, "datatrove/utils/text.py").read_text(), "text.py", "exec"), found)

    def fineweb(text: str, n: int) -> set[bytes]:
        return {" ".join(each).encode() for each in datatrove_ngrams(split(found["simplify_text"](text)), n)}

    def unicode_words(text: str, n: int) -> set[bytes]:  # bff's `tokenize`
        units = [word for word in words(text) if any(c not in WHITE_SPACE for c in word)]
        return {" ".join(units[i : i + n]).encode() for i in range(max(len(units) - n + 1, min(len(units), 1)))}

    def of_text_dedup(text: str, n: int) -> set[bytes]:  # embed_func
        return {bytes(" ".join(t).lower(), "utf-8") for t in ngrams(non_alpha.split(text.lower()), n, 5)}

    with pathlib.Path(data, "jsonl", "part-00002.jsonl.zst").open("rb") as file:
        lines = io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(file), "utf-8")
        documents = [json.loads(line)["text"][:4000] for line in lines][::9]
    cases, real = [], {}
    for name, make in (
        ("datatrove", datatrove),
        ("fineweb", fineweb),
        ("text_dedup", of_text_dedup),
        ("unicode_words", unicode_words),
    ):
        for n in NGRAMS:
            for number, text in enumerate(TEXTS):
                shingles = make(text, n)
                case = {"normalisation": name, "ngram": n, "text": number, "count": len(shingles)}
                cases.append(case | {"digest": digest(shingles)})
        real[name] = [digest(make(text, 5))[:16] for text in documents]
    path = pathlib.Path(__file__).with_name("normalisations_golden.json")
    golden = {"texts": TEXTS, "cases": cases, "real": real}
    path.write_text(json.dumps(golden, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
