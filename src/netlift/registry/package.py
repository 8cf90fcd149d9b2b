"""The package of a registered model: files, required content and refusals."""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import importlib.resources
import json
import shutil
import stat
import tempfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from netlift.config.settings import did_you_mean
from netlift.data.write import STAGING_PREFIX, file_digest
from netlift.errors import ModelIntegrityError, SchemaDriftError
from netlift.estimators.stored import OTHER, StoredModel, StoredModelError, build_manifest, sha256, verify_manifest

if TYPE_CHECKING:
    import pandas as pd


def build_signature(
    features: Sequence[Mapping[str, Any]], outputs: Sequence[str], *, worded: Collection[str] = ()
) -> Any:
    """The signature: numbers are double, categories string, outputs double or string.

    Args:
        features: As in `model.json`: name and kind of each.
        outputs: Names.
        worded: Those of them that are text.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    return ModelSignature(
        inputs=Schema([ColSpec("string" if f["kind"] == "category" else "double", f["name"]) for f in features]),
        outputs=Schema([ColSpec("string" if name in worded else "double", name) for name in outputs]),
    )


def build_example(features: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """One customer made from the names alone, nobody's data: zeros, and "other" for every category.

    Examples:
        >>> build_example([{"name": "age_years", "kind": "number"}, {"name": "region", "kind": "category"}])
           age_years region
        0        0.0  other
    """
    import pandas as pd

    return pd.DataFrame({f["name"]: [OTHER if f["kind"] == "category" else 0.0] for f in features})


def align(frame: pd.DataFrame, features: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """The columns of a model, in its order and types: float64, and text as objects with None where it is missing.

    mlflow refuses flags, categoricals and some integers in place of what the signature says; this makes them fit.

    Args:
        frame: A row per customer; further columns are left out.
        features: As in `model.json`: name and kind of each.

    Raises:
        SchemaDriftError: A column is missing, or holds text where a number is needed.
    """
    import pandas as pd

    missing = [f["name"] for f in features if f["name"] not in frame.columns]
    if missing:
        near = did_you_mean(missing[0], [str(name) for name in frame.columns], quote_all=False)
        raise SchemaDriftError(f"{len(missing)} columns of training are missing, the first is {missing[0]}{near}")
    columns: dict[str, Any] = {}
    for feature in features:
        column = frame[feature["name"]]
        if feature["kind"] == "category":
            text = column.astype(object)
            columns[feature["name"]] = text.where(text.notna(), None)
        else:
            columns[feature["name"]] = _numbers(column)
    return pd.DataFrame(columns, index=frame.index)


def _numbers(column: pd.Series) -> np.ndarray:
    import pandas as pd

    found = pd.api.types.infer_dtype(column, skipna=True)
    if found not in ("floating", "integer", "mixed-integer-float", "boolean", "decimal", "empty"):
        raise SchemaDriftError(f"column {column.name} holds {found} where numbers are needed: make it as in training")
    return np.asarray(pd.to_numeric(column).to_numpy(dtype=np.float64, na_value=np.nan))


CODE_FILE = "netlift_model.py"
LOADER = "mlflow.pyfunc.loaders.code_model"
MANIFEST = "manifest.json"
MODEL_FOLDER = Path("artifacts", "model")
REQUIREMENTS = ("mlflow", "lightgbm", "numpy", "pandas", "scipy")
CODE = (
    ("netlift.estimators", "process_formulas.py"),
    ("netlift.estimators", "stored.py"),
    ("netlift.registry", "served.py"),
)
WRITTEN_BY_MLFLOW = "registered_model_meta"


def build_code() -> str:
    """The one code file of every model: the formulas, the reader of the stored form, and mlflow's way to call it."""
    parts = [importlib.resources.files(where).joinpath(name).read_text(encoding="utf-8") for where, name in CODE]
    return "\n\n".join([_without_ours(parts[0]), *(_without_ours(part, again=True) for part in parts[1:])])


