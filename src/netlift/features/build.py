"""Feature matrices as of cutoffs: for given queries, or streamed for all customers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from netlift.errors import SchemaDriftError
from netlift.features.catalogue import (
    Entry,
    build_catalogue,
    customer_entries,
    engagement_entries,
    purchase_entries,
)
from netlift.features.customers import LoadedCustomers, fill_customers, load_customers, locate_customers
from netlift.features.engagement import fill_engagement
from netlift.features.kernel import DAY, fill_purchases
from netlift.features.matrix import Feature, FeatureMatrix
from netlift.features.own_features import load_features, own_values
from netlift.features.queries import Queries, to_instants
from netlift.features.sources import check_sources, count_receipts, engagement_rows, receipt_rows
from netlift.features.streams import CustomerIndex, CustomerRows, PartitionedRows, read_rows
from netlift.features.vocabulary import Vocabulary

if TYPE_CHECKING:
    from netlift.data.read import Tables

ROWS_PER_PARTITION = 4_000_000
ROWS_IN_CACHE = 500_000


def build_features(
    tables: Tables,
    queries: Queries,
    vocabulary: Vocabulary,
    *,
    observation_days: int,
    rows_per_partition: int = ROWS_PER_PARTITION,
    names: Sequence[str] | None = None,
) -> FeatureMatrix:
    """Features of the queries, in their order.

    Args:
        tables: The tables of a business.
        queries: Customers, each as of its own cutoff.
        vocabulary: What was learned before training.
        observation_days: Rows older than this before a cutoff are not looked at.
        rows_per_partition: Receipts held in memory at once; what exceeds it waits in a temporary file.
        names: Features wanted, in this order; all of the catalogue when None.

    Raises:
        DataError: A customer asked about is not in `customers`.
        SchemaDriftError: The tables, or the catalogue, lack what the vocabulary or `names` ask for.
    """
    if len(queries) == 0:
        features = choose_features(vocabulary, names)
        X = np.empty((len(features), 0), dtype=np.float32).T
        return FeatureMatrix(customer_id=queries.customer_id, cutoff=queries.cutoff, X=X, features=features)
    check_sources(tables, vocabulary)
    customers, asked = locate_customers(tables, vocabulary, queries)
    order = np.lexsort((queries.cutoff, asked))
    asked, cutoffs = asked[order], queries.cutoff[order]
    builder = FeatureBuilder(
        tables,
        customers,
        vocabulary,
        _Reach(cutoffs, observation_days),
        rows_per_partition=rows_per_partition,
        names=names,
    )
    out = np.empty((len(builder.features), len(queries)), dtype=np.float32)
    for partition in range(builder.index.partitions):
        first, last = np.searchsorted(asked, builder.index.span(partition))
        builder.fill(partition, asked[first:last], cutoffs[first:last], out, int(first))
    if not np.array_equal(order, np.arange(len(order))):
        for row in out:
            row[order] = row.copy()
    return FeatureMatrix(
        customer_id=queries.customer_id,
        cutoff=queries.cutoff,
        X=out.T,
        features=builder.features,
        unseen={**builder.unseen, **customers.unseen},
    )


def iterate_features(
    tables: Tables,
    cutoffs: Sequence[datetime] | np.ndarray,
    vocabulary: Vocabulary,
    *,
    observation_days: int,
    rows_per_partition: int = ROWS_PER_PARTITION,
    names: Sequence[str] | None = None,
) -> Iterator[FeatureMatrix]:
    """Features of all customers as of every cutoff before which they had joined, in the order of ids and cutoffs.

    Each matrix is a partition of customers, so that memory stays bounded; its `unseen` counts the partition's rows,
    and the first one the customers' attributes. Arguments and refusals are those of `build_features`.
    """
    instants = np.sort(to_instants(cutoffs))
    check_sources(tables, vocabulary)
    customers = load_customers(tables, vocabulary)
    builder = FeatureBuilder(
        tables,
        customers,
        vocabulary,
        _Reach(instants, observation_days),
        rows_per_partition=rows_per_partition,
        names=names,
    )
    for partition in range(builder.index.partitions):
        first, last = builder.index.span(partition)
        joined = customers.joined_at[first:last, None] < instants.view(np.int64)[None, :]
        customer, cutoff = np.nonzero(joined)
        asked, instant = customer + first, instants[cutoff]
        out = np.empty((len(builder.features), len(asked)), dtype=np.float32)
        builder.unseen = dict(customers.unseen) if partition == 0 else {}
        builder.fill(partition, asked, instant, out, 0)
        yield FeatureMatrix(
            customer_id=customers.customer_id[asked],
            cutoff=instant,
            X=out.T,
            features=builder.features,
            unseen=builder.unseen,
        )


def choose_features(vocabulary: Vocabulary, names: Sequence[str] | None) -> tuple[Feature, ...]:
    """The features of those names, in their order; the whole catalogue when None.

    Raises:
        SchemaDriftError: The catalogue of this vocabulary has no such feature.
    """
    catalogue = build_catalogue(vocabulary)
    if names is None:
        return catalogue
    by_name = {feature.name: feature for feature in catalogue}
    missing = [name for name in names if name not in by_name]
    if missing:
        raise SchemaDriftError(f"features {missing[:5]} ({len(missing)} in all) are not in the catalogue: retrain")
    return tuple(by_name[name] for name in names)


class _Reach:
    """The time that rows of any query may be of."""

    def __init__(self, cutoffs: np.ndarray, observation_days: int) -> None:
        self.observation = observation_days * DAY
        self.since: datetime = (cutoffs.min() - np.timedelta64(observation_days, "D")).item()
        self.until: datetime = cutoffs.max().item()


class FeatureBuilder:
    """Rows read and partitioned, ready to be filled into matrices partition by partition.

    Args:
        tables: The tables of a business.
        customers: Whom the queries may ask about.
        vocabulary: What was learned before training.
        reach: The time that rows may be of.
        rows_per_partition: Receipts held in memory at once.
        names: Features wanted; all when None.
    """

    def __init__(
        self,
        tables: Tables,
        customers: LoadedCustomers,
        vocabulary: Vocabulary,
        reach: _Reach,
        *,
        rows_per_partition: int,
        names: Sequence[str] | None,
    ) -> None:
        self.features = choose_features(vocabulary, names)
        self.unseen: dict[str, int] = {}
        self._customers = customers
        self._vocabulary = vocabulary
        self._tables = tables
        self._own = [own for own in load_features(vocabulary.own) if own.feature in self.features]
        self._observation = reach.observation
        engine = tables.engine
        self.index = CustomerIndex.build(
            customers.hashes,
            rows=count_receipts(tables),
            rows_per_partition=min(rows_per_partition, ROWS_IN_CACHE),
        )
        window = {"since": reach.since, "until": reach.until}
        receipts = receipt_rows(tables, vocabulary, **window)
        self._receipts = read_rows(engine, receipts, self.index, table="transactions", held_rows=rows_per_partition)
        engagement = engagement_rows(tables, vocabulary, **window)
        self._engagement: PartitionedRows | None = None
        if engagement is not None:
            self._engagement = read_rows(
                engine, engagement, self.index, table="contacts, events, surveys", held_rows=rows_per_partition
            )

    def fill(self, partition: int, asked: np.ndarray, cutoffs: np.ndarray, out: np.ndarray, start: int) -> None:
        """Fill the columns of `out` from `start` on with the features of a partition's queries.

        Args:
            partition: Which one; each can be filled once.
            asked: Position of the customer of each query, ascending, shape (n,).
            cutoffs: Its cutoffs, ascending within a customer, datetime64[us], shape (n,).
            out: float32, shape (features, at least start + n).
            start: Column of the first query.
        """
        first, last = self.index.span(partition)
        query_offsets = np.searchsorted(asked, np.arange(first, last + 1))
        queries = query_offsets, cutoffs.view(np.int64)
        receipts = self._receipts.take(partition)
        words = self._vocabulary
        known = len(words.categories), len(words.channels)
        self._count_unseen(receipts, "transactions.category", 0, known[0])
        self._count_unseen(receipts, "transactions.channel", 1, known[1])
        position = self._position(purchase_entries(words))
        fill_purchases(_arrays(receipts), queries, known, self._observation, position, out, start)
        if self._engagement is not None:
            engagement = self._engagement.take(partition)
            channels = len(words.contact_channels)
            kinds = len(words.event_kinds)
            self._count_unseen(engagement, "offers.channel", 0, channels)
            fill_engagement(
                _arrays(engagement),
                _arrays(receipts),
                queries,
                (kinds, channels),
                self._observation,
                self._position(engagement_entries(words)),
                out,
                start,
            )
        own = self._position(customer_entries(words))
        here = out[:, start : start + len(asked)]
        fill_customers(self._customers, asked, cutoffs, own, here)
        if self._own and len(asked):
            ids, since = self._customers.customer_id[asked], np.timedelta64(self._observation // DAY, "D")
            names = [feature.name for feature in self.features]
            for name, values in own_values(self._tables, self._own, ids, cutoffs, since=since).items():
                here[names.index(name)] = values

    def _position(self, entries: list[Entry]) -> np.ndarray:
        where = {feature.name: i for i, feature in enumerate(self.features)}
        return np.array([where.get(entry.feature.name, -1) for entry in entries], dtype=np.int64)

    def _count_unseen(self, rows: CustomerRows, column: str, byte: int, known: int) -> None:
        if known:
            self.unseen[column] = self.unseen.get(column, 0) + int(rows.code_counts[byte, known])


def _arrays(rows: CustomerRows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return rows.words, rows.words.view(np.float64), rows.offsets
