"""Top items per customer from the company recommender's `item_scores` table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from netlift.data.read import Tables

MOST_ITEMS = 5
ITEM_FIELDS = tuple(f"item_{place}" for place in range(1, MOST_ITEMS + 1))


def read_top_items(tables: Tables, ids: np.ndarray) -> dict[str, np.ndarray]:
    """Items by their place, the highest score first and by name among equals, None where there are fewer, shape (n,).

    Args:
        tables: The tables of a business, checked.
        ids: Customers, shape (n,).
    """
    import ibis
    import pandas as pd

    scores = tables["item_scores"]
    order = ibis.window(group_by="customer_id", order_by=[ibis.desc("score"), "item"])
    ranked = scores.mutate(place=ibis.row_number().over(order))
    top = ranked.filter(ranked.place < MOST_ITEMS).select("customer_id", "item", "place")
    rows = tables.connection.to_pyarrow(top).to_pandas()
    who = pd.Index(ids).get_indexer(pd.Index(rows["customer_id"]))
    items = np.full((len(ids), MOST_ITEMS), None, dtype=object)
    known = who >= 0
    items[who[known], rows["place"].to_numpy()[known]] = rows["item"].to_numpy(dtype=object)[known]
    return {name: items[:, place] for place, name in enumerate(ITEM_FIELDS)}


__all__ = ["ITEM_FIELDS", "read_top_items"]
