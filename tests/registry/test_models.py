import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow.store.model_registry.dbmodels.models import SqlModelVersion

from netlift.errors import ModelIntegrityError, ResourceError, UsageError
from netlift.estimators.stored import StoredModel, StoredModelError
from netlift.registry import models, package
from netlift.registry.locks import this_process
from netlift.registry.models import describe, load, register, resolve, sweep_models
from netlift.registry.package import align
from netlift.registry.tracking import PROCESS_TAG

pytestmark = pytest.mark.slow

CUSTOMERS = pd.DataFrame(
    {
        "days_since_last_purchase": [3.0, 120.0, np.nan],
        "receipts_90d": [9.0, 1.0, 0.0],
        "region": ["юг", "север", "Марс"],
    }
)

PLAIN = """
import sys
class NoNetlift:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "netlift":
            raise ImportError("netlift is not here")
sys.meta_path.insert(0, NoNetlift())
import json, mlflow, pandas as pd
from mlflow.pyfunc.scoring_server import invocations
model = mlflow.pyfunc.load_model("models:/netlift-churn@champion")
frame = pd.DataFrame(json.loads(sys.argv[1])).astype({"days_since_last_purchase": float, "receipts_90d": float})
print(json.dumps(model.predict(frame)["p_churn"].tolist()))
request = json.dumps({"dataframe_records": json.loads(sys.argv[1])})
answer = invocations(request, "application/json", model, model.metadata.get_input_schema())
print(answer.status, answer.response)
"""


