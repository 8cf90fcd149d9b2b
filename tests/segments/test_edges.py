from __future__ import annotations

import dataclasses

import pytest

from netlift.errors import GateRefusedError, UsageError
from netlift.segments.edges import FrozenEdges, read_edges, require_current, write_edges
from netlift.segments.rfm import RfmEdges
from netlift.segments.value_segments import TierEdges

EDGES = FrozenEdges(
    made_from={"segments.reference": "2026-04-01", "horizon of ltv in days": 182},
    rfm=RfmEdges(r=(1.0, 2.0, 3.0, 4.0), f=(0.1, 0.2, 0.3, 0.4), m=(-1.0, 0.0, 1.0, 1e9)),
    tiers=TierEdges(middle=10.0, high=100.5),
    customers=7,
)


@pytest.mark.parametrize("edges", [EDGES, dataclasses.replace(EDGES, tiers=None)])
def test_edges_are_read_as_they_were_written(tmp_path, edges):
    path = tmp_path / "segments" / "edges.json"
    assert read_edges(path) is None
    write_edges(path, edges)
    assert read_edges(path) == edges
    assert [found.name for found in path.parent.iterdir()] == ["edges.json"]


@pytest.mark.parametrize(("before", "after"), [('"high": 100.5', '"high": 99.5'), ("{", ""), ('"rfm"', '"rmf"')])
def test_edges_that_somebody_changed_are_refused(tmp_path, before, after):
    path = tmp_path / "edges.json"
    write_edges(path, EDGES)
    path.write_text(path.read_text().replace(before, after, 1))
    with pytest.raises(GateRefusedError, match="is not what was written"):
        read_edges(path)


def test_stale_edges_say_what_changed_and_what_to_do():
    wanted = {"segments.reference": "2026-05-01", "horizon of ltv in days": 365}
    with pytest.raises(UsageError) as caught:
        require_current(EDGES, wanted)
    assert "segments.reference was 2026-04-01, is 2026-05-01 now; horizon of ltv in days was 182, is 365" in str(
        caught.value
    )
    assert "netlift segments --refit" in str(caught.value)


def test_a_champion_that_went_away_does_not_make_edges_stale():
    assert require_current(EDGES, {"segments.reference": "2026-04-01", "horizon of ltv in days": None}) is None
