"""The Ray cluster as it is now: nodes come and go, and the head, or this machine's part in it, may be gone."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

from pipelines.engine.tasks import Limits, TaskFailed

LOOK = 3.0
"""Seconds between looks at the cluster."""
PATIENCE, SURE = 20.0, 1.0
"""Seconds for which the head of a cluster may be silent, which can come back, and a part of it on this machine, which
cannot. Ray itself ends a process without a word some 13 seconds after the latter has died, and 60 after the former."""
SHARE = 6
"""A task reserves this part of the memory at which it is ended (1 GiB by default), which is about what it takes."""


class Cluster:
    """What a cluster that this process is connected to has: `processors`, and `memory`, the bytes that tasks may
    reserve on its largest node. `own` says that this process has started it for its own tasks alone."""

    def __init__(self, ray: Any, own: bool):
        self._ray = ray
        self._own = own
        context = ray.get_runtime_context()
        self.node: str = context.get_node_id()
        (here,) = (node for node in ray.nodes() if node["NodeID"] == self.node)
        raylet = f"{here['NodeManagerAddress']}:{here['NodeManagerPort']}"
        self._parts = {
            "Ray on this machine": (raylet, SURE),
            "its head": (context.gcs_address, SURE if own else PATIENCE),
        }
        self._next = 0.0
        self.processors = self.memory = 0

    def look(self, say: Callable[[str], None]) -> bool:
        """See what has become of the cluster, unless that was done just now; whether it was not. Raises TaskFailed if
        it is gone."""
        if time.monotonic() < self._next:
            return False
        self._check_answers()
        before, first = self.processors, not self._next
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
        self.processors = int(sum(node["CPU"] for node in nodes))
        self.memory = int(max((node.get("memory", 0) for node in nodes), default=0))
        if not self.processors and (before or first):
            say("the cluster has no processors at the moment: waiting for some")
        elif self.processors and not before and not first:
            say("the cluster has processors now")
        self._next = time.monotonic() + LOOK
        return True

    def reserved(self, limits: Limits, extra: Limits) -> int:
        """Bytes of memory that an attempt reserves: never more than the largest node has, and where the cluster is
        there for these tasks alone not so much that fewer run than there are processors, unless they need it by
        design."""
        usual = limits.memory // SHARE
        if self._own:
            usual = min(usual, self.memory // max(1, self.processors))
        return min(usual + extra.memory, self.memory)

    def _check_answers(self) -> None:
        """Raises TaskFailed if a part of the cluster that this process cannot do without has been silent for long."""
        for name, (address, patience) in self._parts.items():
            deadline = time.monotonic() + patience
            while not answers(address):
                if time.monotonic() > deadline:
                    raise TaskFailed(
                        f"the Ray cluster is gone ({name} no longer answers); what is done is kept: "
                        f"the same command continues{'' if self._own else ', once there is a cluster'}"
                    )
                time.sleep(0.2)


def answers(address: str) -> bool:
    """Whether somebody listens there, at HOST:PORT."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
    except OSError:
        return False
    return True