def test_plain_mlflow_loads_predicts_and_serves_the_champion_without_netlift_or_pickle(
    store, add_version, make_files, tmp_path
):
    version = add_version(1)
    store.client.set_registered_model_alias("netlift-churn", "champion", str(version))
    rows = CUSTOMERS.iloc[:2].to_json(orient="records")
    keep = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-I", "-W", "ignore", "-c", PLAIN, rows],
        env=keep
        | {
            "MLFLOW_TRACKING_URI": store.uri,
            "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    predicted, served = done.stdout.splitlines()[-2:]
    expected = StoredModel(make_files(1)).predict(CUSTOMERS.iloc[:2])["p_churn"].tolist()
    assert json.loads(predicted) == expected
    status, _, answer = served.partition(" ")
    assert status == "200"
    assert [row["p_churn"] for row in json.loads(answer)["predictions"]] == expected
    assert load(store, "churn", version).model.predict(CUSTOMERS.iloc[:2])["p_churn"].tolist() == expected


def test_the_registered_model_states_its_contract_and_holds_nobodys_data(store, add_version):
    described = describe(store, "churn", add_version(1))
    mlmodel = (described.folder / "MLmodel").read_text()
    for part in (
        "python_function",
        "horizon_days: '90'",
        "currency: RUB",
        "p_churn: chance",
        '"double", "name": "p_churn"',
    ):
        assert part in mlmodel
    example = json.loads((described.folder / "input_example.json").read_text())
    assert example["data"] == [[0.0, 0.0, "other"]]
    requirements = (described.folder / "requirements.txt").read_text().split()
    assert [line.partition("==")[0] for line in requirements] == ["mlflow", "lightgbm", "numpy", "pandas", "scipy"]
    assert not list(described.folder.rglob("*.pkl"))
    assert "import netlift" not in (described.folder / package.CODE_FILE).read_text()
    assert "from netlift" not in (described.folder / package.CODE_FILE).read_text()


def test_versions_count_up_the_newest_is_challenger_and_the_same_bytes_make_no_new_one(store, add_version):
    assert [add_version(1), add_version(2)] == [1, 2]
    assert resolve(store, "churn", "challenger").version == 2
    assert add_version(1) == 1
    assert resolve(store, "churn", "challenger").version == 1
    store.client.set_registered_model_alias("netlift-churn", "champion", "2")
    assert add_version(2) == 2
    assert resolve(store, "churn", "challenger").version == 1
    assert resolve(store, "churn", "previous_champion") is None
    assert resolve(store, "ltv", "champion") is None
    row = store.client.get_model_version("netlift-churn", "2")
    assert row.description == "# Card 2"
    assert row.tags["netlift.currency"] == "RUB"


def test_a_card_longer_than_mlflow_s_column_is_described_by_whole_lines_that_fit_it(store, make_files, add_version):
    run_id = store.client.get_model_version("netlift-churn", str(add_version(1))).run_id
    lines = [f"строка {number}" for number in range(600)]
    version = register(store, "churn", make_files(2), run_id=run_id, card="\n".join(lines), metadata={})
    described = store.client.get_model_version("netlift-churn", str(version)).description
    kept, _, rest = described.partition("\n\n")
    assert kept.splitlines() == lines[: len(kept.splitlines())] and "card.md" in rest
    assert SqlModelVersion.description.type.length - 100 < len(described) <= SqlModelVersion.description.type.length


def test_a_version_predicts_what_its_files_predict(store, add_version, make_files):
    loaded = load(store, "churn", add_version(1))
    pd.testing.assert_frame_equal(loaded.model.predict(CUSTOMERS), StoredModel(make_files(1)).predict(CUSTOMERS))
    assert loaded.version.uri == "models:/netlift-churn/1"
    assert loaded.version.tags["netlift.task"] == "churn"
    assert loaded.version.folder.is_relative_to(store.artifacts)


def test_aligned_frames_of_any_numeric_type_pass_through_pyfunc(store, add_version):
    import mlflow

    add_version(1)
    model = mlflow.pyfunc.load_model(str(describe(store, "churn", 1).folder))
    strange = pd.DataFrame(
        {
            "days_since_last_purchase": pd.array([3, None], dtype="Int64"),
            "receipts_90d": [True, False],
            "region": pd.Categorical(["юг", None]),
            "extra": [1, 2],
        }
    )
    features = load(store, "churn", 1).model.features
    kinds = {c.name: object if c.type.name == "string" else "float64" for c in model.metadata.signature.inputs}
    integers = strange.assign(receipts_90d=pd.array([2, 7], dtype="Int64"), region=np.nan)
    with pytest.raises(mlflow.MlflowException, match="Incompatible input types"):
        model.predict(integers)  # why docs/how-to/decisions.md casts
    expected = load(store, "churn", 1).model.predict(align(integers, features))
    pd.testing.assert_frame_equal(model.predict(integers.astype(kinds)), expected)
    assert model.predict(align(strange, features))["p_churn"].notna().all()
    assert len(load(store, "churn", 1).model.predict(strange)) == 2, "loading by mlflow leaves nothing that is refused"


def flip_digit(path: Path) -> None:
    content = path.read_bytes()
    place = next(i for i in range(len(content) // 2, len(content)) if content[i : i + 1].isdigit())
    path.write_bytes(content[:place] + (b"1" if content[place : place + 1] != b"1" else b"2") + content[place + 1 :])


def run_other_code(folder: Path) -> None:
    path = folder / "MLmodel"
    path.write_text(path.read_text().replace(package.LOADER, "os.path"))


def link_booster(folder: Path) -> None:
    booster = folder / "artifacts/model/booster.txt"
    booster.rename(folder.parent / "elsewhere.txt")
    booster.symlink_to(folder.parent / "elsewhere.txt")


TAMPERED = {
    "a digit in the booster": lambda folder: flip_digit(folder / "artifacts/model/booster.txt"),
    "a truncated booster": lambda folder: os.truncate(folder / "artifacts/model/booster.txt", 500),
    "the expressions": lambda folder: flip_digit(folder / "artifacts/model/model.json"),
    "the manifest": lambda folder: flip_digit(folder / "artifacts/model/manifest.json"),
    "the code file": lambda folder: (folder / package.CODE_FILE).open("a").write("import os\n"),
    "a foreign loader": run_other_code,
    "a file more": lambda folder: (folder / "artifacts/model/extra.pkl").write_bytes(b"x"),
    "a hidden file more": lambda folder: (folder / ".hidden").write_bytes(b"x"),
    "a file less": lambda folder: (folder / "artifacts/model/booster.txt").unlink(),
    "a symbolic link": link_booster,
    "no folder": lambda folder: folder.rename(folder.with_name("gone")),
}


@pytest.mark.parametrize("how", TAMPERED)
def test_a_tampered_model_is_refused_before_anything_of_it_is_read(store, add_version, monkeypatch, how):
    folder = describe(store, "churn", add_version(1)).folder
    TAMPERED[how](folder)
    monkeypatch.setattr(models, "StoredModel", lambda *args, **kwargs: pytest.fail("was read"))
    with pytest.raises(ModelIntegrityError, match="retrain"):
        load(store, "churn", 1)


def test_a_foreign_loader_is_refused_even_where_its_digest_was_forged(store, add_version):
    described = describe(store, "churn", add_version(1))
    run_other_code(described.folder)
    forged = json.dumps(package.digest_package(described.folder))
    store.client.set_model_version_tag("netlift-churn", "1", models.PACKAGE_TAG, forged)
    with pytest.raises(ModelIntegrityError, match="other code"):
        load(store, "churn", 1)


def test_planted_bytecode_is_removed_before_it_can_run(store, add_version):
    folder = describe(store, "churn", add_version(1)).folder
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "netlift_model.cpython-311.pyc").write_bytes(b"anything")
    load(store, "churn", 1)
    assert not (folder / "__pycache__").exists()


def test_a_damaged_version_is_not_taken_for_the_same_model_again(store, add_version):
    flip_digit(describe(store, "churn", add_version(1)).folder / "artifacts/model/booster.txt")
    assert add_version(1) == 2
    load(store, "churn", 2)


def test_versions_that_are_not_there_or_not_ours_are_refused(store, add_version, tmp_path):
    add_version(1)
    with pytest.raises(UsageError, match="no version 7; versions: 1"):
        load(store, "churn", 7)
    store.client.create_model_version("netlift-churn", source=tmp_path.as_uri())
    with pytest.raises(ModelIntegrityError, match="not registered by netlift"):
        load(store, "churn", 2)
    store.client.set_model_version_tag("netlift-churn", "2", models.PACKAGE_TAG, "{}")
    with pytest.raises(ModelIntegrityError, match="own folder"):
        load(store, "churn", 2)


def test_files_that_are_no_stored_form_are_never_registered(store):
    with pytest.raises(StoredModelError):
        register(store, "churn", {"model.json": b'{"format": 9}'}, run_id="x", card="", metadata={})
    assert resolve(store, "churn", "challenger") is None


def test_a_registration_that_fails_half_way_leaves_no_version_and_no_files(store, add_version, monkeypatch):
    add_version(1)
    before = sorted(store.artifacts.rglob("*"))
    real = models.write_package

    def fill_disk(folder, *args, **kwargs):
        real(folder, *args, **kwargs)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(models, "write_package", fill_disk)
    with pytest.raises(ResourceError, match="full"):
        add_version(2)
    assert [path for path in sorted(store.artifacts.rglob("*")) if path not in before and path.is_file()] == []
    assert resolve(store, "churn", "challenger").version == 1
    monkeypatch.setattr(models, "write_package", real)
    monkeypatch.setattr(models, "FREE_MB", 1e12)
    with pytest.raises(ResourceError, match="MB needed"):
        add_version(2)


def test_what_a_killed_registration_left_is_swept(store, add_version):
    add_version(1)
    dead = {PROCESS_TAG: replace(this_process(), start="1").to_json()}
    logged = store.client.create_logged_model(store.experiment_id, name="netlift-churn", tags=dead)
    half = store.artifacts / "models" / logged.model_id / ".staging-abc"
    half.mkdir(parents=True)
    (half / "booster.txt").write_text("half")
    assert sweep_models(store) == 2
    assert not half.parent.exists()
    assert sweep_models(store) == 0
    load(store, "churn", 1)
