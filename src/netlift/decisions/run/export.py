"""Files of a run, read back and checked for forbidden customers before publication."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from netlift.config.decision import DecisionSettings
from netlift.data.csv_lists import holds_first_column, to_csv
from netlift.data.read import Tables
from netlift.data.run import MANIFEST_FILE
from netlift.data.write import file_digest, parquet_writer, write_bytes
from netlift.decisions.choice.choose import Decided, names_of
from netlift.decisions.eligibility.consents import agreed, read_opt_outs
from netlift.decisions.eligibility.contact_history import CAMPAIGNS_FILE, CONTACTS_FILE
from netlift.decisions.eligibility.eligibility import Customers
from netlift.decisions.eligibility.journey_events import JOURNEYS_FILE, to_table
from netlift.decisions.eligibility.stops import Stop
from netlift.decisions.run.inputs import read_people
from netlift.decisions.run.log import Log
from netlift.errors import GateRefusedError, NetliftError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

LOG_FILE = "decisions.parquet"


def export_files(channels: Sequence[str], *, is_list: bool = False) -> dict[str, str]:
    """Name in the manifest's digests to file, of what a run keeps and of lists; a trigger's list has no journeys."""
    files = {"decisions": LOG_FILE, "contacts": CONTACTS_FILE, "campaigns": CAMPAIGNS_FILE}
    files |= {} if is_list else {"journeys": JOURNEYS_FILE}
    return files | list_files(channels)


def list_files(channels: Iterable[str]) -> dict[str, str]:
    """Name in a manifest's digests to file, of the lists of channels."""
    files: dict[str, str] = {}
    for channel in channels:
        files |= {f"export_{channel}": f"export_{channel}.parquet", f"export_{channel}_csv": f"export_{channel}.csv"}
    return files


def write_files(folder: Path, log: Log, *, outcome_days: float) -> None:
    """Write log, contacts, campaign and what journeys did.

    Args:
        folder: Where to.
        log: The run.
        outcome_days: Length of the outcome window by which the contacts will be read.
    """
    writer = None
    try:
        for part in log.tables():
            writer = writer or parquet_writer(folder / LOG_FILE, part.schema)
            writer.write_table(part)
    finally:
        if writer is not None:
            writer.close()
    _write(folder / CONTACTS_FILE, log.contacts())
    _write(folder / CAMPAIGNS_FILE, log.campaigns(outcome_days=outcome_days))
    if log.night is not None:
        _write(folder / JOURNEYS_FILE, to_table(log.night.events))


def write_lists(folder: Path, lists: Mapping[str, pa.Table], *, for_excel: bool) -> None:
    """Write the lists of channels.

    Args:
        folder: Where to.
        lists: Channel to its list.
        for_excel: CSV with semicolons and a byte-order mark.
    """
    for channel, table in lists.items():
        _write(folder / f"export_{channel}.parquet", table)
        write_bytes(folder / f"export_{channel}.csv", to_csv(table, for_excel=for_excel))


def write_waiting(folder: Path, channels: Iterable[str], *, run_key: str) -> None:
    """Write the manifest of lists that wait for approval: they have one of their own, which the digest seen is of."""
    digests = {name: file_digest(folder / file) for name, file in list_files(channels).items()}
    manifest = {"schema_version": 1, "run_key": run_key, "digests": digests}
    write_bytes(folder / MANIFEST_FILE, json.dumps(manifest, indent=1).encode())


