"""Business settings: tables, currency, zone, models and state; one YAML of `configs/` each."""

from __future__ import annotations

import os
import re
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from netlift.config.bounds import Money
from netlift.config.decision import DecisionSettings
from netlift.config.names import NameSettings
from netlift.config.next_purchase import NextPurchaseSettings
from netlift.config.readout import ReadoutSettings
from netlift.config.segments import SegmentSettings
from netlift.config.settings import Settings, did_you_mean, load_settings

TABLE_NAMES = ("customers", "transactions", "campaigns", "contacts", "offers", "events", "surveys", "item_scores")
REQUIRED_TABLES = ("customers", "transactions")
AttributeType = Literal["number", "text"]
STORES = ("s3://", "gs://", "hdfs://", "file://")
ColumnType = Literal["id", "instant", "date", "money", "number", "flag", "text"]
TableName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,59}$")]
LONGEST_PATH, LONGEST_PART = 1000, 255
NEWEST_ROW = "newest_row"
FLAG = "churned"
"""The column of an extract of customers that says who left."""
ACCEPTABLE = (
    "after-complete-until",
    "before-joining",
    "cancelled-after-the-end",
    "control-characters-in-id",
    "formula-as-id",
    "future-rows",
    "margin-above-revenue",
    "newest-alone",
    "one-customer-outweighs",
    "one-receipt-outweighs",
    "positive-return",
    "repeated-rows",
    "silent-to-complete-until",
)
"""Findings of the check that can be right as they are, which only the owner of the data knows."""
TaskName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
"""A task of ours or of a user's own; its name stands in columns of the scores and in the registry."""


def _resolve(path: Path, info: ValidationInfo) -> Path:
    """Paths of a config are relative to the config's own folder."""
    folder = (info.context or {}).get("folder", Path())
    if len(os.fsencode(path)) > LONGEST_PATH or any(len(os.fsencode(part)) > LONGEST_PART for part in path.parts):
        raise ValueError(f"a path holds at most {LONGEST_PATH} bytes, a name in it {LONGEST_PART}")
    return Path(os.path.normpath(Path(folder, path).absolute()))


def _resolve_uri(place: str, info: ValidationInfo) -> str:
    return place if "://" in place else str(_resolve(Path(place), info))


ConfigPath = Annotated[Path, AfterValidator(_resolve)]


def _iana(zone: str) -> str:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("not a time zone of the IANA list, such as Europe/Moscow") from error
    return zone


