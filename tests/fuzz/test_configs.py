"""Mutated configs and definitions load, or are refused in a second and 4 kB of text; none is an internal error.

`make fuzz` tries 2,000; the tests a few, with the seeds that once failed as examples.
"""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from fuzz.verbs import CODES, MOST_TEXT, make_shop, run_verb, write_config
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from netlift.config.business import load
from netlift.config.definitions import load_definition
from netlift.config.next_best_offer import load_next_best_offer
from netlift.config.plan import load_plan
from netlift.errors import ConfigError

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
EXAMPLES = int(os.environ.get("NETLIFT_FUZZ_CONFIGS", "60"))
PLAN = """\
campaign_id: K2
name: K
hypothesis: A bonus brings sleepers back
metric: incremental_profit
currency: RUB
start: 2026-10-05
outcome_days: 28
control_share: 0.5
arms: [{offer_id: sms, share: 0.5, channel: sms, contact_cost: 3, reward: 0, reward_share: 0}]
fixed_cost: 0
eligible: [days_since_last_purchase <= 365]
strata: []
segments: []
looks: 1
level: 0.95
tolerance: 100
salt: K2
frozen_digest: %s
"""
LOADERS: dict[str, Callable[[Path], Any]] = {
    "configs/demo.yaml": load,
    "models/churn.yaml": lambda path: load_definition(path, "churn"),
    "models/churn_flag.yaml": lambda path: load_definition(path, "churn"),
    "models/ltv.yaml": lambda path: load_definition(path, "ltv"),
    "models/uplift.yaml": lambda path: load_definition(path, "uplift"),
    "models/next_best_offer.yaml": load_next_best_offer,
    "plan.yaml": load_plan,
}
TEXTS = {name: (ROOT / name).read_text() if name != "plan.yaml" else PLAN % ("0" * 64) for name in LOADERS}
JUNK: tuple[Any, ...] = (
    "", " ", "0", "-1", "1", "0.5", "1e400", "-1e308", "nan", "inf", "-inf", "9" * 400, "9" * 5000, "1e-320", "0x10",
    "2", "99999999999999999999", "-0", "1_000", "١٢", "true", "no", "null", "2026-02-30", "0001-01-01", "9999-12-31",
    "x" * 300, "ж" * 200, "🎁" * 79, "../../etc/passwd", "a/b", "a\0b", "\ud83d", "\u202e", "\x1b[31m", "a" * 5000,
    "region = ", "margin_365d >= 1e999", "= 1", "{{7*7}}", [], {}, ["x"], [["x"]], {"x": "y"}, ["1"] * 500,
    {"low": "0", "high": "1e9", "log": "true"}, {"low": "1", "high": "2", "whole": "maybe"},
)  # fmt: skip


