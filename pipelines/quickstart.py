"""The quickstart: a web archive made of the documentation every Python installation carries, the
full recipe run on it, the result opened with the loader. Needs no download."""

from __future__ import annotations

import contextlib
import functools
import gzip
import html
import importlib
import importlib.metadata
import importlib.util
import io
import json
import os
import pkgutil
import pydoc
import sys
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from corpus import options

if TYPE_CHECKING:
    from pipelines.recipe import Recipe

PACKAGES = (
    *("asyncio", "collections", "concurrent", "email", "html", "http", "importlib", "json", "logging"),
    *("multiprocessing", "unittest", "urllib", "xml", "numpy", "pyarrow", "yaml", "pydantic", "rich", "jinja2"),
)
"""Packages whose modules get a page each; of all others in the standard library only the top module does."""

LEFT_OUT = ("antigravity", "this", "idlelib", "lib2to3", "tkinter", "turtle", "turtledemo", "test", "__main__")
"""Modules that do something when imported, or need a screen."""

PAGES = 700
"""Pages in the archive at most: enough to see every rule at work, few enough to be done in a minute."""

PARTS = 4
"""Files of the archive, so that the workers have something to share."""

MILD_WORDS = ("crap", "damn", "dumb")
EVALUATION_ITEMS = 40
_SITE = "https://python-docs.invalid"
_DATE = "2024-01-01T00:00:00Z"


def write_archive(folder: str) -> dict[str, int]:
    """Write `documentation-N.warc.gz`, `evaluation.jsonl` (real paragraphs of some of the pages, so that
    decontamination has something to find) and `words` (a bad-word list) into `folder`. Returns counts."""
    os.makedirs(folder, exist_ok=True)
    pages = 0
    items: list[dict[str, str]] = []
    with contextlib.ExitStack() as stack:
        names = [os.path.join(folder, f"documentation-{part}.warc.gz") for part in range(PARTS)]
        files = [stack.enter_context(open(name, "wb")) for name in names]
        for file in files:
            file.write(_member(_record("warcinfo", "", "application/warc-fields", b"software: winnow quickstart\r\n")))
        for url, media_type, body in _pages():
            files[pages % PARTS].write(_member(_response(url, media_type, body)))
            pages += 1
            if pages % 17 == 0 and len(items) < EVALUATION_ITEMS:
                items += _item(url, body)
    with open(os.path.join(folder, "evaluation.jsonl"), "w", encoding="utf-8") as evaluation:
        evaluation.writelines(json.dumps(item) + "\n" for item in items)
    with open(os.path.join(folder, "words"), "w", encoding="utf-8") as words:
        words.write("\n".join(MILD_WORDS) + "\n")
    return {"pages": pages, "evaluation items": len(items)}


def _pages() -> Iterator[tuple[str, str, bytes]]:
    """(URL, media type, body) of every page: modules as pydoc shows them, then what distributions say of
    themselves and their licences."""
    count = 0
    for name in _module_names():
        page = _module_page(name)
        if page is not None and count < PAGES:
            count += 1
            yield f"{_SITE}/{name}.html", "text/html; charset=utf-8", page
    distributions = {d.metadata["Name"]: d for d in importlib.metadata.distributions() if d.metadata["Name"]}
    for name, distribution in sorted(distributions.items()):
        base = f"{_SITE}/packages/{name}"
        description = distribution.metadata["Description"] if "Description" in distribution.metadata else ""
        yield f"{base}/index.html", "text/html; charset=utf-8", _as_html(name, description)
        for path in distribution.files or ():
            if path.name.upper().startswith(("LICENSE", "LICENCE", "COPYING", "NOTICE")) and path.suffix in (
                "",
                ".txt",
                ".md",
            ):
                with contextlib.suppress(OSError, UnicodeDecodeError):
                    yield (
                        f"{base}/{path.name}",
                        "text/html; charset=utf-8",
                        _as_html(path.name, path.read_text("utf-8")),
                    )


def _module_names() -> list[str]:
    names = {name for name in sys.stdlib_module_names if not name.startswith("_")}
    for package in PACKAGES:
        with contextlib.suppress(ImportError):
            found = pkgutil.iter_modules(importlib.import_module(package).__path__, package + ".")
            names |= {package} | {module.name for module in found if not module.name.rpartition(".")[2].startswith("_")}
    return sorted(name for name in names if not name.startswith(LEFT_OUT) and ".test" not in name)


def _module_page(name: str) -> bytes | None:
    """pydoc's HTML page of a module; None for one that cannot be imported here."""
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        try:
            module = importlib.import_module(name)
            return pydoc.html.page(pydoc.describe(module), pydoc.html.document(module, name)).encode("utf-8", "replace")
        except (Exception, SystemExit):  # importing any module may raise anything
            return None


def _as_html(title: str, text: str) -> bytes:
    """Plain text as a page: a paragraph for each block of lines."""
    blocks = [" ".join(block.split()) for block in text.replace("\r\n", "\n").split("\n\n")]
    paragraphs = "\n".join(f"<p>{html.escape(block)}</p>" for block in blocks if block)
    page = f"<!DOCTYPE html><html><head><title>{html.escape(title)}</title></head><body>\n{paragraphs}\n</body></html>"
    return page.encode("utf-8", "replace")


def _item(url: str, body: bytes) -> list[dict[str, str]]:
    """An evaluation item from a page: its first sentence of 14 words or more, if it has one."""
    from resiliparse.extract.html2text import extract_plain_text

    for line in extract_plain_text(body.decode("utf-8")).splitlines():
        if len(line.split()) >= 14 and line.rstrip().endswith("."):
            return [{"id": url.removeprefix(_SITE + "/"), "text": line.strip()}]
    return []