class TableSource(Settings):
    """Where one table is.

    Attributes:
        path: A Parquet or CSV file (also `.csv.gz`), a folder of either, a pattern such as `receipts/2026-*.parquet`,
            or a DuckDB file. Files may lie in a store as well: `s3://bucket/receipts`, `hdfs://host:8020/receipts`.
        address: Where `path` names a store, that; nobody writes it.
        table: The table's name inside a DuckDB file or a database; there also `schema.table`. Alone it is a table of
            Spark's catalog.
        url_env: Of a database: the environment variable that holds its URL, with user and password; never the URL.
        updated_at: Of a table of a database or catalog: its column whose newest moment says when it was last written.
            Consents are not known from a table without it.
        columns: Contract column to the source's own name, where they differ.
        encoding: How a CSV is written where it is not UTF-8, such as cp1251.
        delimiter: What stands between the values of a CSV where it does not tell.
        decimal: What stands before the fraction of numbers that are text; with a comma, spaces may group thousands.
        date_format: How days that are text are written where it is not ISO 8601: %d, %m and %Y once each.
        zone: Of moments that name none; None for the business's.
        also: Columns beyond the contract that own features and metrics read, and what each is.
    """

    path: ConfigPath | None = Field(default=None, exclude=True)
    address: str | None = Field(default=None, exclude=True)
    table: str | None = None
    url_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = Field(default=None, exclude=True)
    updated_at: str | None = Field(default=None, exclude=True)
    columns: dict[str, str] = Field(default_factory=dict)
    encoding: str | None = None
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = Field(default=None, exclude=True)
    decimal: Literal[".", ","] = "."
    date_format: str | None = None
    zone: str | None = None
    also: dict[TableName, ColumnType] = Field(default_factory=dict)

    @property
    def is_file(self) -> bool:
        """Whether the table is made of files; else it is one of a database or of Spark's catalog."""
        return self.path is not None or self.address is not None or (self.table is None and self.url_env is None)

    @model_validator(mode="before")
    @classmethod
    def _is_address(cls, content: Any) -> Any:
        path = content.get("path") if isinstance(content, dict) else None
        if not isinstance(path, str) or "://" not in path:
            return content
        if not path.startswith(STORES):
            raise ValueError(f"path begins with none of {', '.join(STORES)}; a database is table with url_env")
        return {key: value for key, value in content.items() if key != "path"} | {"address": path}

    @model_validator(mode="after")
    def _one_place(self) -> TableSource:
        if self.address is not None and self.table is not None:
            raise ValueError("a DuckDB file is read where it lies: bring it here, or export its tables to Parquet")
        if sum(each is not None for each in (self.path, self.address, self.url_env)) > 1:
            raise ValueError("needs path, for files, or table with url_env, for a table of a database")
        if self.is_file and self.path is None and self.address is None:
            raise ValueError("needs path, for files, or table: with url_env of a database, without of Spark's catalog")
        if self.url_env is not None:
            written = [n for n in ("encoding", "delimiter", "date_format") if getattr(self, n) is not None]
            written += ["decimal"] if self.decimal != "." else []
            if self.table is None:
                raise ValueError("url_env needs table: the table's name in the database, such as crm.customers")
            if written:
                raise ValueError(f"{', '.join(written)}: of files of text; a database's columns have types")
        elif self.is_file and self.updated_at is not None:
            raise ValueError("updated_at is of a table of a database; when files were written, their folder tells")
        return self

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, encoding: str | None) -> str | None:
        if encoding is None:
            return None
        try:
            "".encode(encoding)
        except LookupError as error:
            raise ValueError("no encoding that Python knows, such as cp1251 or utf-16") from error
        return encoding

    @field_validator("date_format")
    @classmethod
    def _whole_day(cls, date_format: str | None) -> str | None:
        if date_format is not None and sorted(re.findall("%(.)", date_format)) != ["Y", "d", "m"]:
            raise ValueError("needs %d, %m and %Y once each and nothing else of strftime, such as '%d.%m.%Y'")
        return date_format

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, zone: str | None) -> str | None:
        return zone if zone is None else _iana(zone)


