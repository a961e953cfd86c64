import json
import math
from types import SimpleNamespace

import numpy as np

from dasksom import BatchSOM
from dasksom.provenance.run_record import RunRecord
from dasksom.redaction import redact_settings


def record_of(image, **how):
    config = {"cluster": {"name": "tls://me:secret@host:8786"}, "input": {"chunk_size": None}}
    return RunRecord.begin("s3://key:secret@bucket/a.zarr", image, config, **how)


def test_record__survives_json(patch):
    som = BatchSOM(2, 2, epochs=3).fit(patch)
    record = record_of(patch).trained(som.history_, som.quality_)
    text = json.dumps(record.stored(), allow_nan=False)
    assert RunRecord.read(json.loads(text)).stored() == record.stored()
    assert record.history[2].mean_squared_error == som.history_[2].mean_squared_error
    assert record.quality.hits == tuple(som.quality_.hits)


def test_record__holds_no_nan(patch):
    som = BatchSOM(2, 2, epochs=1).fit(np.zeros_like(patch))
    assert math.isnan(som.history_[0].explained_variance)
    told = record_of(patch).trained(som.history_, som.quality_).stored()
    assert told["history"][0]["explained_variance"] is None
    json.dumps(told, allow_nan=False)


def test_repeatable__is_the_same_for_every_run(patch):
    one, other = record_of(patch), record_of(patch).model_copy(update={"started": "then", "seconds": {"train": 1.0}})
    assert one.stored() != other.stored()
    assert one.repeatable() == other.repeatable()
    assert one.repeatable()["size"] == [48, 60, 3]


def test_secrets__are_left_out(patch):
    text = json.dumps(record_of(patch).stored())
    assert "secret" not in text
    assert "s3://bucket/a.zarr" in text
    assert redact_settings({"a": ["x://u:p@h/b@c", 1, None]}) == {"a": ["x://h/b@c", 1, None]}


def test_local_source__is_an_absolute_path(tmp_path, monkeypatch, patch):
    monkeypatch.chdir(tmp_path)
    assert RunRecord.begin("a.zarr", patch, {}).source == str(tmp_path / "a.zarr")


def test_read__takes_what_a_newer_version_adds_and_refuses_another_form():
    assert RunRecord.read({"source": "a", "invented later": 1}).source == "a"
    assert RunRecord.read({"history": 5}) is None
    assert RunRecord.read(SimpleNamespace) is None
