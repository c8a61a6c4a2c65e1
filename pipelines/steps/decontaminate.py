import dataclasses
from typing import ClassVar


@dataclasses.dataclass(frozen=True)
class DecontaminateStep:
    "stub"
    name: ClassVar[str] = "decontaminate"
    rules = ()
    against: tuple[str, ...] = ()
    ngram: int = 13

    def decide(self, run, place, name, views):
        return views, []
