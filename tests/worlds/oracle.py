"""The same features, written as Ibis expressions from their formulas: rows filtered by window, then grouped."""

from __future__ import annotations

from itertools import pairwise

import ibis
import numpy as np
import pandas as pd

from netlift.data.read import Tables
from netlift.features.catalogue import build_catalogue, engagement_entries, purchase_entries
from netlift.features.queries import Queries
from netlift.features.vocabulary import OTHER, Vocabulary

WINDOWS = (("7d", 7), ("30d", 30), ("90d", 90), ("180d", 180), ("365d", 365), ("all", 36_500))


class Oracle:
    """Feature values per query as a frame, one column per feature of the catalogue."""

    def __init__(self, tables: Tables, queries: Queries, vocabulary: Vocabulary, *, observation_days: int) -> None:
        self.tables, self.vocabulary, self.observation_days = tables, vocabulary, observation_days
        self.connection = tables.connection
        asked = pd.DataFrame(
            {"query": np.arange(len(queries)), "customer_id": queries.customer_id.astype(str), "cutoff": queries.cutoff}
        )
        self.asked = ibis.memtable(asked)
        self.cutoff = asked["cutoff"]
        self.columns: dict[str, pd.Series] = {}

    def frame(self) -> pd.DataFrame:
        self._purchases()
        if "contacts" in self.vocabulary.sources:
            self._contacts()
        if "events" in self.vocabulary.sources:
            self._events()
        if "surveys" in self.vocabulary.sources:
            self._surveys()
        self._customers()
        names = [feature.name for feature in build_catalogue(self.vocabulary)]
        return pd.DataFrame(self.columns)[names]

    # -- receipts ---------------------------------------------------------------------------------------------------

    def _visible(self, days: int) -> ibis.expr.types.Table:
        """Receipts of each query's window, with the words mapped and days cut."""
        days = min(days, self.observation_days)
        t = self.asked.join(self.tables["transactions"], "customer_id")
        t = t.filter(
            t.occurred_at < t.cutoff,
            t.occurred_at >= t.cutoff - ibis.interval(days=days),
            t.ingested_at.isnull() | (t.ingested_at <= t.cutoff),
        )
        return t.mutate(
            back=ibis.coalesce(t.is_return, t.revenue < 0),
            day=t.occurred_at.date(),
            category=_known(t.category, self.vocabulary.categories),
            channel=_known(t.channel, self.vocabulary.channels),
        )

    def _take(self, grouped: ibis.expr.types.Table, *, zero: tuple[str, ...] = ()) -> None:
        frame = self.connection.to_pandas(grouped).set_index("query").reindex(range(len(self.cutoff)))
        for name in frame.columns:
            column = frame[name].astype(float)
            self.columns[name] = column.fillna(0.0) if name in zero else column

    def _purchases(self) -> None:
        for window, days in WINDOWS:
            t = self._visible(days)
            both = t.group_by("query").agg(**{f"revenue_{window}": t.revenue.sum(), f"margin_{window}": t.margin.sum()})
            self._take(both, zero=(f"revenue_{window}", f"margin_{window}"))
            p = t.filter(~t.back)
            bought = p.group_by("query").agg(
                **{
                    f"purchases_{window}": p.count(),
                    f"purchase_days_{window}": p.day.nunique(),
                    f"mean_purchase_{window}": p.revenue.mean(),
                    f"largest_purchase_{window}": p.revenue.max(),
                    f"sd_purchase_{window}": p.revenue.std(how="sample"),
                    f"gross_{window}": p.revenue.sum(),
                }
            )
            self._take(bought, zero=tuple(f"{name}_{window}" for name in ("purchases", "purchase_days", "gross")))
        self._trends()
        self._rhythm()
        self._habits()
        self._mixes()

    def _trends(self) -> None:
        for (short, few), (long, many) in pairwise(WINDOWS[:5]):
            few, many = min(few, self.observation_days), min(many, self.observation_days)
            for what, of in (("purchases", "purchases"), ("spend", "gross")):
                below = self.columns[f"{of}_{long}"] / many
                trend = (self.columns[f"{of}_{short}"] / few) / below.where(below > 1e-9)
                self.columns[f"{what}_trend_{short}_{long}"] = trend

    def _rhythm(self) -> None:
        t = self._visible(36_500)
        days = t.filter(~t.back).select("query", "cutoff", "day").distinct()
        order = ibis.window(group_by="query", order_by="day")
        days = days.mutate(gap=days.day.delta(days.day.lag().over(order), unit="day"))
        newest = days.gap.argmax(days.day)
        self._take(
            days.group_by("query").agg(
                gap_mean_days=days.gap.mean(),
                gap_sd_days=days.gap.std(how="sample"),
                gap_last_days=newest,
                gap_max_days=days.gap.max(),
                days_since_last_purchase=days.cutoff.max().date().delta(days.day.max(), unit="day"),
                days_since_first_purchase=days.cutoff.max().date().delta(days.day.min(), unit="day"),
                age_at_last_purchase_days=days.day.max().delta(days.day.min(), unit="day"),
            )
        )
        c = self.columns
        c["days_since_last_purchase_over_gap"] = c["days_since_last_purchase"] / c["gap_mean_days"]

    def _habits(self) -> None:
        for days in (90, 365):
            t = self._visible(days)
            p = t.filter(~t.back)
            self._take(p.group_by("query").agg(**{f"promo_share_{days}d": p.promo.fill_null(False).mean()}))
        t = self._visible(365)
        p, r = t.filter(~t.back), t.filter(t.back)
        self._take(p.group_by("query").agg(weekend_share_365d=p.day.day_of_week.index().isin([5, 6]).mean()))
        returned = r.group_by("query").agg(returns_365d=r.count(), returned_amount_365d=(0 - r.revenue).sum())
        self._take(returned, zero=("returns_365d", "returned_amount_365d"))
        c = self.columns
        c["return_rate_365d"] = c["returns_365d"] / c["purchases_365d"].where(c["purchases_365d"] > 0)
        c["margin_rate_365d"] = c["margin_365d"] / c["gross_365d"].where(c["gross_365d"] > 1e-6)
        every = self._visible(36_500).filter(lambda s: ~s.back)
        order = ibis.window(group_by="query", order_by=[ibis.desc("occurred_at"), ibis.desc("revenue")])
        last = every.mutate(rank=ibis.row_number().over(order)).filter(lambda s: s["rank"] == 0)
        self._take(last.select("query", last_purchase_revenue=last.revenue))

    def _mixes(self) -> None:
        for what, plural, values in (
            ("category", "categories", self.vocabulary.categories),
            ("channel", "channels", self.vocabulary.channels),
        ):
            t = self._visible(365)
            t = t.filter(~t.back)
            spent = self.connection.to_pandas(
                t.group_by("query", value=t[what]).agg(revenue=t.revenue.sum(), rows=t.count())
            )
            wide = spent.pivot(index="query", columns="value", values="revenue").reindex(range(len(self.cutoff)))
            total = wide.sum(axis=1)
            total = total.where(total > 1e-6)
            names = [e.feature.name for e in purchase_entries(self.vocabulary) if f"share_{what}_" in e.feature.name]
            shares = [name for name in names if name.startswith("share_")]
            for name, value in zip(shares, (*values, OTHER) if values else (), strict=True):
                column = wide[value] if value in wide else pd.Series(np.nan, index=wide.index)
                self.columns[name] = column.fillna(0.0) / total
            every = wide.reindex(columns=[*values, OTHER]).fillna(0.0)
            self.columns[f"top_share_{what}_365d"] = every.max(axis=1) / total
            self.columns[f"{plural}_365d"] = wide.notna().sum(axis=1).astype(float)

    # -- everything else --------------------------------------------------------------------------------------------

    def _within(self, t: ibis.expr.types.Table, days: int) -> ibis.expr.types.Table:
        since = t.cutoff - ibis.interval(days=min(days, self.observation_days))
        return t.filter(t.at < t.cutoff, t.at >= since)

    def _sent(self) -> ibis.expr.types.Table:
        contacts = self.tables["contacts"].left_join(self.tables["offers"].select("offer_id", "channel"), "offer_id")
        delivered = contacts.delivered_at
        if not self.tables.has("contacts", "delivered_at"):
            delivered = contacts.assigned_at
        contacts = contacts.mutate(at=ibis.greatest(delivered, contacts.assigned_at), was=delivered.notnull())
        t = self.asked.join(contacts, "customer_id")
        return t.filter(t.offer_id != "control", t.was)

    def _contacts(self) -> None:
        names = iter([e.feature.name for e in engagement_entries(self.vocabulary)][4:])
        for days in (7, 30, 90, 365):
            t = self._within(self._sent(), days)
            self._take(t.group_by("query").agg(**{f"contacts_{days}d": t.count()}), zero=(f"contacts_{days}d",))
        for channel in self.vocabulary.contact_channels:
            for days in (30, 90, 365):
                t = self._within(self._sent(), days).filter(lambda s, channel=channel: s.channel == channel)
                name = next(names)
                self._take(t.group_by("query").agg(**{name: t.count()}), zero=(name,))
        t = self._within(self._sent(), 36_500)
        since = t.cutoff.max().date().delta(t["at"].max().date(), unit="day")
        self._take(t.group_by("query").agg(days_since_last_contact=since))
        self._responses()

    def _responses(self) -> None:
        t = self._within(self._sent(), 365)
        ended = t.filter(t.at <= t.cutoff - ibis.interval(days=14)).select("query", "campaign_id", "at", "channel")
        bought = self._visible(36_500)
        bought = bought.filter(~bought.back).select("query", bought_at=bought.occurred_at)
        pairs = ended.left_join(bought, "query")
        follows = (pairs.bought_at >= pairs["at"]) & (pairs.bought_at < pairs["at"] + ibis.interval(days=14))
        each = pairs.group_by("query", "campaign_id", "channel").agg(followed=follows.fill_null(False).max())
        self._take(each.group_by("query").agg(response_share_365d=each.followed.mean()))
        names = [e.feature.name for e in engagement_entries(self.vocabulary) if "response_share_" in e.feature.name]
        for name, channel in zip(names[1:], self.vocabulary.contact_channels, strict=True):
            own = each.filter(each.channel == channel)
            self._take(own.group_by("query").agg(**{name: own.followed.mean()}))

    def _events(self) -> None:
        t = self.asked.join(self.tables["events"].rename(at="occurred_at"), "customer_id")
        for days in (30, 90, 365):
            o = self._within(t, days).filter(lambda s: s.kind == "open")
            self._take(o.group_by("query").agg(**{f"openings_{days}d": o.count()}), zero=(f"openings_{days}d",))
        sent = self.columns["contacts_365d"]
        self.columns["openings_per_contact_365d"] = self.columns["openings_365d"] / sent.where(sent > 0)
        c = self._within(t, 365).filter(lambda s: s.kind == "complaint")
        self._take(c.group_by("query").agg(complaints_365d=c.count()), zero=("complaints_365d",))
        c = self._within(t, 36_500).filter(lambda s: s.kind == "complaint")
        since = c.cutoff.max().date().delta(c["at"].max().date(), unit="day")
        self._take(c.group_by("query").agg(days_since_last_complaint=since))
        for kind in self.vocabulary.event_kinds:
            for days in (30, 90, 365):
                e = self._within(t, days).filter(lambda s, kind=kind: s.kind == kind)
                name = f"events_{kind}_{days}d"
                self._take(e.group_by("query").agg(**{name: e.count()}), zero=(name,))
            e = self._within(t, 36_500).filter(lambda s, kind=kind: s.kind == kind)
            since = e.cutoff.max().date().delta(e["at"].max().date(), unit="day")
            self._take(e.group_by("query").agg(**{f"days_since_event_{kind}": since}))

    def _surveys(self) -> None:
        t = self.asked.join(self.tables["surveys"].rename(at="answered_at"), "customer_id")
        t = self._within(t, 36_500).filter(lambda s: s.kind == "nps")
        order = ibis.window(group_by="query", order_by=[ibis.desc("at"), ibis.desc("score")])
        last = t.mutate(rank=ibis.row_number().over(order)).filter(lambda s: s["rank"] == 0)
        since = last.cutoff.date().delta(last["at"].date(), unit="day")
        self._take(last.select("query", nps_last_score=last.score, days_since_last_nps=since))

    def _customers(self) -> None:
        rows = self.connection.to_pandas(self.asked.join(self.tables["customers"], "customer_id").order_by("query"))
        today, joined = rows["cutoff"].dt.normalize(), rows["joined_at"]
        tenure = (today - joined.dt.normalize()).dt.days.astype(float)
        self.columns["tenure_days"] = tenure.where(joined < rows["cutoff"])
        self.columns["age_years"] = (today - pd.to_datetime(rows["birth_date"])).dt.days / 365.25
        phase = 2 * np.pi * (today.dt.day_of_year - 1) / 365.25
        self.columns["calendar_sin"], self.columns["calendar_cos"] = np.sin(phase).round(6), np.cos(phase).round(6)
        for name, known in self.vocabulary.attributes.items():
            values = rows[name]
            if known is not None:
                codes = pd.Series([known.index(v) if v in known else len(known) for v in values], dtype=float)
                values = codes.where(values.notna())
            self.columns[name] = values.astype(float)


def _known(values: ibis.expr.types.StringColumn, known: tuple[str, ...]) -> ibis.expr.types.StringColumn:
    return values.isin(list(known)).fill_null(False).ifelse(values, OTHER) if known else ibis.literal(OTHER)
