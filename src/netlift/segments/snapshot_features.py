"""Features of snapshots: purchases, attributes, surveys and champion scores at several cutoffs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

import numpy as np

from netlift.config.business import BusinessSettings
from netlift.config.segments import SegmentSettings
from netlift.data.read import Tables
from netlift.features.build import iterate_together
from netlift.features.matrix import FeatureMatrix
from netlift.features.shared_rows import FeatureRequest
from netlift.features.vocabulary import Vocabulary
from netlift.registry.champions import Champion, in_population, select_features

if TYPE_CHECKING:
    import pandas as pd

OWN_FEATURES = (
    "purchases_365d",
    "purchase_days_365d",
    "purchase_days_all",
    "revenue_365d",
    "margin_365d",
    "days_since_last_purchase",
    "days_since_first_purchase",
    "days_since_last_purchase_over_gap",
    "tenure_days",
)
CONTACTS = "contacts_30d"
ANSWERS = ("nps", "csi")
PREDICTIONS = ("ltv", "ltv_lower", "ltv_upper", "ltv_sd", "p_churn")


def read_cutoffs(
    tables: Tables,
    settings: BusinessSettings,
    segments: SegmentSettings,
    champions: Sequence[Champion],
    *,
    cutoffs: Sequence[date],
) -> dict[date, pd.DataFrame]:
    """A frame per cutoff with a row per customer who had joined and has not cancelled, in the order of ids.

    All cutoffs, and all that the champions ask, are made in one pass over the receipts.

    Args:
        tables: The tables of the business.
        settings: The business.
        segments: Its segments.
        champions: Those of churn and ltv, as far as there are any.
        cutoffs: First days not seen, ascending.
    """
    import pandas as pd

    parts: dict[date, list[pd.DataFrame]] = {cutoff: [] for cutoff in cutoffs}
    for own, asked in _partitions(tables, settings.engine.rows_per_partition, segments, champions, cutoffs):
        frame = _own_columns(own)
        for champion, matrix in zip(champions, asked, strict=True):
            frame = frame.assign(**_predictions(champion, matrix))
        for cutoff in cutoffs:
            parts[cutoff].append(frame[frame["as_of"] == np.datetime64(cutoff, "us")].drop(columns="as_of"))
    customers = _customers(tables)
    frames = {}
    for cutoff in cutoffs:
        known = pd.concat(parts[cutoff], ignore_index=True) if parts[cutoff] else _own_columns(None)
        frame = known.merge(customers, on="customer_id", how="left")
        for kind in ANSWERS:
            frame[kind] = _newest_answers(tables, segments, kind, cutoff).reindex(frame["customer_id"]).to_numpy()
        left = frame.pop("cancelled_at") < pd.Timestamp(cutoff)
        frames[cutoff] = frame[~left].reset_index(drop=True)
    return frames


def _partitions(
    tables: Tables,
    per_partition: int,
    segments: SegmentSettings,
    champions: Sequence[Champion],
    cutoffs: Sequence[date],
) -> Iterator[tuple[FeatureMatrix, list[FeatureMatrix]]]:
    """Partitions of the customers: our own features, and those that each champion knows, in the same rows."""
    sources = ("contacts",) if "contacts" in tables else ()
    own_request = FeatureRequest(
        vocabulary=Vocabulary(attributes={}, sources=sources),  # type: ignore[arg-type]
        observation_days=segments.observation_days,
        names=(*OWN_FEATURES, *([CONTACTS] if sources else [])),
    )
    requests = [own_request, *(champion.contract.request for champion in champions)]
    instants = np.array(cutoffs, dtype="datetime64[us]")
    for own, *asked in iterate_together(tables, instants, requests, rows_per_partition=per_partition):
        yield own, asked


def _own_columns(matrix: FeatureMatrix | None) -> pd.DataFrame:
    """Our own features as float64 columns, with NaN for what has no source and for predictions not yet made."""
    import pandas as pd

    if matrix is None:
        names = ["customer_id", *OWN_FEATURES, CONTACTS, *PREDICTIONS]
        return pd.DataFrame({name: np.empty(0, dtype=object if name == "customer_id" else float) for name in names})
    columns: dict[str, np.ndarray] = {"customer_id": matrix.customer_id, "as_of": matrix.cutoff}
    columns |= {name: matrix.column(name).astype(np.float64) for name in OWN_FEATURES}
    nothing = np.full(len(matrix), np.nan)
    columns[CONTACTS] = matrix.column(CONTACTS).astype(np.float64) if CONTACTS in matrix.names else nothing
    columns |= dict.fromkeys(PREDICTIONS, nothing)
    return pd.DataFrame(columns)


def _predictions(champion: Champion, matrix: FeatureMatrix) -> dict[str, np.ndarray]:
    """What a champion says of its population, NaN for everybody else."""
    asked = in_population(champion.contract, matrix)
    outputs = champion.model.predict_matrix(select_features(matrix.take(asked), champion.model.names))
    if champion.task == "churn":
        wanted = {"p_churn": "p_churn"}
    else:
        main = ltv_output(champion)
        wanted = {"ltv": main, **{f"ltv_{part}": f"{main}_{part}" for part in ("lower", "upper", "sd")}}
    found = {}
    for column, output in wanted.items():
        found[column] = np.full(len(matrix), np.nan)
        if output in outputs:
            found[column][asked] = outputs[output]
    return found


def ltv_output(champion: Champion) -> str:
    """Name of the output of an ltv champion that holds the value of its horizon: the first."""
    return champion.model.outputs[0]


def _customers(tables: Tables) -> pd.DataFrame:
    names = ["customer_id", "joined_at", "cancelled_at", "acquisition_cost", "acquisition_channel"]
    frame: pd.DataFrame = tables.connection.to_pyarrow(tables["customers"].select(*names)).to_pandas()
    frame["cancelled_at"] = frame["cancelled_at"].astype("datetime64[us]")
    frame["acquisition_cost"] = frame["acquisition_cost"].astype(np.float64)
    channel = frame["acquisition_channel"].astype(object)
    frame["acquisition_channel"] = channel.where(channel.notna(), None)
    return frame


def _newest_answers(tables: Tables, segments: SegmentSettings, kind: str, cutoff: date) -> pd.Series:
    """Newest score of a kind within the days whose answers count, by customer; empty without surveys."""
    import pandas as pd

    if "surveys" not in tables:
        return pd.Series(dtype=np.float64)
    surveys = tables["surveys"]
    end = datetime.combine(cutoff, time())
    start = end - timedelta(days=segments.nps_days)
    seen = surveys.filter((surveys.kind == kind) & (surveys.answered_at >= start) & (surveys.answered_at < end))
    newest = seen.group_by("customer_id").aggregate(score=seen.score.argmax(seen.answered_at))
    frame = tables.connection.to_pyarrow(newest).to_pandas()
    return pd.Series(frame["score"].to_numpy(dtype=np.float64), index=pd.Index(frame["customer_id"], dtype=object))


__all__ = ["ltv_output", "read_cutoffs"]