class DataSettings(Settings):
    """The tables, by name; or an adapter that makes them out of a public data set.

    Attributes:
        tables: Source of each contract table.
        own_tables: Source of each table beyond the contract that own features and metrics read: rows of customers
            (`customer_id`), dated by `occurred_at`, with the columns that `also` names.
        adapter: Name of the adapter, when the files are not in the contract's form.
        path: The adapter's folder.
        attributes: Columns of `customers` that become features beside the contract's own.
        attribute_types: Whether an attribute is a number or a text, where the source does not tell as a CSV never does.
        complete_until: Last day whose rows are all there; or a column whose newest value says so (`events.occurred_at`,
            `transactions.ingested_at`); or `newest_row`, of whatever table. None takes the day of the newest receipt.
        snapshot_of: The day of an extract that is all there is: one table of customers with a flag of who left, no
            receipts and no history. None for a business with receipts.
    """

    tables: dict[str, TableSource] = Field(default_factory=dict)
    own_tables: dict[TableName, TableSource] = Field(default_factory=dict)
    adapter: Literal["cdnow", "online_retail", "complete_journey", "hillstrom"] | None = None
    path: ConfigPath | None = Field(default=None, exclude=True)
    attributes: tuple[str, ...] = ()
    attribute_types: dict[str, AttributeType] = Field(default_factory=dict)
    complete_until: date | str | None = None
    snapshot_of: date | None = None

    @field_validator("complete_until", mode="before")
    @classmethod
    def _day_or_watermark(cls, value: date | str | None) -> date | str | None:
        if not isinstance(value, str) or value == NEWEST_ROW:
            return value
        table, _, column = value.partition(".")
        if table in TABLE_NAMES and column:
            return value
        try:
            return date.fromisoformat(value)
        except ValueError as error:
            raise ValueError(
                f"needs a day such as 2026-09-30, a column such as events.occurred_at, or {NEWEST_ROW}"
            ) from error

    @field_validator("tables")
    @classmethod
    def _known_tables(cls, tables: dict[str, TableSource]) -> dict[str, TableSource]:
        unknown = [name for name in tables if name not in TABLE_NAMES]
        if unknown:
            raise ValueError(f"unknown table {unknown[0]!r}{did_you_mean(unknown[0], list(TABLE_NAMES))}")
        return tables

    @field_validator("own_tables")
    @classmethod
    def _beyond_the_contract(cls, tables: dict[str, TableSource]) -> dict[str, TableSource]:
        if taken := [name for name in tables if name in TABLE_NAMES]:
            raise ValueError(f"{taken[0]!r} is a table of the contract: name it under tables")
        return tables

    @property
    def sources(self) -> dict[str, TableSource]:
        """Where every table is, those beyond the contract last."""
        return {**self.tables, **self.own_tables}

    @model_validator(mode="after")
    def _one_source(self) -> DataSettings:
        if (self.adapter is None) == (not self.tables):
            raise ValueError("give either tables or an adapter with its path")
        if self.adapter and self.path is None:
            raise ValueError(f"adapter {self.adapter} needs the path of the folder that holds its files")
        if self.adapter and self.own_tables:
            raise ValueError("own_tables stand beside tables; an adapter makes all there are itself")
        if self.snapshot_of is not None:
            self._require_snapshot()
        missing = [name for name in REQUIRED_TABLES if self.tables and name not in self.tables]
        if missing and self.snapshot_of is None:
            raise ValueError(f"tables must name {' and '.join(missing)}")
        unknown = [name for name in self.attribute_types if name not in self.attributes]
        if unknown:
            raise ValueError(f"attribute_types names {unknown[0]!r}, which attributes does not")
        return self

    def _require_snapshot(self) -> None:
        if set(self.sources) != {"customers"} or self.complete_until is not None:
            raise ValueError("snapshot_of is for a single table, customers; with receipts leave it out")
        if not self.attributes:
            raise ValueError("snapshot_of needs attributes: the columns of customers that a model may learn from")
        flag = self.tables["customers"].columns.get(FLAG, FLAG)
        told = [name for name in self.attributes if name in (FLAG, flag)]
        if told:
            raise ValueError(f"attributes names {told[0]!r}, which is the flag that is to be predicted: take it out")