def prove_exports(
    folder: Path,
    tables: Tables,
    decision: DecisionSettings,
    decided: Decided,
    customers: Customers,
    positions: pd.Index,
    stops: Sequence[Stop] = (),
) -> None:
    """Read the lists back and hold everybody on them against every rule, and against consents read anew.

    Args:
        folder: Where the lists are.
        tables: The tables, whose consents are read once more.
        decision: The rules.
        decided: What was decided.
        customers: What was known of customers.
        positions: Customers in their order.
        stops: What is stopped by now.

    Raises:
        GateRefusedError: Somebody has taken a consent back, or stopped an offer or a channel, since the run began.
        NetliftError: The files are not what was decided; a defect, and nothing is shown.
    """
    import pandas as pd
    import pyarrow.parquet as pq

    listed: dict[str, np.ndarray] = {}
    days: set[date] = set()
    names = names_of(decided.options)
    for channel in decision.channels:
        table = pq.read_table(folder / f"export_{channel}.parquet", page_checksum_verification=True)
        ids = table["customer_id"].to_pylist()
        at = positions.get_indexer(pd.Index(ids))
        _require(bool((at >= 0).all()), channel, "customers")
        option = decided.draw.option[at]
        written = np.array(table["offer_id"].to_pylist(), dtype=object)
        _require(bool((option >= 0).all() and (written == names[option]).all()), channel, "offers")
        closed = customers.left | customers.held_out | customers.reserved
        step = decided.draw.in_journey[at]
        _require(bool((customers.in_journey[at] == step).all()), channel, "customers of journeys")
        if channel in customers.consent:
            closed |= customers.opted_out[channel] | customers.pressed[channel] | ~customers.consent[channel]
        _require(not closed[at].any(), channel, "customers who are not to be contacted")
        _require(bool((decided.eligibility.explorable[at, option] | step).all()), channel, "options that are not open")
        in_csv = holds_first_column((folder / f"export_{channel}.csv").read_bytes(), ids)
        _require(in_csv, channel, "rows of the CSV")
        _require_no_stop(stops, written, channel)
        listed[channel] = at
        days |= set(table["as_of"].unique().to_pylist())
    everybody = np.sort(np.concatenate([*listed.values()]))
    given = np.flatnonzero(decided.draw.option >= 0)
    _require(np.array_equal(everybody, given), "all channels", "other customers, or some of them twice,")
    _require(len(days) <= 1, "all channels", "days")
    for day in days:
        _require_consents(tables, decision, listed, positions, as_of=day)


def _require_no_stop(stops: Sequence[Stop], offers: np.ndarray, channel: str) -> None:
    """Refuse a list with what was stopped while it was made."""
    for offer in dict.fromkeys(offers):
        for stop in stops:
            if stop.covers(offer, channel):
                listed = int((offers == offer).sum())
                raise GateRefusedError(
                    f"{stop.family} {stop.name} was stopped while this ran, and {listed:,} customers on the list of "
                    f"{channel} would have got {offer}, so nothing was written; run again"
                )


def _require_consents(
    tables: Tables, decision: DecisionSettings, listed: Mapping[str, np.ndarray], positions: pd.Index, *, as_of: date
) -> None:
    """Consents and opt-outs as their sources say now, read anew."""
    used = [channel for channel, at in listed.items() if len(at)]
    people = read_people(
        tables, positions.to_numpy(dtype=object), [decision.consent_column(channel) for channel in used]
    )
    opted_out = read_opt_outs(tables, decision, positions, used, as_of=as_of)
    for channel in used:
        holds = agreed(people[decision.consent_column(channel)]) & ~opted_out[channel]
        lost = int((~holds[listed[channel]]).sum())
        if lost:
            raise GateRefusedError(
                f"consent: {lost:,} of {len(listed[channel]):,} customers listed for {channel} have taken their "
                "consent back while this ran, so nothing was written; run again"
            )


def _require(holds: bool, channel: str, what: str) -> None:  # noqa: FBT001 - what is held, not an option
    if not holds:
        raise NetliftError(
            f"the list of {channel} holds {what} that were not decided; this is a defect of netlift, and nothing "
            "was written"
        )


def _write(path: Path, table: pa.Table) -> None:
    with parquet_writer(path, table.schema) as writer:
        writer.write_table(table)


__all__ = ["LOG_FILE", "export_files", "list_files", "prove_exports", "write_files", "write_lists", "write_waiting"]