def _response(url: str, media_type: str, body: bytes) -> bytes:
    http = f"HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    return _record("response", url, "application/http; msgtype=response", http + body)


def _record(kind: str, url: str, media_type: str, content: bytes) -> bytes:
    """A WARC/1.1 record (ISO 28500:2017), its id hashed from what it is."""
    identity = uuid.uuid5(uuid.NAMESPACE_URL, f"{kind} {url}")
    lines = ["WARC/1.1", f"WARC-Type: {kind}", f"WARC-Record-ID: <urn:uuid:{identity}>", f"WARC-Date: {_DATE}"]
    lines += [f"WARC-Target-URI: {url}"] if url else []
    lines += [f"Content-Type: {media_type}", f"Content-Length: {len(content)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content + b"\r\n\r\n"


def _member(record: bytes) -> bytes:
    return gzip.compress(record, mtime=0)


class Execute(Protocol):
    """The command line's way to run a recipe."""

    def __call__(self, recipe: Recipe, output: str, workers: int | None, *, replace: bool) -> object:
        """Run it into the directory `output`."""


TRAINED: dict[str, tuple[str, tuple[str, ...]]] = {
    "gpt": ("gpt2", ("train_tokenizer.vocab_size=2048", "stream.sequence_length=128")),
    "bert": ("bert", ("train_tokenizer.vocab_size=4096",)),
    "t5": ("t5", ("train_tokenizer.vocab_size=2048", "stream.sequence_length=128")),
}
"""Models that can be trained on the documents: the recipe of each, and what of it is smaller."""
ROWS = 16
"""Of a step of their training."""


def check_model(name: str) -> None:
    """Raises ValueError for a model that is none of TRAINED, and without torch."""
    options.check_known([name], list(TRAINED), "model", "--train")
    if importlib.util.find_spec("torch") is None:
        raise ValueError(f"--train {name} needs torch: .venv/bin/pip install '.[torch]' in Winnow's folder")


def train(output: str, name: str, steps: int, workers: int | None, replace: bool, execute: Execute) -> None:
    """Tokens of the quickstart's documents by the recipe of a model, and a small one trained on them, from where a
    training before was ended."""
    from pipelines import recipe as recipes

    recipe_name, smaller = TRAINED[name]
    run_folder, documents = os.path.join(output, name), os.path.join(output, "run", "documents")
    print(f"\nTokens for a small {name}, by the recipe {recipe_name}:\n")
    smaller = (*smaller, f"stream.global_batch={ROWS}")
    execute(recipes.load(recipe_name, smaller, [documents]), run_folder, workers, replace=replace)
    from corpus.loader.examples import train_small  # torch takes a second

    print(f"\nTraining a small {name}; ended at any time, the same command goes on:\n")
    checkpoint = os.path.join(output, f"{name}.pt")
    losses = train_small.train(name, run_folder, checkpoint, steps, functools.partial(print, flush=True))
    few = max(1, min(10, len(losses) // 4))
    first, last = sum(losses[:few]) / few, sum(losses[-few:]) / few
    print(f"loss: {first:.3f} over the first {few} steps, {last:.3f} over the last; checkpoint: {checkpoint}")


def main(output: str, workers: int | None, replace: bool, execute: Execute) -> None:
    """The whole quickstart. Raises FileExistsError where something else is in the way."""
    from pipelines import recipe as recipes

    source = os.path.join(output, "web")
    if not os.path.exists(os.path.join(source, "words")):  # written last
        print("writing a web archive of this Python's documentation ...", file=sys.stderr)
        print(f"{source}: {_write_apart(source)}", file=sys.stderr)
    os.environ["WINNOW_QUICKSTART"] = source
    recipe = recipes.load(os.path.join(os.path.dirname(__file__), "recipes", "quickstart.yaml"))
    run_folder = os.path.join(output, "run")
    execute(recipe, run_folder, workers, replace=replace)
    print("\nOne training batch, as corpus.loader gives it:\n")
    print(show_batch(run_folder))


def has_archive() -> bool:
    """Whether the recipe's input is where it looks for it."""
    return os.path.isdir(os.environ.get("WINNOW_QUICKSTART") or os.path.join("winnow-quickstart", "web"))


def _write_apart(folder: str) -> dict[str, int]:
    """See `write_archive`; what is in the way stays, and a folder that is there is whole."""
    if os.path.lexists(folder):
        raise FileExistsError(
            f"{folder} is in the way: the quickstart writes a folder of that name. Choose another --output"
        )
    os.makedirs(os.path.dirname(folder) or ".", exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="winnow-web-", dir=os.path.dirname(folder) or ".") as apart:
        said = write_archive(os.path.join(apart, "web"))
        os.rename(os.path.join(apart, "web"), folder)
    return said


def show_batch(run_folder: str, sequence_length: int = 256) -> str:
    """The first batch of the run's token stream: shapes, and one row decoded."""
    from corpus.encoding.encoder import load_encoder
    from corpus.loader import TokenStream

    stream = TokenStream(os.path.join(run_folder, "tokens"), sequence_length=sequence_length, batch_size=4)
    batch = next(iter(stream))
    shapes = ", ".join(
        f"{name} {array.dtype}{list(array.shape)}" for name, array in batch.items() if hasattr(array, "shape")
    )
    text = load_encoder(os.path.join(run_folder, "tokenizer")).decode(batch["labels"][0])
    return f"{shapes}\nrow 0 decoded:\n{text}"
