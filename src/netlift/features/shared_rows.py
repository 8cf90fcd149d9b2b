"""Rows of customers read once for several requests: other windows, other words, one pass over the receipts.

A request gets the rows that it would have read alone: codes are those of its own vocabulary, rows are in the order that
these give, and counts are of its own window. Rows from before the window are there as well; the kernels pass them by.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from netlift.errors import ResourceError
from netlift.features.kernel import DAY, PROMO, RETURN
from netlift.features.sources import engagement_rows, receipt_rows
from netlift.features.streams import CustomerIndex, CustomerRows, PartitionedRows, read_rows, recode
from netlift.features.vocabulary import Vocabulary

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from netlift.data.read import Tables

MOST_VALUES = 254  # of a byte, less the codes of "other" and "missing"
KEPT = np.arange(256, dtype=np.int64)


@dataclass(frozen=True, kw_only=True)
class FeatureRequest:
    """Which features are wanted.

    Attributes:
        vocabulary: What was learned before training.
        observation_days: Rows older than this before a cutoff are not looked at.
        names: Features wanted, in this order; all of the catalogue when None.
    """

    vocabulary: Vocabulary
    observation_days: int
    names: tuple[str, ...] | None = None

    @property
    def observation(self) -> int:
        """The observation window in microseconds."""
        return self.observation_days * DAY


class SharedRows:
    """Receipts and engagement of all customers, by partition, for some requests.

    Receipts are read once for all, engagement once for each wording of it.

    Args:
        tables: The tables of a business.
        requests: What is asked.
        cutoffs: All cutoffs, datetime64[us].
        index: Where each customer's rows go.
        held_rows: Rows of a source held in memory; what comes later waits in a temporary file.
    """

    def __init__(
        self,
        tables: Tables,
        requests: Sequence[FeatureRequest],
        cutoffs: np.ndarray,
        index: CustomerIndex,
        *,
        held_rows: int,
    ) -> None:
        self._requests = requests
        self._first, self._until = cutoffs.min(), cutoffs.max().item()
        self._words = _join([request.vocabulary for request in requests])

        def read(
            source: Callable[..., ir.Table | None], words: Vocabulary, own: Sequence[FeatureRequest], name: str
        ) -> PartitionedRows | None:
            since = min(self._since(request) for request in own).item()
            rows = source(tables, words, since=since, until=self._until)
            return None if rows is None else read_rows(tables.engine, rows, index, table=name, held_rows=held_rows)

        self._receipts = read(receipt_rows, self._words, requests, "transactions")
        alike = {_engagement_words(one.vocabulary): one.vocabulary for one in requests}
        self._engagement: Mapping[tuple[object, ...], PartitionedRows | None] = {
            key: read(
                engagement_rows,
                words,
                [one for one in requests if _engagement_words(one.vocabulary) == key],
                "contacts, events, surveys",
            )
            for key, words in alike.items()
        }

    def take(self, partition: int) -> Iterator[tuple[CustomerRows, CustomerRows | None]]:
        """Receipts and engagement of a partition for each request in turn; they leave this container."""
        if self._receipts is None:
            return
        receipts = self._receipts.take(partition)
        engaged = {key: None if rows is None else rows.take(partition) for key, rows in self._engagement.items()}
        for request in self._requests:
            since = int(self._since(request).view(np.int64))
            words = request.vocabulary
            codes = np.stack(
                [
                    _codes(self._words.categories, words.categories),
                    _codes(self._words.channels, words.channels),
                ]
            )
            flags = RETURN | (PROMO if "promo" in words.sources else 0)
            own = recode(receipts, codes, flags=flags, since=since)
            theirs = engaged[_engagement_words(words)]
            yield own, None if theirs is None else recode(theirs, np.stack([KEPT, KEPT]), flags=0, since=since)

    def _since(self, request: FeatureRequest) -> np.datetime64:
        moment: np.datetime64 = self._first - np.timedelta64(request.observation_days, "D")
        return moment


def _join(vocabularies: Sequence[Vocabulary]) -> Vocabulary:
    """Words by which the receipts of all can be read.

    Raises:
        ResourceError: More values than a code can tell apart.
    """
    categories, channels = (
        tuple(dict.fromkeys(value for words in vocabularies for value in getattr(words, name)))
        for name in ("categories", "channels")
    )
    most = max(len(categories), len(channels))
    if most > MOST_VALUES:
        raise ResourceError(
            f"features: the models asked together know {most} categories or channels of receipts, one pass tells "
            f"{MOST_VALUES} apart; train them on the same tables, or fewer of them together"
        )
    with_promo = any("promo" in words.sources for words in vocabularies)
    return Vocabulary(categories=categories, channels=channels, attributes={}, sources=("promo",) if with_promo else ())


def _codes(read: tuple[str, ...], own: tuple[str, ...]) -> np.ndarray:
    """The own code of each code that was read, other and missing behind the values, int64, shape (256,)."""
    codes = np.zeros(256, dtype=np.int64)
    if own:
        place = {value: code for code, value in enumerate(own)}
        codes[: len(read)] = [place.get(value, len(own)) for value in read]
        codes[len(read) : len(read) + 2] = len(own), len(own) + 1
    return codes


def _engagement_words(words: Vocabulary) -> tuple[object, ...]:
    """What the rows of contacts, events and answers depend on."""
    sources = tuple(name for name in ("contacts", "events", "surveys") if name in words.sources)
    return sources, words.contact_channels, words.event_kinds


__all__ = ["FeatureRequest", "SharedRows"]