def _places(node: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield at
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for name, child in children:
        yield from _places(child, (*at, name))


def mutate(document: Any, where: float, how: str, junk: Any) -> Any:
    """The document with one of its parts replaced, removed, renamed or joined by another."""
    places = list(_places(document))[1:]
    *above, last = places[int(where * len(places)) % len(places)]
    changed = copy.deepcopy(document)
    holder = changed
    for part in above:
        holder = holder[part]
    if how == "replace":
        holder[last] = junk
    elif how == "remove":
        del holder[last]
    elif isinstance(holder, list):
        holder.append(junk)
    elif how == "rename":
        holder[junk if isinstance(junk, str) else "x"] = holder.pop(last)
    else:
        holder[f"{last}_"] = junk
    return changed


MUTATIONS = st.lists(
    st.tuples(
        st.floats(0, 1, exclude_max=True),
        st.sampled_from(["replace", "replace", "replace", "remove", "rename", "add"]),
        st.sampled_from(JUNK) | st.floats().map(repr) | st.integers().map(str) | st.text(max_size=30),
    ),
    min_size=1,
    max_size=4,
)


def _write(folder: Path, name: str, content: Any) -> Path:
    path = folder / "fuzzed.yaml"
    path.write_text(yaml.safe_dump(content, allow_unicode=False), encoding="utf-8")
    return path


def _load_or_refuse(name: str, path: Path) -> Any:
    """What was loaded; None where it was refused as it should be."""
    begun = time.process_time()
    try:
        return LOADERS[name](path)
    except ConfigError as error:
        assert len(str(error).encode()) < MOST_TEXT and time.process_time() - begun < 1, path.read_text()
        return None


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(name=st.sampled_from([*LOADERS]), mutations=MUTATIONS)
@example(name="configs/demo.yaml", mutations=[(0.99, "replace", "\ud83d")])
def test_a_mutated_document_loads_or_is_refused(folder: Path, name: str, mutations: list[Any]) -> None:
    document = yaml.load(TEXTS[name], Loader=yaml.BaseLoader)
    for mutation in mutations:
        if isinstance(document, dict) and len(document):
            document = mutate(document, *mutation)
    loaded = _load_or_refuse(name, _write(folder, name, document))
    assert loaded is None or len(loaded.digest()) == 64


@settings(max_examples=max(EXAMPLES // 4, 10), suppress_health_check=list(HealthCheck))
@given(name=st.sampled_from([*LOADERS]), at=st.floats(0, 1), cut=st.integers(0, 40), put=st.binary(max_size=12))
def test_a_file_with_bytes_changed_loads_or_is_refused(
    folder: Path, name: str, at: float, cut: int, put: bytes
) -> None:
    raw = TEXTS[name].encode()
    start = int(at * len(raw))
    path = folder / "bytes.yaml"
    path.write_bytes(raw[:start] + put + raw[start + cut :])
    loaded = _load_or_refuse(name, path)
    assert loaded is None or len(loaded.digest()) == 64


@pytest.mark.parametrize(
    "text",
    [
        "a: b\n" * 30_000,
        "".join(f"k{n}: v\n" for n in range(15_000)),
        "x" * 199_000,
        "name: " + "x" * 150_000,
        "{" * 100_000,
        "- " * 90_000,
        "".join(f"{'x' * 50}{n}: 1\n" for n in range(3_000)),
        "segments:\n  rules:\n"
        + "".join(f"  - {{segment: s{n}, when: {{f: {{at_least: 1}}}}}}\n" for n in range(2_000)),
        "decision:\n  contact_policy:\n    limits:\n"
        + "".join(f"    - {{at_most: 1, days: {n}}}\n" for n in range(1, 366)),
    ],
)
def test_any_file_is_refused_in_a_second_and_four_kilobytes(tmp_path: Path, text: str) -> None:
    (tmp_path / "large.yaml").write_text(text)
    assert _load_or_refuse("configs/demo.yaml", tmp_path / "large.yaml") is None


def test_checks_of_configs_that_load_end_with_a_code_of_the_readme(tmp_path: Path) -> None:
    """What loading lets pass may not break the engine that it is given to."""
    for name, frame in make_shop().items():
        frame.to_parquet(tmp_path / f"{name}.parquet")
    text = write_config(tmp_path, {name: f"{name}.parquet" for name in make_shop()}).read_text()
    for ours, extreme in (
        ("engine: {threads: 1}", "engine: {threads: 1, memory_mb: 16000000, rows_per_partition: 1000000000}"),
        ("engine: {threads: 1}", "engine: {threads: 256, memory_mb: 256}"),
        ("attributes: [region]", "attributes: [" + "x" * 3000 + "]"),
        ("state: state", "state: " + "s" * 250),
    ):
        (tmp_path / "extreme.yaml").write_text(text.replace(ours, extreme))
        found = run_verb("check", "--config", str(tmp_path / "extreme.yaml"))
        assert found.code in CODES and len(found.err.encode()) < MOST_TEXT, found.err