def write_package(
    folder: Path, files: Mapping[str, bytes], *, run_id: str, model_id: str, metadata: Mapping[str, Any]
) -> None:
    """Write a model's folder in mlflow's form: one code file, the stored form with its manifest, no pickle.

    Args:
        folder: Where; an empty folder or none.
        files: The stored form.
        run_id: The training run.
        model_id: mlflow's id of the logged model.
        metadata: Facts that travel in the MLmodel file.
    """
    import mlflow.pyfunc
    from mlflow.models import Model

    model = StoredModel(files)
    with tempfile.TemporaryDirectory(prefix=STAGING_PREFIX, dir=folder.parent) as sources:
        code = Path(sources, CODE_FILE)
        code.write_text(build_code(), encoding="utf-8")
        stored = Path(sources, MODEL_FOLDER.name)
        stored.mkdir()
        for name, content in (*files.items(), (MANIFEST, build_manifest(files))):
            (stored / name).write_bytes(content)
        mlflow.pyfunc.save_model(
            folder,
            python_model=str(code),
            artifacts={MODEL_FOLDER.name: str(stored)},
            signature=build_signature(model.features, model.outputs, worded=model.worded),
            input_example=build_example(model.features),
            pip_requirements=[f"{name}=={importlib.metadata.version(name)}" for name in REQUIREMENTS],
            metadata=dict(metadata),
            mlflow_model=Model(run_id=run_id, model_id=model_id, model_uuid=model_id),
        )
    _drop_caches(folder)


def digest_package(folder: Path) -> dict[str, str]:
    """The sha256 of every file below a model's folder, by its path there.

    Python's own caches are removed first: they would run in place of the code that is digested.

    Raises:
        ModelIntegrityError: Something there is neither a file nor a folder, such as a symbolic link.
    """
    _drop_caches(folder)
    digests: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        if stat.S_ISREG(mode):
            digests[path.relative_to(folder).as_posix()] = file_digest(path)
        elif not stat.S_ISDIR(mode):
            raise ModelIntegrityError(f"{path}: a model's folder holds files only, no links: restore it or retrain")
    digests.pop(WRITTEN_BY_MLFLOW, None)
    return digests


def read_package(folder: Path, expected: Mapping[str, str]) -> dict[str, bytes]:
    """The stored form of a model whose folder is byte for byte what was registered; no code of it is run.

    Args:
        folder: The model's folder.
        expected: The sha256 of every file, as `digest_package` gave it at registration.

    Raises:
        ModelIntegrityError: A file is missing, added or changed, or mlflow would run other code than ours.
    """
    if not folder.is_dir() or folder.is_symlink():
        raise ModelIntegrityError(f"{folder}: the model's folder is gone: restore it or retrain")
    found = digest_package(folder)
    changed = sorted(name for name in expected if name in found and found[name] != expected[name])
    for words, names in (
        ("missing", sorted(set(expected) - set(found))),
        ("not part of the model", sorted(set(found) - set(expected))),
        ("changed since registration", changed),
    ):
        if names:
            raise ModelIntegrityError(f"{folder}: {', '.join(names)} {words}: restore the folder or retrain")
    _refuse_other_code(folder)
    files = {path.name: path.read_bytes() for path in sorted((folder / MODEL_FOLDER).iterdir())}
    try:
        verify_manifest(files, files.pop(MANIFEST))
    except StoredModelError as error:
        raise ModelIntegrityError(f"{folder}: {error}") from error
    return files


def digest_digests(digests: Mapping[str, str]) -> str:
    """One sha256 for a mapping of them."""
    return sha256(json.dumps(dict(digests), sort_keys=True).encode())


def content_digest(files: Mapping[str, bytes]) -> str:
    """What makes two models the same: their stored form and the code that reads it."""
    return hashlib.sha256(build_manifest(files) + build_code().encode()).hexdigest()


def _without_ours(source: str, *, again: bool = False) -> str:
    """Source without its imports of netlift, whose code stands in the same file; `again`: nor of the future."""
    dropped: set[int] = set()
    for node in ast.parse(source).body:
        module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
        if module.split(".")[0] == "netlift" or (again and module == "__future__"):
            dropped.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return "".join(line for i, line in enumerate(source.splitlines(keepends=True), start=1) if i not in dropped)


def _drop_caches(folder: Path) -> None:
    for cache in list(folder.rglob("__pycache__")):
        if not cache.is_symlink():
            shutil.rmtree(cache, ignore_errors=True)


def _refuse_other_code(folder: Path) -> None:
    """Only our one code file may run: a foreign loader or a code folder would run whatever it likes."""
    flavors = yaml.safe_load((folder / "MLmodel").read_bytes()).get("flavors", {})
    flavor = flavors.get("python_function", {})
    if set(flavors) != {"python_function"} or flavor.get("loader_module") != LOADER or flavor.get("code"):
        raise ModelIntegrityError(f"{folder}: MLmodel names other code than netlift's: restore the folder or retrain")
    if Path(str(flavor.get("model_code_path"))).name != CODE_FILE:
        raise ModelIntegrityError(f"{folder}: MLmodel names another code file than {CODE_FILE}: restore it or retrain")
