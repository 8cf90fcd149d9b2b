"""How the learners of the frames tune LightGBM: as the shipped definition of uplift does, with smaller leaves."""

from __future__ import annotations

import yaml

from netlift.config.definitions import Range, Search
from netlift.projects.shipped import read_shipped

_SHIPPED = Search.model_validate(yaml.safe_load(read_shipped("models/uplift.yaml"))["search"])
_SMALL_LEAVES = Range(low=20, high=500, log=True, whole=True)  # a frame has fewer rows than a business

SEARCH = _SHIPPED.model_copy(update={"space": {**_SHIPPED.space, "min_data_in_leaf": _SMALL_LEAVES}})
