"""Whether the ranks of a run, together, handed out every sample once: their accounts added up against the manifest."""

from __future__ import annotations

import json
from typing import Any

from corpus.io import paths
from corpus.loader import order
from corpus.loader.mixture import Mixture
from corpus.loader.stream import TokenStream


def audit(folder: str, accounts: list[dict[str, Any]]) -> tuple[list[str], list[str]]:
    """(what was found of each epoch, problems), sentences. `accounts` are `TokenStream.account()` of every rank of a
    run on the tokens in `folder`, and of what it was resumed as; or `Mixture.account()`, of a run on these tokens and
    others, of which `folder` is looked at. Raises ValueError for accounts of other runs or tokens."""
    stream = _stream_of(folder, accounts)
    accounts = [_of_folder(stream, account) for account in accounts]
    problems = _missing_ranks(accounts) + _gaps(accounts)
    expected = (stream.samples, f"{int(order.hash_sum_of_all(stream.samples)):016x}")
    counted = stream.objective == "causal"  # of which all tokens are labels, unless they are masked
    found = []
    for epoch in sorted({int(epoch) for account in accounts for epoch in account["counts"]}):
        counts = [account["counts"][str(epoch)] for account in accounts if str(epoch) in account["counts"]]
        samples, labels = (sum(each[name] for each in counts) for name in ("samples", "labels"))
        total = f"{sum(int(each['hash'], 16) for each in counts) % (1 << 64):016x}"
        said = (
            f"epoch {epoch}: {samples:,} of {stream.samples:,} samples, {labels:,} labels of {stream.tokens:,} tokens"
        )
        if samples > stream.samples or (samples == stream.samples and (samples, total) != expected):
            problems.append(f"{said}: some samples were handed out twice")
        elif samples < stream.samples:
            found.append(f"{said}: not all of it")
        elif counted and labels != stream.tokens:
            found.append(f"{said}: every sample once; the other labels were masked")
        else:
            found.append(f"{said}: every sample once")
    if not any(account["steps"] for account in accounts):
        problems.append("there is no step in any of these accounts")
    return found, problems


def sightings(folder: str, accounts: list[dict[str, Any]], document: int) -> list[dict[str, int]]:
    """Where a document, counted 0, 1, .. over all shards, was handed out: {"epoch", "sample", "step", "rank",
    "world_size"} of each sample with tokens of it and each rank that had it; steps are counted from where the run began
    or was resumed. Raises ValueError as `audit`, IndexError."""
    stream = _stream_of(folder, accounts)
    accounts = [_of_folder(stream, account) for account in accounts]
    windows = stream.windows_of(document)
    epochs = sorted({int(epoch) for account in accounts for epoch in account["counts"]})
    places = [(epoch, stream.locate(window, epoch)) for epoch in epochs for window in windows]
    found = []
    for account in accounts:
        run = _run(folder, account)
        for begin, end in account["steps"]:
            for epoch, place in places:
                sample = run.find(account["source"], place, end) if isinstance(run, Mixture) else place
                if sample is None or not begin <= sample < end:
                    continue
                step = (sample - begin) // run.step
                first = begin + step * run.step
                if step and run.taken(first - run.step) > run.step:  # the last samples joined the step before
                    step, first = step - 1, first - run.step
                part = run.part(first, run.taken(first), account["rank"])
                if part.first <= sample < part.first + part.count:
                    where = {"epoch": epoch, "sample": sample, "step": step, "rank": account["rank"]}
                    found.append(where | {"world_size": account["world_size"]})
    return sorted(found, key=lambda each: (each["sample"], each["step"], each["rank"]))


def load(path: str) -> dict[str, Any]:
    """An account from a file. Raises ValueError for a file that is none."""
    try:
        account = json.loads(paths.read_bytes(path))
    except ValueError:
        account = None
    if not isinstance(account, dict) or not {"rank", "options"} <= account.keys():
        raise ValueError(f"{path} is no account, which a rank writes as JSON of what TokenStream.account() gives it")
    return account


def _of_folder(stream: TokenStream, account: dict[str, Any]) -> dict[str, Any]:
    """An account of a mixture as one of a source of it, which is "source". Raises ValueError for one of others."""
    sources = account.get("sources", [account])
    for number, source in enumerate(sources):
        if source["fingerprint"] == stream.fingerprint:
            return account | {"counts": source["counts"], "source": number}
    raise ValueError(
        f"the account of rank {account['rank']} is of other tokens or another order than {stream.shards.folder} has"
    )


def _run(folder: str, account: dict[str, Any]) -> TokenStream | Mixture:
    """What an account is of."""
    ranks = {name: account[name] for name in ("rank", "world_size", "batch_size", "last")}
    if "phases" in account:
        return Mixture(account["phases"], **account["options"], **ranks)
    return TokenStream(folder, **account["options"], **ranks, epochs=account["epochs"])


def _stream_of(folder: str, accounts: list[dict[str, Any]]) -> TokenStream:
    """The stream of the folder that all accounts are of, or one source of their mixture."""
    if not accounts:
        raise ValueError("there are no accounts")
    mixed = [account for account in accounts if "phases" in account]
    if not mixed:
        return TokenStream(folder, batch_size=1, epochs=None, **accounts[0]["options"])
    if len(mixed) < len(accounts):
        raise ValueError("some accounts are of a mixture, and some are not")
    ends = [max((end for _, end in account["steps"]), default=0) for account in mixed]
    last = _run(folder, mixed[ends.index(max(ends))])
    assert isinstance(last, Mixture)
    for account, end in zip(mixed, ends):
        if not last.scheduled_alike(account["fingerprint"], end):
            raise ValueError(f"the account of rank {account['rank']} is of another mixture than that of the last step")
    return TokenStream(folder, batch_size=1, epochs=None, **accounts[0]["options"])


def _sessions(accounts: list[dict[str, Any]]) -> dict[tuple[int, int, int], dict[int, list[list[int]]]]:
    """Steps of each rank, by where the run began or went on, with how many ranks, of how many rows."""
    found: dict[tuple[int, int, int], dict[int, list[list[int]]]] = {}
    for account in accounts:
        if account["steps"]:
            key = account["steps"][0][0], account["world_size"], account["batch_size"]
            found.setdefault(key, {})[account["rank"]] = account["steps"]
    return found


def _missing_ranks(accounts: list[dict[str, Any]]) -> list[str]:
    problems = []
    for (begin, world, _), ranks in sorted(_sessions(accounts).items()):
        missing = sorted(set(range(world)) - set(ranks))
        if missing:
            problems.append(f"from sample {begin} on: there is no account of ranks {missing} of {world}")
        if len({str(steps) for steps in ranks.values()}) > 1:
            problems.append(f"from sample {begin} on: the accounts of the {world} ranks end with other steps")
    return problems


def _gaps(accounts: list[dict[str, Any]]) -> list[str]:
    """What lies between the steps of the accounts, and what is in two of them."""
    steps = sorted({tuple(each) for ranks in _sessions(accounts).values() for each in next(iter(ranks.values()))})
    problems = []
    if steps and steps[0][0]:
        problems.append(f"samples 0 to {steps[0][0] - 1} are in no account")
    for (_, end), (begin, _) in zip(steps, steps[1:]):
        if begin > end:
            problems.append(f"samples {end} to {begin - 1} are in no account")
        elif begin < end:
            problems.append(f"samples {begin} to {end - 1} are in two accounts")
    return problems
