"""Tokens that are the bytes of a text."""

import json
import pathlib
import shutil

import pyarrow as pa
import pytest
import tokenizers

from corpus.encoding import byte_tokens
from corpus.encoding.encoder import load_encoder
from tokenizer_training import train_tokenizer


def test_ends_are_the_bytes_before_each_token(tokenizer):
    byte_tokens.check(tokenizer)
    texts = ["", "to be 字", "漢 or", ""]
    ids, offsets, ends = byte_tokens.byte_tokens(pa.array(["x", *texts])[1:], tokenizer)
    encoder = load_encoder(tokenizer)
    assert ids.tolist() == [i for each in encoder.encode_texts(texts) for i in each.tolist()]
    assert ends[offsets].tolist() == [0, 0, 9, 15, 15]
    joined = "".join(texts).encode()
    for token, begin, end in zip(ids.tolist(), ends, ends[1:]):
        assert encoder.decode([token]) == joined[begin:end].decode(errors="replace")


def test_a_tokenizer_that_changes_texts_is_refused(tokenizer, tmp_path):
    train_tokenizer(["to be or not to be"] * 9, str(tmp_path / "words"), family="wordpiece", vocab_size=20)
    with pytest.raises(ValueError, match="no tokenizer.json of byte-level BPE"):
        byte_tokens.check(str(tmp_path / "words"))
    description = json.loads(pathlib.Path(tokenizer, "tokenizer.json").read_text())
    description["pre_tokenizer"]["add_prefix_space"] = True
    (tmp_path / "spaced").mkdir()
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(pathlib.Path(tokenizer, name), tmp_path / "spaced")
    (tmp_path / "spaced" / "tokenizer.json").write_text(json.dumps(description))
    with pytest.raises(ValueError, match="are not the bytes of a text"):
        byte_tokens.check(str(tmp_path / "spaced"))
    with pytest.raises(FileNotFoundError):
        byte_tokens.check(str(tmp_path / "missing"))


def edited(tokenizer, folder, **components):
    """A copy of a tokenizer of which components are others, as one that was made elsewhere."""
    folder.mkdir()
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(pathlib.Path(tokenizer, name), folder)
    stored = json.loads(pathlib.Path(tokenizer, "tokenizer.json").read_text())
    first = len(stored["model"]["vocab"])
    added = [
        {**stored["added_tokens"][0], "id": first + i, "special": False, **token}
        for i, token in enumerate(components.pop("added_tokens", []))
    ]
    stored |= {**components, "added_tokens": [*stored["added_tokens"], *added]}
    (folder / "tokenizer.json").write_text(json.dumps(stored))
    return str(folder)


def test_added_tokens_are_the_bytes_of_their_texts(tokenizer, tmp_path):
    added = [{"content": text, "normalized": True} for text in ("  ", "    ", "<字>")] + [{"content": "<end>"}]
    folder = edited(tokenizer, tmp_path / "added", added_tokens=added)
    byte_tokens.check(folder)
    text = "to     be<字>or <end>\n"
    ids, _, ends = byte_tokens.byte_tokens(pa.array([text]), folder)
    library = tokenizers.Tokenizer.from_file(str(tmp_path / "added" / "tokenizer.json"))
    encoding = library.encode(text, add_special_tokens=False)
    assert ids.tolist() == encoding.ids
    found = {int(i): text.encode()[a:b].decode() for i, a, b in zip(ids, ends, ends[1:])}
    assert {"    ", "<字>", "<end>"} <= set(found.values())


@pytest.mark.parametrize(
    ("components", "said"),
    [
        ({"normalizer": {"type": "NFC"}}, "has the normalizer NFC: its tokens are not the bytes"),
        (
            {"normalizer": {"type": "Sequence", "normalizers": [{"type": "Lowercase"}]}},
            "has the normalizer Sequence of Lowercase: its tokens are not the bytes",
        ),
        ({"added_tokens": [{"content": "<end>", "lstrip": True}]}, "not the bytes of a text, .*, at ' <end> '"),
        (
            {
                "pre_tokenizer": {
                    "type": "Sequence",
                    "pretokenizers": [
                        {"type": "Split", "pattern": {"String": "7"}, "behavior": "Removed", "invert": False},
                        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
                    ],
                }
            },
            "not the bytes of a text, .*7",
        ),
    ],
)
def test_what_changes_some_texts_only_is_refused_too(tokenizer, tmp_path, components, said):
    with pytest.raises(ValueError, match=said):
        byte_tokens.check(edited(tokenizer, tmp_path / "edited", **components))


def test_a_sequence_of_no_normalizers_changes_nothing(tokenizer, tmp_path):
    byte_tokens.check(edited(tokenizer, tmp_path / "none", normalizer={"type": "Sequence", "normalizers": []}))


def test_a_file_of_the_folder_is_refused(tokenizer):
    with pytest.raises(NotADirectoryError, match="is a file: give the folder that it is in"):
        byte_tokens.check(str(pathlib.Path(tokenizer, "tokenizer.json")))
    assert byte_tokens.files_of("") == ()
    assert [source.path for source in byte_tokens.files_of(tokenizer)] == sorted(
        map(str, pathlib.Path(tokenizer).iterdir())
    )
