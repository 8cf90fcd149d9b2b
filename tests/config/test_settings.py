"""How a YAML file becomes settings: everything wrong with it at once, and nothing in it obeyed but its values."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from netlift.config.settings import MAX_BYTES, MAX_DEPTH, Settings, did_you_mean, load_settings, read_yaml
from netlift.errors import ConfigError


class Channel(Settings):
    name: str
    cost: float
    answers: bool = False


class Shop(Settings):
    country: str
    opens: str
    code: str
    channels: tuple[Channel, ...] = ()
    seed: int = 0


def write(folder, text, name="shop.yaml"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def refusal(path):
    with pytest.raises(ConfigError) as caught:
        load_settings(path, Shop)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_no_and_times_and_leading_zeros_stay_what_was_written(tmp_path):
    """YAML 1.1 reads False, 750 and 83 (methods/reliability.md §2.3)."""
    shop = load_settings(write(tmp_path, "country: NO\nopens: 12:30\ncode: 0123\n"), Shop)
    assert (shop.country, shop.opens, shop.code) == ("NO", "12:30", "0123")


def test_text_becomes_the_type_of_its_field(tmp_path):
    text = "country: DE\nopens: 9:00\ncode: x\nseed: 7\nchannels: [{name: sms, cost: 4.5, answers: yes}]\n"
    shop = load_settings(write(tmp_path, text), Shop)
    assert (shop.seed, shop.channels[0].cost, shop.channels[0].answers) == (7, 4.5, True)


def test_mistakes_are_listed_together_with_place_value_and_the_nearest_name(tmp_path):
    text = "contry: DE\nopens: 9:00\ncode: x\nseed: many\nchannels:\n  - {name: sms, cost: 4.5, anwers: true}\n"
    lines = refusal(write(tmp_path, text)).splitlines()
    assert lines[0].endswith("shop.yaml: 4 mistakes")
    assert "  contry: no such key; did you mean country?" in lines
    assert "  country: missing, and there is no default" in lines
    assert "  channels.0.anwers: no such key; did you mean answers?" in lines
    assert any(line.startswith("  seed: ") and line.endswith("found 'many'") for line in lines)


def test_a_missing_file_names_the_one_that_was_probably_meant(tmp_path):
    write(tmp_path, "a: b", "demo.yaml")
    assert "did you mean" in refusal(tmp_path / "dmo.yaml")
    assert "demo.yaml?" in refusal(tmp_path / "dmo.yaml")
    assert refusal(tmp_path / "elsewhere" / "x.yaml").endswith("no such file")


@pytest.mark.parametrize(
    "text", ["a: &x [1]\nb: *x", "a: &x 1", "a: !!python/object/apply:os.system [id]", "a: !!str 1"]
)
def test_anchors_aliases_and_tags_are_refused_with_their_line(tmp_path, text):
    assert ":1: anchors, aliases and tags are not read" in refusal(write(tmp_path, text))


def test_an_alias_bomb_is_refused_before_it_unfolds(tmp_path):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert "anchors, aliases" in refusal(write(tmp_path, "\n".join(lines)))


def test_a_tag_runs_no_code(tmp_path):
    canary = tmp_path / "canary"
    text = f"a: !!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path ['{canary}']]"
    refusal(write(tmp_path, text))
    assert not canary.exists()


def test_a_key_given_twice_is_refused_with_its_line(tmp_path):
    assert refusal(write(tmp_path, "country: DE\ncountry: NO\n")).endswith("shop.yaml:2: 'country' is given twice")


def test_a_key_given_twice_deep_down_is_refused(tmp_path):
    assert ":3: 'name' is given twice" in refusal(write(tmp_path, "channels:\n  - name: a\n    name: b\n"))


def test_a_file_over_the_limit_is_not_read(tmp_path):
    assert "at most 200,000" in refusal(write(tmp_path, "#" * (MAX_BYTES + 1)))


@pytest.mark.parametrize("nest", [lambda n: "[" * n + "]" * n, lambda n: "{a: " * n + "1" + "}" * n])
def test_nesting_beyond_the_limit_is_refused(tmp_path, nest):
    read_yaml(write(tmp_path, "a: " + nest(MAX_DEPTH - 1)))
    assert "nested deeper than 20 levels" in refusal(write(tmp_path, "a: " + nest(MAX_DEPTH + 1)))


def test_nesting_that_would_exhaust_the_stack_is_a_config_error(tmp_path):
    refusal(write(tmp_path, "a: " + "[" * 50_000))
    refusal(write(tmp_path, "a: " + "[" * 50_000 + "]" * 50_000))


@pytest.mark.parametrize("text", ["a: [1, 2", "a: b: c", "\tx: 1", "a: 'open", "- a\nb: 1", "? [a]\n: 1"])
def test_what_is_not_yaml_is_named_so(tmp_path, text):
    assert "shop.yaml" in refusal(write(tmp_path, text))


@pytest.mark.parametrize("text", ["- a\n- b\n", "just words", "", "a: 1\n---\nb: 2\n"])
def test_yaml_that_is_no_mapping_is_a_config_error(tmp_path, text):
    assert "shop.yaml" in refusal(write(tmp_path, text))


def test_bytes_that_are_no_text_are_a_config_error(tmp_path):
    path = tmp_path / "shop.yaml"
    path.write_bytes("country: Москва".encode("cp1251"))
    assert "not plain YAML" in refusal(path)


@given(text=st.text(max_size=300))
def test_no_text_breaks_the_reader(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("any") / "any.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    try:
        found = read_yaml(path)
    except ConfigError as refused:
        assert "any.yaml" in str(refused)
    else:
        assert isinstance(found, dict | list | str | None), "nothing but what YAML writes as plain values"


def test_settings_do_not_change():
    channel = Channel(name="sms", cost=1)
    with pytest.raises(ValidationError):
        channel.cost = 2


def test_the_digest_is_of_the_values_and_not_of_the_layout(tmp_path):
    first = write(tmp_path, "country: DE\nopens: 9:00\ncode: x\n")
    (tmp_path / "b").mkdir()
    second = write(tmp_path / "b", "# words\ncode:   x\nopens: '9:00'\n\ncountry: DE\n")
    third = write(tmp_path, "country: DE\nopens: 9:00\ncode: y\n", "other.yaml")
    digests = [load_settings(path, Shop).digest() for path in (first, second, third)]
    assert digests[0] == digests[1] != digests[2]
    assert len(digests[0]) == 64


def test_a_word_far_from_all_known_ones_lists_them():
    assert did_you_mean("zzz", ["cost", "channel"]) == "; known: channel, cost"
    assert did_you_mean("zzz", []) == ""


def test_settings_are_read_without_heavy_libraries():
    code = "import sys, netlift.config.business, netlift.config.definitions; print([m for m in %r if m in sys.modules])"
    heavy = ["pandas", "numpy", "ibis", "duckdb", "pyarrow", "mlflow", "sklearn", "lightgbm", "scipy"]
    source = str(Path(__file__).parents[2] / "src")
    found = subprocess.run(
        [sys.executable, "-c", code % heavy], capture_output=True, text=True, check=True, env={"PYTHONPATH": source}
    )
    assert found.stdout.strip() == "[]"
