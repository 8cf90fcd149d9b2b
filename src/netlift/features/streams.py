"""Rows sorted by customer and time as machine words, partitioned by customer.

A row is four or five 64-bit words: the moment in local microseconds, two numbers, the customer's position with the
row's codes, and, where a table says so, the moment at which the row became known. One pass over the source appends
each row to the open block of its customer's partition; a partition that is asked for is counted, placed and, where
the source was not in time order, sorted. What exceeds the rows that may be held waits in a temporary file.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

import numpy as np
from numba import njit

from netlift.data.engines.engine import Engine
from netlift.errors import DataError, ResourceError

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

AT, FIRST, SECOND, CODES, KNOWN = 0, 1, 2, 3, 4
BLOCK_ROWS = 8192
LOOKED_UP = 2048
EMPTY = np.uint64(2**64 - 1)
ONE = np.uint64(1)
LARGEST_INT = 2**63 - 1


@dataclass(frozen=True, kw_only=True)
class CustomerIndex:
    """Where each customer's rows go.

    Attributes:
        slots: Hash and position of each customer, an open-addressing table, uint64, shape (2 m,), m a power of two.
        customers: How many customers there are.
        shift: A partition holds 2**shift customers of consecutive positions.
    """

    slots: np.ndarray
    customers: int
    shift: int

    @classmethod
    def build(cls, hashes: np.ndarray, *, rows: int, rows_per_partition: int) -> CustomerIndex:
        """An index of distinct hashes, with partitions of about so many rows.

        Raises:
            DataError: Two customers share an id.
        """
        customers = len(hashes)
        partitions = max(1, -(-rows // rows_per_partition))
        shift = max(0, int(np.ceil(np.log2(max(1.0, customers / partitions)))))
        size = 1 << max(4, int(2 * customers).bit_length())
        slots = np.full(2 * size, EMPTY, dtype=np.uint64)
        repeated = _insert(slots, hashes)
        if repeated:
            raise DataError(
                f"customers: {repeated:,} rows repeat a customer_id (or, once in 2**64 pairs, its hash); one row per "
                "customer is needed, `netlift check` counts them"
            )
        return cls(slots=slots, customers=customers, shift=shift)

    @property
    def partitions(self) -> int:
        """Number of partitions."""
        return max(1, -(-self.customers >> self.shift) if self.customers else 1)

    def span(self, partition: int) -> tuple[int, int]:
        """First position of a partition, and the first after it."""
        first = partition << self.shift
        return first, min(self.customers, first + (1 << self.shift))


@dataclass(frozen=True, kw_only=True)
class CustomerRows:
    """Rows of the customers of one partition, sorted by customer, then by all words.

    Attributes:
        words: int64, shape (n, 4 or 5), see the module.
        offsets: Customer i of the partition has rows offsets[i] to offsets[i + 1]; int64.
        code_counts: Rows by low byte and by second byte of the codes, shape (2, 256).
    """

    words: np.ndarray
    offsets: np.ndarray
    code_counts: np.ndarray


class PartitionedRows:
    """Rows of a source, by partition of customers.

    Args:
        index: Where each customer's rows go; rows of other customers are left out.
        width: Words of a row.
        held_rows: Rows kept in memory; what comes later waits in a temporary file (in TMPDIR).
    """

    def __init__(self, index: CustomerIndex, *, width: int, held_rows: int) -> None:
        self._index = index
        block_rows = max(16, min(BLOCK_ROWS, held_rows // 8))
        self._open = np.empty((index.partitions, block_rows, width), dtype=np.int64)
        self._fill = np.zeros(index.partitions, dtype=np.int64)
        self._held: list[list[np.ndarray]] = [[] for _ in range(index.partitions)]
        self._filed: list[list[tuple[int, int]]] = [[] for _ in range(index.partitions)]
        self._room = held_rows
        self._file: IO[bytes] | None = None

    def append(self, batch: pa.RecordBatch, *, table: str) -> None:
        """Add a batch of columns customer hash, moment, two numbers, codes and, for five words, the moment known.

        Raises:
            DataError: A column that must not be missing is.
        """
        columns = [to_numpy(batch.column(i), f"{table}.{name}") for i, name in enumerate(batch.schema.names)]
        columns[0] = columns[0].view(np.uint64)
        known = columns[5] if len(columns) > 5 else columns[1][:0]
        row, values = 0, self._open.view(np.float64)
        while row < len(batch):
            row = _append(
                (*columns[:5], known), self._index.slots, self._index.shift, row, self._open, values, self._fill
            )
            if row < len(batch):
                for partition in np.flatnonzero(self._fill == self._open.shape[1]):
                    self._put(int(partition))

    def _put(self, partition: int) -> None:
        block = self._open[partition, : self._fill[partition]]
        self._fill[partition] = 0
        if len(block) <= self._room:
            self._room -= len(block)
            self._held[partition].append(block.copy())
            return
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile()
            self._filed[partition].append((self._file.tell(), block.size))
            self._file.write(block.data)
        except OSError as error:
            raise ResourceError(
                f"rows cannot be put aside in {tempfile.gettempdir()} ({error.strerror}): free space "
                "there, point TMPDIR elsewhere or raise engine.rows_per_partition"
            ) from error

    def take(self, partition: int) -> CustomerRows:
        """The sorted rows of a partition; they leave this container."""
        first, last = self._index.span(partition)
        blocks = [*self._blocks(partition), self._open[partition, : self._fill[partition]]]
        offsets = np.zeros(last - first + 1, dtype=np.int64)
        code_counts = np.zeros((2, 256), dtype=np.int64)
        for block in blocks:
            _count(block, first, offsets, code_counts)
        np.cumsum(offsets, out=offsets)
        words = np.empty((int(offsets[-1]), self._open.shape[2]), dtype=np.int64)
        cursor = offsets[:-1].copy()
        for block in blocks:
            _place(block, first, cursor, words)
        _sort(words, offsets)
        self._held[partition] = []
        self._fill[partition] = 0
        return CustomerRows(words=words, offsets=offsets, code_counts=code_counts)

    def _blocks(self, partition: int) -> Iterator[np.ndarray]:
        yield from self._held[partition]
        for position, size in self._filed[partition]:
            if self._file is not None:
                self._file.seek(position)
                yield np.fromfile(self._file, dtype=np.int64, count=size).reshape(-1, self._open.shape[2])


def read_rows(engine: Engine, rows: ir.Table, index: CustomerIndex, *, table: str, held_rows: int) -> PartitionedRows:
    """Read an Ibis expression of five or six columns (see `PartitionedRows.append`) into partitions."""
    width = len(rows.columns) - 1
    partitioned = PartitionedRows(index, width=width, held_rows=held_rows)
    for batch in engine.batches(rows):
        partitioned.append(batch, table=table)
    return partitioned


def recode(rows: CustomerRows, codes: np.ndarray, *, flags: int, since: int) -> CustomerRows:
    """The same rows with other codes, in the order that these give.

    Args:
        rows: Rows of a partition.
        codes: New code of each low and of each second byte, int64, shape (2, 256).
        flags: Bits of the codes above the second byte that stay.
        since: Only rows from this moment on are counted, in local microseconds.
    """
    words = rows.words.copy()
    code_counts = np.zeros((2, 256), dtype=np.int64)
    _recode(words, codes, flags, since, code_counts)
    _sort(words, rows.offsets)
    return CustomerRows(words=words, offsets=rows.offsets, code_counts=code_counts)


def to_numpy(column: pa.Array, name: str) -> np.ndarray:
    """The values of a column, instants as microseconds.

    Raises:
        DataError: Values are missing.
    """
    import pyarrow as pa

    if column.null_count:
        raise DataError(
            f"{name}: {column.null_count:,} values are missing where the contract needs one; `netlift check` "
            "counts them, the source must be corrected"
        )
    plain = column.view(pa.int64()) if pa.types.is_timestamp(column.type) else column
    return plain.to_numpy(zero_copy_only=True)


@njit(cache=True, nogil=True)
def _find(slots: np.ndarray, key: np.uint64) -> np.uint64:
    """Where the pair of a hash is or would be."""
    mask = np.uint64(len(slots) - 1)
    slot = (key + key) & mask
    while slots[slot + ONE] != EMPTY and slots[slot] != key:
        slot = (slot + ONE + ONE) & mask
    return slot


@njit(cache=True, nogil=True)
def _insert(slots: np.ndarray, hashes: np.ndarray) -> int:
    """Give each hash its position; returns how many were there already."""
    repeated = 0
    for i in range(len(hashes)):
        slot = _find(slots, hashes[i])
        if slots[slot + ONE] != EMPTY:
            repeated += 1
        slots[slot] = hashes[i]
        slots[slot + ONE] = np.uint64(i)
    return repeated


@njit(cache=True, nogil=True)
def _append(
    columns: tuple[np.ndarray, ...],
    slots: np.ndarray,
    shift: int,
    start: int,
    blocks: np.ndarray,
    values: np.ndarray,
    fill: np.ndarray,
) -> int:
    """Rows from `start` on to the blocks of their partitions; stops at the row that finds its block full.

    Customers are looked up some thousand at a time: apart from the writing, one search need not wait for another.
    """
    hashes, at, first, second, codes, known = columns
    found = np.empty(LOOKED_UP, dtype=np.int64)
    for begin in range(start, len(hashes), LOOKED_UP):
        end = min(len(hashes), begin + LOOKED_UP)
        for i in range(begin, end):
            found[i - begin] = np.int64(slots[_find(slots, hashes[i]) + ONE])
        for i in range(begin, end):
            customer = found[i - begin]
            if customer < 0:
                continue
            partition = customer >> shift
            k = fill[partition]
            if k == blocks.shape[1]:
                return i
            blocks[partition, k, AT] = at[i]
            values[partition, k, FIRST] = first[i]
            values[partition, k, SECOND] = second[i]
            blocks[partition, k, CODES] = (customer << 32) | codes[i]
            if len(known):
                blocks[partition, k, KNOWN] = known[i]
            fill[partition] = k + 1
    return len(hashes)


@njit(cache=True, nogil=True)
def _count(block: np.ndarray, first: int, offsets: np.ndarray, code_counts: np.ndarray) -> None:
    for i in range(len(block)):
        word = block[i, CODES]
        offsets[(word >> 32) - first + 1] += 1
        code_counts[0, word & 255] += 1
        code_counts[1, (word >> 8) & 255] += 1


@njit(cache=True, nogil=True)
def _recode(words: np.ndarray, codes: np.ndarray, flags: int, since: int, code_counts: np.ndarray) -> None:
    for i in range(len(words)):
        word = words[i, CODES]
        low, second = codes[0, word & 255], codes[1, (word >> 8) & 255]
        words[i, CODES] = ((word >> 32) << 32) | (word & flags) | (second << 8) | low
        if words[i, AT] >= since:
            code_counts[0, low] += 1
            code_counts[1, second] += 1


@njit(cache=True, nogil=True)
def _place(block: np.ndarray, first: int, cursor: np.ndarray, words: np.ndarray) -> None:
    for i in range(len(block)):
        customer = (block[i, CODES] >> 32) - first
        k = cursor[customer]
        for word in range(block.shape[1]):
            words[k, word] = block[i, word]
        cursor[customer] = k + 1


@njit(cache=True, nogil=True)
def _is_before(words: np.ndarray, i: int, j: int) -> bool:
    for word in range(words.shape[1]):
        a, b = words[i, word], words[j, word]
        if a != b:
            if word in (FIRST, SECOND):  # bits of floats are in the order of integers once those of negatives turn
                a, b = a ^ ((a >> 63) & LARGEST_INT), b ^ ((b >> 63) & LARGEST_INT)
            return a < b
    return False


@njit(cache=True, nogil=True)
def _sort(words: np.ndarray, offsets: np.ndarray) -> None:
    """Order the rows of each customer by all words, so that the source's row order changes nothing (Shell, 1959)."""
    for customer in range(len(offsets) - 1):
        low, high = offsets[customer], offsets[customer + 1]
        sorted_already = True
        for i in range(low + 1, high):
            if _is_before(words, i, i - 1):
                sorted_already = False
                break
        if sorted_already:
            continue
        gap = 1
        while gap < (high - low) // 3:
            gap = 3 * gap + 1
        while gap > 0:
            for i in range(low + gap, high):
                j = i
                while j >= low + gap and _is_before(words, j, j - gap):
                    for word in range(words.shape[1]):
                        words[j, word], words[j - gap, word] = words[j - gap, word], words[j, word]
                    j -= gap
            gap //= 3
