"""Tokenizers as others have them, made by the libraries themselves from a little text."""

import base64
import json

import sentencepiece
import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

TEXTS = [
    "The quick brown fox jumps over the lazy dog; it's the dog's day, they'll say.\n" * 3,
    "In the beginning was the Word, and the Word was with the tokenizer. 1234 12 1999\n\n" * 3,
    "Größe, naïveté, Übermut: Straße und Gruß. Ça va? Garçon! El niño pequeño.\t",
    "日本語のテキストと中文文本。 Привет, мир! مرحبا 😀😀",
    "aaaa aaaaaaaa abababab  abab\r\nabab banana bananas  \n\n   indented\n\tcode(x) {}",
]
END = "<|endoftext|>"
CL100K = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
    r"\s+(?!\S)|\s+"
)


def byte_level(pattern: str | None = None, prefix: bool = False, size: int = 400) -> tokenizers.Tokenizer:
    """Byte-level BPE with GPT-2's pattern or another."""
    made = tokenizers.Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix, use_regex=pattern is None)
    if pattern:
        split = pre_tokenizers.Split(tokenizers.Regex(pattern), "isolated")
        made.pre_tokenizer = pre_tokenizers.Sequence([split, made.pre_tokenizer])
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        TEXTS,
        trainers.BpeTrainer(vocab_size=size, special_tokens=[END], initial_alphabet=alphabet, show_progress=False),
    )
    return made


def bert(size: int = 250) -> tokenizers.Tokenizer:
    """WordPiece with BERT's template."""
    made = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    made.train_from_iterator(
        TEXTS, trainers.WordPieceTrainer(vocab_size=size, special_tokens=special, show_progress=False)
    )
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return made


def llama(size: int = 300) -> tokenizers.Tokenizer:
    """BPE over metaspace that falls back to bytes, as Llama 2, with its beginning of a sequence."""
    made = tokenizers.Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    made.pre_tokenizer = pre_tokenizers.Metaspace()  # so that no token reaches across words
    made.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()])
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    made.train_from_iterator(
        TEXTS, trainers.BpeTrainer(vocab_size=256 + size, special_tokens=special, show_progress=False)
    )
    stored = json.loads(made.to_str())
    stored["added_tokens"] = stored["added_tokens"][:3]
    made = tokenizers.Tokenizer.from_str(json.dumps(stored))
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return made


def unigram(size: int = 200) -> tokenizers.Tokenizer:
    """Unigram over metaspace."""
    made = tokenizers.Tokenizer(models.Unigram())
    made.normalizer = normalizers.NFKC()
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Metaspace()
    made.train_from_iterator(
        TEXTS,
        trainers.UnigramTrainer(
            vocab_size=size, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False
        ),
    )
    return made


def write_folder(tokenizer: tokenizers.Tokenizer, folder, **config) -> str:
    """A folder of Hugging Face's: tokenizer.json and tokenizer_config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return str(folder)


def write_tiktoken(path, size: int = 400) -> dict[bytes, int]:
    """Ranks, of a byte-level vocabulary without its special tokens."""
    stored = json.loads(byte_level(CL100K, size=size).to_str())["model"]["vocab"]
    alphabet = {chr(c): b for b, c in _characters().items()}
    tokens = [token for token in sorted(stored, key=stored.__getitem__) if token != END]
    ranks = {bytes(alphabet[c] for c in token): i for i, token in enumerate(tokens)}
    path.write_bytes(b"".join(base64.b64encode(token) + f" {i}\n".encode() for token, i in ranks.items()))
    return ranks


def _characters() -> dict[int, int]:
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in visible]
    return {b: b if b in visible else 256 + hidden.index(b) for b in range(256)}


def write_model(path, model_type: str = "unigram", size: int = 420, **options) -> sentencepiece.SentencePieceProcessor:
    """A model of sentencepiece."""
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS), model_prefix=str(path.with_suffix("")), vocab_size=size, model_type=model_type,
        minloglevel=2, hard_vocab_limit=False, **{"pad_id": 3, "byte_fallback": True, **options},
    )  # fmt: skip
    return sentencepiece.SentencePieceProcessor(model_file=str(path))