class EngineSettings(Settings):
    """Where the tables are read, and what the machine may spend.

    Attributes:
        kind: What reads the tables: DuckDB within the process, or Spark by Spark Connect.
        threads: Threads of every engine on this machine: DuckDB, LightGBM, the kernels.
        memory_mb: What DuckDB may hold before it spills to disk.
        rows_per_partition: Receipts held at once while features are made.
        remote: Of Spark: where Spark Connect answers, such as `sc://spark.shop.local:15002`.
        partitions: Of Spark: into how many parts customers are split; None for parts of some 500,000 receipts.
        staging: Of Spark: a folder that its workers and this machine see, for what is on its way here; a path or what
            pyarrow reads (`hdfs://`, `s3://`). None for a folder below `state`.
    """

    kind: Literal["duckdb", "spark"] = "duckdb"
    threads: Annotated[int, Field(ge=1, le=256)]
    memory_mb: Annotated[int, Field(ge=256, le=16_000_000)] = 4096
    rows_per_partition: Annotated[int, Field(ge=1000, le=1_000_000_000)] = 4_000_000
    remote: Annotated[str, Field(pattern=r"^sc://[^/:]+(:[0-9]+)?(/.*)?$")] | None = None
    partitions: Annotated[int, Field(ge=1, le=100_000)] | None = None
    staging: Annotated[str, AfterValidator(_resolve_uri)] | None = None

    @model_validator(mode="after")
    def _where_spark_is(self) -> EngineSettings:
        given = [name for name in ("remote", "partitions", "staging") if getattr(self, name) is not None]
        if self.kind == "spark" and self.remote is None:
            raise ValueError("kind: spark needs remote, where Spark Connect answers, such as sc://localhost:15002")
        if self.kind != "spark" and given:
            raise ValueError(f"{', '.join(given)}: is of kind: spark")
        return self


class CheckSettings(Settings):
    """How much of what is tolerated in the tables before it is an error.

    Attributes:
        max_orphan_share: Receipts, contacts or events of customers that `customers` does not know.
        max_left_out_share: Rows of a table that break the contract and are left out; more stop what reads the table.
        max_customer_share: Receipts of one customer, where that is far above the mean as well.
        srm_alarm: A campaign whose planned shares explain the arms with less than this p-value is alarmed.
        accept: Findings that are right as they are, as table.code, such as events.repeated-rows: notes from then on.
    """

    max_orphan_share: Annotated[float, Field(ge=0, le=1)] = 0.01
    max_left_out_share: Annotated[float, Field(ge=0, lt=1)] = 0.01
    max_customer_share: Annotated[float, Field(gt=0, le=1)] = 0.05
    srm_alarm: Annotated[float, Field(gt=0, lt=0.1)] = 0.001
    accept: tuple[str, ...] = ()

    @field_validator("accept")
    @classmethod
    def _table_and_code(cls, accept: tuple[str, ...]) -> tuple[str, ...]:
        known = [f"{table}.{code}" for table in TABLE_NAMES for code in ACCEPTABLE]
        unknown = [name for name in accept if name not in known]
        if unknown:
            code = unknown[0].rpartition(".")[2]
            hint = did_you_mean(code, list(ACCEPTABLE))
            raise ValueError(f"{unknown[0]!r} is no table.code that can be accepted{hint}")
        return accept


class ScoreSettings(Settings):
    """What stops the nightly scores.

    Attributes:
        max_data_age_days: Days between the newest receipt and the day of the scores.
        max_unseen_share: Customers with a value that the vocabulary of training does not name, beyond training's own.
        max_drifted_share: Features that drifted (population stability index above .25).
    """

    max_data_age_days: Annotated[int, Field(ge=1, le=36_600)]
    max_unseen_share: Annotated[float, Field(gt=0, le=1)]
    max_drifted_share: Annotated[float, Field(gt=0, le=1)]


class TrackingSettings(Settings):
    """A shared MLflow server in place of the store in the state folder.

    Attributes:
        uri_env: Environment variable that holds the server's address; a user and a password may stand in it.
        registry_uri_env: The same of the model registry, where it is another server.
    """

    uri_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$")]
    registry_uri_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$")] | None = None


class OperationsSettings(Settings):
    """What those who run the jobs are told.

    Attributes:
        metrics_file: Where the last run of each verb is written in Prometheus' text format, such as
            /var/lib/node_exporter/netlift.prom; None writes none.
    """

    metrics_file: ConfigPath | None = None


class RetentionSettings(Settings):
    """What a contact to keep a customer costs and does, where no experiment has measured it.

    Attributes:
        save_rate: Share of those about to leave whom the offer keeps.
        take_up: Share of those who would have stayed who take the offer all the same.
        incentive: What a taken offer costs.
        contact_cost: What the contact costs.
    """

    save_rate: Annotated[float, Field(gt=0, le=1)]
    take_up: Annotated[float, Field(ge=0, le=1)]
    incentive: Money
    contact_cost: Money


