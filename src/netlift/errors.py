"""Error classes that name the problem, the remedy and the exit code."""

from __future__ import annotations

OUT_OF_MEMORY = (
    "out of memory; lower engine.memory_mb, engine.rows_per_partition or engine.threads in the config, or give the job "
    "more memory"
)


class NetliftError(Exception):
    """A failure that netlift foresaw; the command line prints its text and leaves with `exit_code`."""

    exit_code = 1


class ConfigError(NetliftError):
    """A configuration or a model definition that cannot be used; lists all mistakes at once."""

    exit_code = 2


class UsageError(NetliftError):
    """A command called with arguments that cannot be met."""

    exit_code = 2


class DataError(NetliftError):
    """Tables that break the data contract."""

    exit_code = 3


class LeakageError(DataError):
    """A feature that saw what it could not have known at its cutoff."""


class SchemaDriftError(DataError):
    """Columns at scoring that are not those of training."""


class HistoryTooShortError(DataError):
    """Less history than observation, gap and horizon need."""


class GateRefusedError(NetliftError):
    """A gate said no: a model not better, a suspicion, a campaign that nobody randomized."""

    exit_code = 4


class NotRandomizedError(GateRefusedError):
    """Causal learning was asked of contacts whose propensities nobody knows."""


class ModelIntegrityError(GateRefusedError):
    """A stored model whose files are not those that were registered."""


class BusyError(NetliftError):
    """Another process holds a lock or a store, or writes what was being read; the same call may pass later."""

    exit_code = 5


class ResourceError(NetliftError):
    """Not enough disk or memory."""

    exit_code = 6
