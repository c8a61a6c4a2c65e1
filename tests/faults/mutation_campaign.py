"""Puts damaged and hostile files through Winnow, and says what went wrong. Exits 1 if anything did.

    python tests/faults/mutation_campaign.py                    each case of the catalogue once
    python tests/faults/mutation_campaign.py --variants 500     the first 500
    python tests/faults/mutation_campaign.py --only 'warc.gz'   those whose names hold this
    python tests/faults/mutation_campaign.py --cli              folders of them through the command line

With more variants than there are cases, cases come again with other chances. A variant is known by
its number: `--first 812 --variants 1` is the same file each time, and `--keep FOLDER` leaves it there.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import pathlib
import sys
import tempfile
from collections.abc import Iterable, Iterator
from typing import NamedTuple

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import clean_files  # its folder comes first
import mutator
import outcomes

from corpus.reading import readers

SEED = 1


class Result(NamedTuple):
    """What became of a variant; `failures` is empty if all went well."""

    number: int
    group: str
    mutation: str
    records: int
    came: int
    missing: int
    quarantined: int
    peak: int
    seconds: float
    failures: list[str]


def chosen(first: int, count: int | None, only: list[str]) -> list[int]:
    """Numbers of the variants whose names are one of `only`, or hold one that is no name; of all, if that is empty."""
    makers = mutator.catalogue()
    names = {maker.name for maker in makers}
    unknown = [part for part in only if not any(part in name for name in names)]
    if unknown:
        raise SystemExit(f"no case has a name with {unknown[0]!r} in it")

    def fits(name: str) -> bool:
        return not only or any(name == part if part in names else part in name for part in only)

    wanted = [index for index, maker in enumerate(makers) if fits(maker.name)]
    count = len(wanted) if count is None else count
    return [wanted[n % len(wanted)] + n // len(wanted) * len(makers) for n in range(first, first + count)]


def run(number: int) -> Result:
    """Read a variant and judge what comes of it."""
    variant = mutator.variant(SEED, number)
    with tempfile.TemporaryDirectory() as folder:
        outcome = outcomes.observe(variant, folder)
    missing, present = outcomes.lost(variant, outcome)
    return Result(
        number,
        variant.group,
        variant.mutation,
        present,
        sum(outcome.documents.values()),
        missing,
        outcome.rows,
        max(outcome.peak, outcome.peak_of_child),
        outcome.seconds,
        outcomes.judge(variant, outcome),
    )


def results(numbers: Iterable[int], jobs: int) -> Iterator[Result]:
    """In the order of `numbers`; the children are forked, so that each begins as small as this process is."""
    mutator.catalogue()
    with multiprocessing.get_context("fork").Pool(jobs, maxtasksperchild=50) as pool:
        yield from pool.imap(run, numbers)


def table(title: str, rows: dict[str, list[Result]]) -> str:
    lines = [f"{title:44} variants  failed  records     out missing  peak MiB  longest s"]
    for name, found in sorted(rows.items()):
        records, came, missing = (sum(column) for column in zip(*((r.records, r.came, r.missing) for r in found)))
        failed = sum(bool(r.failures) for r in found)
        peak, seconds = max(r.peak for r in found) >> 20, max(r.seconds for r in found)
        lines.append(f"{name:44} {len(found):8} {failed:7} {records:8} {came:7} {missing:7} {peak:9} {seconds:10.1f}")
    return "\n".join(lines)


def grouped(found: list[Result], field: str) -> dict[str, list[Result]]:
    rows: dict[str, list[Result]] = {}
    for result in found:
        rows.setdefault(getattr(result, field), []).append(result)
    return rows


def report(found: list[Result]) -> str:
    damaged = [r for r in found if r.group in clean_files.LAYOUTS]
    parts = [f"reading by {readers.__file__}", table("layout or kind of case", grouped(found, "group"))]
    if damaged:
        parts.append(table("damage", grouped(damaged, "mutation")))
    failed = [r for r in found if r.failures]
    for result in failed:
        parts.append(
            "\n".join(
                [f"{result.number} {result.group}: {result.mutation}", *(f"    {line}" for line in result.failures)]
            )
        )
    parts.append(f"{len(found)} variants, {len(failed)} failed")
    return "\n\n".join(parts)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variants", type=int, help="how many; each case once unless given")
    parser.add_argument("--first", type=int, default=0, help="how many to pass over before")
    parser.add_argument(
        "--only", action="append", default=[], help="a name, or a part of some; may be given several times"
    )
    parser.add_argument("--jobs", type=int, default=2, help="variants at a time")
    parser.add_argument("--json", help="a file for the results, one JSON object a line")
    parser.add_argument("--keep", help="a folder for the files of the variants; nothing is read")
    parser.add_argument("--cli", action="store_true", help="through `winnow filter`, in folders of twenty")
    options = parser.parse_args()
    numbers = chosen(options.first, options.variants, options.only)
    if options.keep:
        return keep(numbers, pathlib.Path(options.keep))
    if options.cli:
        import command_line  # it needs more of Winnow than reading

        return command_line.campaign(SEED, numbers)
    found = list(results(numbers, options.jobs))
    if options.json:
        pathlib.Path(options.json).write_text("".join(json.dumps(result._asdict()) + "\n" for result in found))
    print(report(found))
    return int(any(result.failures for result in found))


def keep(numbers: list[int], folder: pathlib.Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        variant = mutator.variant(SEED, number)
        (folder / f"{number}{variant.suffix}").write_bytes(variant.data)
        print(f"{number}{variant.suffix}  {variant.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