class BusinessSettings(Settings):
    """One business.

    Attributes:
        name: Short name; part of file names.
        currency: ISO code of all money.
        time_zone: The one zone; days begin and end by it.
        data: Where the tables are.
        models: Model definition of each task that this business trains.
        state: Folder of everything written: store, artifacts, outputs.
        engine: What the machine may spend.
        check: What the check tolerates.
        score: What stops the nightly scores.
        retention: Economics of keeping a customer; None where the scores need not say whom a contact would pay for.
        segments: How customers are divided; None where the business does not. It has its own digest: models and scores
            do not depend on it.
        readout: How campaigns are read; None where nobody reads any.
        decision: Which offer may go to whom; None where nothing goes out. It has its own digest: models and scores do
            not depend on it.
        next_purchase: How far ahead next purchases are foretold. It has its own digest: models and scores do not depend
            on it.
        names: What pages call offers, channels, segments and attributes. It has its own digest: nothing but pages
            depends on it.
        tracking: The MLflow server; None for a store in the state folder.
        operations: What those who run the jobs are told; nothing depends on it.
        seed: Where all randomness comes from.
        ids_readable_by: Who may read files that hold customers' ids: their owner alone, his group, or everyone.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,40}$")]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    time_zone: str
    data: DataSettings
    models: dict[TaskName, ConfigPath] = Field(exclude=True, min_length=1)
    state: ConfigPath = Field(exclude=True)
    engine: EngineSettings = Field(exclude=True)
    check: CheckSettings = CheckSettings()
    score: ScoreSettings
    retention: RetentionSettings | None = None
    segments: SegmentSettings | None = Field(default=None, exclude=True)
    readout: ReadoutSettings | None = Field(default=None, exclude=True)
    decision: DecisionSettings | None = Field(default=None, exclude=True)
    next_purchase: NextPurchaseSettings = Field(default_factory=NextPurchaseSettings, exclude=True)
    names: NameSettings = Field(default_factory=NameSettings, exclude=True)
    tracking: TrackingSettings | None = Field(default=None, exclude=True)
    operations: OperationsSettings = Field(default_factory=OperationsSettings, exclude=True)
    seed: Annotated[int, Field(ge=0, lt=2**31)]
    ids_readable_by: Literal["owner", "group", "everyone"] = Field(default="owner", exclude=True)

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        return _iana(zone)

    @model_validator(mode="after")
    def _tables_of_the_engine(self) -> BusinessSettings:
        on_spark = self.engine.kind == "spark"
        for name, source in self.data.tables.items():
            if on_spark and source.url_env is not None:
                raise ValueError(f"data.tables.{name}: with engine.kind: spark a table is files or of Spark's catalog")
            if not on_spark and not source.is_file and source.url_env is None:
                raise ValueError(
                    f"data.tables.{name}: table needs path, url_env, or engine.kind: spark for its catalog"
                )
        if on_spark and self.data.adapter:
            raise ValueError("engine.kind: spark reads data.tables; an adapter's files are read by duckdb")
        return self

    @model_validator(mode="after")
    def _only_churn_of_a_snapshot(self) -> BusinessSettings:
        if self.data.snapshot_of is not None:
            parts = {"retention": self.retention, "segments": self.segments, "readout": self.readout}
            needless = [name for name, part in (parts | {"decision": self.decision}).items() if part is not None]
            needless += [f"models.{task}" for task in self.models if task != "churn"]
            if needless:
                raise ValueError(f"{', '.join(needless)}: needs receipts, which an extract (data.snapshot_of) has not")
        return self


def load(path: Path | str) -> BusinessSettings:
    """Read a business configuration.

    Raises:
        ConfigError: With all mistakes of the file at once.
    """
    return load_settings(Path(path), BusinessSettings)
