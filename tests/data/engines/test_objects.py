"""Tables in an object store, by a stand-in for S3: check and score say of them what they say of files."""

from __future__ import annotations

import pandas as pd
import pyarrow.fs as fs
import pytest
import servers
from decide_world import NOW, configure, make_world
from scoring_world import AS_OF, make_scorers

from netlift.config.business import load
from netlift.data.run import find_sources
from netlift.errors import BusyError, DataError, ResourceError
from netlift.pipelines import score
from netlift.pipelines.check import check_business
from netlift.pipelines.score import score_business
from netlift.progress import Silent
from netlift.results import to_plain

pytestmark = pytest.mark.slow
OF_THE_RUN = {"run_key", "path", "seconds", "digests", "written"}
QUIET = {"progress": Silent(), "now": NOW, "lock_timeout": 0}


@pytest.fixture(scope="module")
def bucket():
    """The name of a bucket, in an environment that reaches it."""
    try:
        with servers.start_objects("shop") as environment, pytest.MonkeyPatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            yield "shop"
    except servers.MissingError as missing:
        pytest.skip(str(missing))


@pytest.fixture
def shop(tmp_path, bucket):
    """The configs of a shop of files, and of the same files in the bucket."""
    files = make_world(tmp_path, customers=300)
    fs.copy_files((tmp_path / "var" / "demo").as_uri(), f"s3://{bucket}/demo")

    def there(content):
        for name, source in content["data"]["tables"].items():
            source["path"] = f"s3://{bucket}/demo/{name}.parquet"

    return files, configure(tmp_path, name="store", more=there)


def test_a_shop_in_a_bucket_is_checked_and_scored_as_from_files(shop, tmp_path, monkeypatch):
    scorers = make_scorers(shop[0])
    monkeypatch.setattr(score, "load_champions", lambda _: scorers)
    found, made = [], []
    for config in shop:
        state = tmp_path / f"var-{config.stem}"
        (state / "cache").mkdir(parents=True)
        settings = load(config).model_copy(update={"state": state})
        found.append(to_plain(check_business(settings)))
        made.append(score_business(settings, as_of=AS_OF, run_key="day", **QUIET))
    assert found[0] == found[1]
    pd.testing.assert_frame_equal(*(pd.read_parquet(each.path) for each in made), check_exact=True)
    one, other = ({name: value for name, value in to_plain(each).items() if name not in OF_THE_RUN} for each in made)
    assert one == other and made[0].rows > 200


def test_an_object_that_is_replaced_while_a_job_reads_it_stops_the_job(shop, bucket, tmp_path):
    sources = find_sources(load(shop[1]))
    sources.require_unchanged()
    store, path = fs.FileSystem.from_uri(f"s3://{bucket}/demo/offers.parquet")
    with store.open_output_stream(path) as out:
        out.write((tmp_path / "var" / "demo" / "offers.parquet").read_bytes() + b"more")
    with pytest.raises(BusyError, match="offers: written while"):
        sources.require_unchanged()


def test_a_bucket_that_is_not_there_and_a_store_that_is_down_are_told_apart(shop, monkeypatch):
    content = shop[1].read_text()
    shop[1].write_text(content.replace("s3://shop/demo/offers", "s3://shop/nowhere/offers"))
    with pytest.raises(DataError, match=r"offers: no Parquet or CSV file at s3://shop/nowhere"):
        find_sources(load(shop[1]))
    shop[1].write_text(content)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{servers.free_port()}")
    with pytest.raises(ResourceError, match=r"s3://shop/demo/\w+\.parquet cannot be reached") as told:
        find_sources(load(shop[1]))
    assert "stand-in" not in str(told.value)
