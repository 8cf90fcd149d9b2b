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
from netlift.features.customers import LoadedCustomers, fill_customers, load_customers_for, locate_customers
from netlift.features.engagement import fill_engagement
from netlift.features.kernel import DAY, fill_purchases
from netlift.features.matrix import Feature, FeatureMatrix
from netlift.features.own_features import load_features, own_values
from netlift.features.queries import Queries, to_instants
from netlift.features.shared_rows import FeatureRequest, SharedRows
from netlift.features.sources import check_sources, count_receipts
from netlift.features.streams import CustomerIndex, CustomerRows
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
    request = FeatureRequest(
        vocabulary=vocabulary, observation_days=observation_days, names=None if names is None else tuple(names)
    )
    builder = FeatureBuilder(tables, customers, request)
    index = _index(tables, customers, rows_per_partition)
    rows = SharedRows(tables, [request], cutoffs, index, held_rows=rows_per_partition)
    out = np.empty((len(builder.features), len(queries)), dtype=np.float32)
    for partition in range(index.partitions):
        span = index.span(partition)
        first, last = np.searchsorted(asked, span)
        for own in rows.take(partition):
            builder.fill(own, span, asked[first:last], cutoffs[first:last], out, int(first))
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
    request = FeatureRequest(
        vocabulary=vocabulary, observation_days=observation_days, names=None if names is None else tuple(names)
    )
    for (matrix,) in iterate_together(tables, cutoffs, [request], rows_per_partition=rows_per_partition):
        yield matrix


def iterate_together(
    tables: Tables,
    cutoffs: Sequence[datetime] | np.ndarray,
    requests: Sequence[FeatureRequest],
    *,
    rows_per_partition: int = ROWS_PER_PARTITION,
) -> Iterator[list[FeatureMatrix]]:
    """For each partition a matrix per request, those of `iterate_features`; receipts are read once for all of them.

    Requests that are equal share a matrix.
    """
    instants = np.sort(to_instants(cutoffs))
    distinct = [request for i, request in enumerate(requests) if request not in requests[:i]]
    for request in distinct:
        check_sources(tables, request.vocabulary)
    known = load_customers_for(tables, [request.vocabulary for request in distinct])
    builders = [FeatureBuilder(tables, *each) for each in zip(known, distinct, strict=True)]
    index = _index(tables, known[0], rows_per_partition)
    rows = SharedRows(tables, distinct, instants, index, held_rows=rows_per_partition)
    for partition in range(index.partitions):
        first, last = index.span(partition)
        customer, cutoff = np.nonzero(known[0].joined_at[first:last, None] < instants.view(np.int64)[None, :])
        asked, instant = customer + first, instants[cutoff]
        matrices = []
        for builder, own in zip(builders, rows.take(partition), strict=True):
            out = np.empty((len(builder.features), len(asked)), dtype=np.float32)
            builder.unseen = dict(builder.customers.unseen) if partition == 0 else {}
            builder.fill(own, (first, last), asked, instant, out, 0)
            matrices.append(
                FeatureMatrix(
                    customer_id=known[0].customer_id[asked],
                    cutoff=instant,
                    X=out.T,
                    features=builder.features,
                    unseen=builder.unseen,
                )
            )
        yield [matrices[distinct.index(request)] for request in requests]


def _index(tables: Tables, customers: LoadedCustomers, rows_per_partition: int) -> CustomerIndex:
    return CustomerIndex.build(
        customers.hashes, rows=count_receipts(tables), rows_per_partition=min(rows_per_partition, ROWS_IN_CACHE)
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


class FeatureBuilder:
    """Fills the features of one request into matrices, partition by partition.

    Args:
        tables: The tables of a business.
        customers: Whom the queries may ask about, by the request's own words.
        request: What is asked.
    """

    def __init__(self, tables: Tables, customers: LoadedCustomers, request: FeatureRequest) -> None:
        self.features = choose_features(request.vocabulary, request.names)
        self.unseen: dict[str, int] = {}
        self.customers = customers
        self._vocabulary = request.vocabulary
        self._tables = tables
        self._own = [own for own in load_features(request.vocabulary.own) if own.feature in self.features]
        self._observation = request.observation

    def fill(
        self,
        rows: tuple[CustomerRows, CustomerRows | None],
        span: tuple[int, int],
        asked: np.ndarray,
        cutoffs: np.ndarray,
        out: np.ndarray,
        start: int,
    ) -> None:
        """Fill the columns of `out` from `start` on with the features of a partition's queries.

        Args:
            rows: Receipts and engagement of the partition, of `SharedRows`.
            span: Its first customer, and the first after it.
            asked: Position of the customer of each query, ascending, shape (n,).
            cutoffs: Its cutoffs, ascending within a customer, datetime64[us], shape (n,).
            out: float32, shape (features, at least start + n).
            start: Column of the first query.
        """
        query_offsets = np.searchsorted(asked, np.arange(span[0], span[1] + 1))
        queries = query_offsets, cutoffs.view(np.int64)
        receipts, engagement = rows
        words = self._vocabulary
        known = len(words.categories), len(words.channels)
        self._count_unseen(receipts, "transactions.category", 0, known[0])
        self._count_unseen(receipts, "transactions.channel", 1, known[1])
        position = self._position(purchase_entries(words))
        fill_purchases(_arrays(receipts), queries, known, self._observation, position, out, start)
        if engagement is not None:
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
        fill_customers(self.customers, asked, cutoffs, own, here)
        if self._own and len(asked):
            ids, since = self.customers.customer_id[asked], np.timedelta64(self._observation // DAY, "D")
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
