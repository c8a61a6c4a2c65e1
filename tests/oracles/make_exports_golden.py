"""Makes `exports_golden.json`: files of a few documents as the others' own writers make them, as hex.

    pip install datatrove==0.10.0 mosaicml-streaming==0.13.0 ai2-olmo-core==3.0.0
    git clone https://github.com/karpathy/llm.c
    python tests/oracles/make_exports_golden.py llm.c/dev/data

Empty documents are left out: datatrove's reader and MDSWriter do not take them.
"""

import importlib
import json
import pathlib
import sys
import tempfile

import numpy as np
from export_documents import SHARDS, SMALL, without_torchvision

FILLED = [[document for document in shard if document] for shard in SHARDS]


def datatrove(folder: str, itemsize: int) -> None:
    from datatrove.io import get_datafolder
    from datatrove.pipeline.tokens.tokenizer import TokenizedFile

    for number, documents in enumerate(FILLED):
        file = TokenizedFile(
            get_datafolder(folder), f"{number:05d}.ds", tokenizer_name_or_path="tokenizer", save_final_metadata=True,
            token_size=itemsize,
        )  # fmt: skip
        for document in documents:
            file.write(document, None)
        file.close()


def mds(folder: str, itemsize: int, size_limit: int = 1 << 26, length: int = 0) -> None:
    without_torchvision()
    from streaming import MDSWriter

    dtype = {2: "uint16", 4: "int32"}[itemsize]
    documents = [document for shard in FILLED for document in shard]
    tokens = [token for document in documents for token in document]
    if length:
        documents = [tokens[i : i + length] for i in range(0, len(tokens) - length + 1, length)]
    with MDSWriter(columns={"tokens": f"ndarray:{dtype}"}, out=folder, size_limit=size_limit, exist_ok=True) as writer:
        for document in documents:
            writer.write({"tokens": np.array(document, dtype)})


def olmo(folder: str, itemsize: int) -> None:
    """The lines of the .csv.gz are what is compared: gzip's header has the time."""
    import gzip

    from olmo_core.data.utils import write_document_indices

    for number, documents in enumerate(FILLED):
        path = pathlib.Path(folder) / f"{number:05d}.npy"
        tokens = np.array(sum(documents, []), {2: "<u2", 4: "<u4"}[itemsize])
        tokens.tofile(path)
        made = write_document_indices(path, dtype=tokens.dtype.type, eos_token_id=0)
        (path.with_suffix(".csv")).write_bytes(gzip.open(made).read())
        made.unlink()


def llmc(folder: str, itemsize: int) -> None:
    """All but the last document, by shards, are for training."""
    sys.path.insert(0, sys.argv[1])
    data_common = importlib.import_module("data_common")
    kind = {2: "gpt-2", 4: "llama-3"}[itemsize]
    train = [sum(FILLED[0], []), sum(FILLED[1][:-1], [])]
    for name, tokens in (("train_000001", train[0]), ("train_000002", train[1]), ("val_000000", FILLED[1][-1])):
        data_common.write_datafile(f"{folder}/winnow_{name}.bin", tokens, kind)


MAKERS = {
    "datatrove": datatrove,
    "mds": mds,
    "mds small": lambda folder, itemsize: mds(folder, itemsize, size_limit=SMALL),
    "mds 9": lambda folder, itemsize: mds(folder, itemsize, length=9),
    "olmo": olmo,
    "llmc": llmc,
}


def main() -> None:
    golden = {}
    for name, make in MAKERS.items():
        for itemsize in (2, 4):
            with tempfile.TemporaryDirectory() as folder:
                make(folder, itemsize)
                files = sorted(pathlib.Path(folder).iterdir())
                golden[f"{name} {itemsize}"] = {path.name: path.read_bytes().hex() for path in files}
    path = pathlib.Path(__file__).parent / "exports_golden.json"
    path.write_text(json.dumps(golden, indent=0) + "\n")


if __name__ == "__main__":
    main()
