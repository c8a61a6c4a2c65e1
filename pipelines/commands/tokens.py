"""Commands about token shards and tokenizers."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Annotated, Any

import typer

from pipelines.commands.shared import EXIT_FAILED, EXIT_USAGE, app, fail


@app.command()
def audit(
    tokens: Annotated[str, typer.Argument(help="Folder of tokens, such as OUT/tokens.")],
    accounts: Annotated[list[str], typer.Argument(help="Accounts of the ranks (TokenStream.account()), JSON files.")],
    document: Annotated[
        int | None, typer.Option("--document", help="Also say which step and rank saw document N, counted from 0.")
    ] = None,
) -> None:
    """Add up what the ranks of a training run say that they were handed, and compare it with what there is. Prints a
    line an epoch, and a line a problem.

    Example: winnow audit OUT/tokens 'accounts/rank-*.json'
    """
    from corpus.io import paths
    from corpus.loader import audit as audits

    try:
        read = [audits.load(source.path) for given in accounts for source in paths.expand(given)]
        found, problems = audits.audit(tokens, read)
        seen = audits.sightings(tokens, read, document) if document is not None else []
    except (OSError, ValueError, KeyError, IndexError) as error:
        fail(EXIT_USAGE, f"no account, or not of these tokens: {error}" if isinstance(error, KeyError) else str(error))
    for line in found:
        print(line)
    for each in seen:
        print(
            f"document {document}: epoch {each['epoch']}, step {each['step']}, rank {each['rank']} of "
            f"{each['world_size']} (sample {each['sample']})"
        )
    if document is not None and not seen:
        print(f"document {document}: no rank has seen it")
    for problem in problems:
        print(f"winnow: {problem}", file=sys.stderr)
    if problems:
        raise typer.Exit(EXIT_FAILED)


@app.command("export-tokens")
def export_tokens(
    output: Annotated[str, typer.Argument(metavar="OUT", help="Run directory, or a folder of tokens.")],
    format: Annotated[
        str, typer.Option("--format", help="datatrove, olmo, nanogpt, llmc, mds or arrow.", show_default=False)
    ],
    to: Annotated[str | None, typer.Option("--output", help="Folder to write. Default: OUT/exports/FORMAT.")] = None,
    sequence_length: Annotated[
        int | None,
        typer.Option("--sequence-length", help="mds, arrow: samples of so many tokens. Default: documents."),
    ] = None,  # fmt: skip
    validation: Annotated[
        float | None,
        typer.Option("--validation", help="nanogpt, llmc: the share of documents to validate on. Default: 0.0005."),
    ] = None,  # fmt: skip
) -> None:
    """Write a run's tokens as files that others read: datatrove and nanotron, OLMo-core, nanoGPT, llm.c, MosaicML's
    streaming, Hugging Face's datasets. What agrees byte for byte is a hard link.

    Example: winnow export-tokens OUT --format olmo

    Example: winnow export-tokens OUT --format mds --sequence-length 2048
    """
    from corpus.tokens.exports import export

    try:
        done = export.export_tokens(output, format, to, sequence_length=sequence_length, validation=validation)
    except (FileNotFoundError, FileExistsError, ValueError) as error:
        fail(EXIT_USAGE, str(error))
    except OSError as error:
        fail(EXIT_FAILED, str(error))
    for line in export.show(done):
        print(line)


@app.command("plan-tokens")
def plan_tokens(
    parameters: Annotated[
        float, typer.Option("--parameters", help="Of the model, without embeddings: 7e9.", show_default=False)
    ],
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE[=SHARE]...",
            help="What there is to train on: runs, folders of tokens, or numbers of tokens, with their shares.",
        ),
    ] = None,  # fmt: skip
    tokens: Annotated[
        float | None, typer.Option("--tokens", help="Tokens to train on. Default: Chinchilla's 20 a parameter.")
    ] = None,
    batch_tokens: Annotated[float | None, typer.Option("--batch-tokens", help="Tokens of a step.")] = None,
    device: Annotated[str, typer.Option("--device", help="h100, h200, b200, a100 or v100.")] = "h100",
    utilization: Annotated[float, typer.Option("--utilization", help="Share of its speed that is used.")] = 0.4,
) -> None:
    """Say how many tokens a model wants by the scaling laws, in how many steps and hours of a GPU, and how often the
    sources are read for it. Every constant is shown with its source.

    Example: winnow plan-tokens --parameters 7e9 web=0.8 books=0.2

    Example: winnow plan-tokens --parameters 1e9 2.5e10
    """
    from pipelines.planning import plan

    try:
        request = plan.Request(parameters, batch_tokens, tokens, device, utilization)
        for line in plan.lines(request, plan.sources(sources or [])):
            print(line)
    except (ValueError, FileNotFoundError) as error:
        fail(EXIT_USAGE, str(error))


@app.command("resize-tokenizer")
def resize_tokenizer_(
    tokenizer: Annotated[str, typer.Argument(help="A tokenizer of a run, or one that was made elsewhere.")],
    output: Annotated[str, typer.Argument(help="Local folder of the new one; it is empty or missing.")],
    used_in: Annotated[
        list[str] | None, typer.Option("--used-in", help="Documents: the tokens that they have stay. Repeatable.")
    ] = None,
    vocab_size: Annotated[
        int | None, typer.Option("--vocab-size", min=1, help="Ids at most: of the tokens used the most frequent stay.")
    ] = None,
    add: Annotated[
        list[str] | None, typer.Option("--add", help="A new token, found before text is divided. Repeatable.")
    ] = None,
    add_special: Annotated[
        list[str] | None, typer.Option("--add-special", help="A new special token. Repeatable.")
    ] = None,
) -> None:
    """Make a tokenizer of fewer tokens, or more; OUTPUT/old_to_new.npy says the new id of each old one, -1 for none.

    Example: winnow resize-tokenizer llama/ smaller/ --used-in 'docs/*.jsonl' --vocab-size 16000

    Example: winnow resize-tokenizer gpt2/ chat/ --add-special '<|im_start|>' --add-special '<|im_end|>'
    """
    from corpus.encoding.encoder import load_encoder
    from corpus.encoding.resize import TABLE, resize_tokenizer, used_ids
    from corpus.reading.readers import read_files

    if vocab_size is not None and not used_in:
        fail(EXIT_USAGE, "--vocab-size keeps the most frequent tokens of documents: give --used-in")
    try:
        damaged = 0

        def documents() -> Iterable[Any]:
            nonlocal damaged
            for reading in read_files(used_in or []):
                damaged += len(reading.quarantined)
                yield reading.documents

        keep = used_ids(load_encoder(tokenizer), documents()) if used_in else None
        if damaged:
            print(f"{damaged:,} records of --used-in are damaged; they are left out", file=sys.stderr)
        made, table = resize_tokenizer(tokenizer, output, keep, vocab_size, add or (), add_special or ())
    except (ValueError, FileNotFoundError) as error:
        fail(EXIT_USAGE, str(error))
    gone = int((table < 0).sum())
    print(
        f"{made.vocab_size:,} ids: {len(table) - gone:,} of {len(table):,} stay, {gone:,} are gone, "
        f"{made.vocab_size - len(table) + gone:,} are new; {output}/{TABLE} says which"
    )
