"""How units of input are put together into tasks."""

from corpus.io.paths import Source
from corpus.reading.readers import Unit
from pipelines.maps import passes


def test_tasks_hold_units_up_to_a_size_on_disk_whatever_their_format():
    """The files are not there: what a unit reads is known since the input was divided."""
    units = [
        *(Unit("a.parquet", "parquet", 0, 4, 20_000), Unit("a.parquet", "parquet", 4, 5, 1_000)),
        *(Unit("b.jsonl", "jsonl", 0, 18_000, 18_000), Unit("b.jsonl", "jsonl", 18_000, 24_000, 6_000)),
        *(Unit("c.txt", "text", bytes=10), Unit("d.txt.gz", "text", bytes=30_000)),
    ]
    groups = passes.group_units(units, 20_000)
    assert groups == [units[:1], units[1:3], units[3:5], units[5:]]
    sources = {unit.path: Source(unit.path, 99, 7) for unit in units}
    tasks = passes.input_tasks(groups, sources, passes.Pass((), (), ".arrow", 1), None)
    assert [task.weight for task in tasks] == [20_000, 19_000, 6_010, 30_000]
    assert [name for name, _ in tasks[1].inputs] == ["a.parquet[4:5]", "b.jsonl[0:18000]"]
    assert [task.argument.units for task in tasks] == [tuple(group) for group in groups]
