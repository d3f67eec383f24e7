"""What pods said, and how long after a start the operator waits for them to say it again."""

from collections.abc import Callable, Iterable
from datetime import datetime

from bailiwick_operator.children.naming import CONFIG_ACKED
from bailiwick_operator.publish.acks import AckBoard, PodAck, Verdict, judge
from bailiwick_operator.publish.hub import Published
from bailiwick_operator.world import World

RETURN_S = 60.0
"""How long after its start the operator takes the word of its predecessor on pods that were not
heard of yet: a restart of the operator is none of the gateways."""


class Hearing:
    """Judges by the last words of the pods that there are."""

    def __init__(self, *, world: World, acks: AckBoard, now: Callable[[], datetime]) -> None:
        """Made at the operator's start; `now` is the time, in UTC."""
        self._world = world
        self._acks = acks
        self._now = now
        self._started = now()

    def verdict(self, namespace: str, published: Published) -> Verdict:
        """Whether every ready pod serves this config, as far as pods were heard."""
        pods = self._world.pods.get(namespace, ())
        self._acks.keep(namespace, {pod.uid for pod in pods})
        ready = {pod.uid: pod.name for pod in pods if pod.ready}
        acks = dict(self._acks.of(namespace))
        if self.returning() > 0 and self._world.stored(namespace, CONFIG_ACKED) == (
            published.version
        ):
            for uid, name in ready.items():
                acks.setdefault(
                    uid, PodAck(pod=name, version=published.version, serving=True, refused="")
                )
        return judge(published.version, ready=ready, acks=acks)

    def heard(self, namespaces: Iterable[str]) -> bool:
        """False while agents that may know of trouble are still on their way back.

        What the predecessor wrote of it stays until then: a restart ends no outage.
        """
        return self.returning() <= 0 or all(
            pod.uid in self._acks.of(namespace)
            for namespace in namespaces
            for pod in self._world.pods.get(namespace, ())
            if pod.ready
        )

    def returning(self) -> float:
        """Seconds for which agents may still be on their way back after the operator's start."""
        return RETURN_S - (self._now() - self._started).total_seconds()
