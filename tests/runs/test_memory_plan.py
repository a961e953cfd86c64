import json
import re
import time
from dataclasses import replace

import dask.array as da
import jsonschema
import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from dasksom import BatchSOM, open_picture
from dasksom.cluster import ClusterOptions, Workers, connect, connection, count_tasks
from dasksom.cluster.gpus import Gpu
from dasksom.config import RunConfig, load_config
from dasksom.errors import InputError
from dasksom.provenance.run_record import summary_schema
from dasksom.runs.dry_run import TASK_SECONDS, Forecast, Probe, estimate, forecast, probe
from dasksom.runs.image_run import describe, new_map
from dasksom.runs.memory_plan import CHUNK_COLORS, GPU_HOST_BYTES, RESERVED_BYTES, TABLE_BYTES, check_fits, plan_run
from dasksom.runs.workflows import quantize_image

MIB = 1 << 20
KEPT = {"cache": "memory"}


def image(shape=(4096, 4096, 3), chunk=1024, dtype=np.uint8):
    return da.zeros(shape, chunks=(chunk, chunk, shape[2]), dtype=dtype)


def plan(
    shape=(4096, 4096, 3), chunk=1024, dtype=np.uint8, grid=(16, 16), there=(1, 1), trains=True, writes=True, **told
):
    settings = {"map": {"refine": 0}, **told}
    config = RunConfig.model_validate({**settings, "map": {"grid": grid, **settings["map"]}})
    pixels, workers = image(shape, chunk, dtype), Workers(*there, 0)
    return plan_run(pixels, new_map(config), config, workers, trains=trains, writes=writes)


def test_plan__counted_colors_are_read_twice():
    found = plan()
    assert found.counted
    assert (found.train_passes, found.write_passes) == (1, 1)
    assert found.chunks == 16
    assert found.tasks == 2 * 17
    assert found.read_bytes == 2 * 4096 * 4096 * 3
    assert found.written_bytes == 4096 * 4096 * (2 + 3)  # labels are numbered from 1
    assert "2 passes over 16 chunks of 1024 x 1024 pixels (3.00 MiB)" in describe(found)


def test_plan__a_stream_is_read_once_an_epoch_and_twice():
    found = plan(dtype=np.float32, grid=(20, 20), output={"image": False}, map={"warm_up": "none"})
    assert not found.counted
    assert found.train_passes == 21
    assert found.read_bytes == 22 * 4096 * 4096 * 12
    assert found.written_bytes == 4096 * 4096 * 2
    assert plan(dtype=np.float32, input=KEPT).read_bytes == 4096 * 4096 * 12


def test_plan__a_warm_up_reads_a_stream_five_times():
    found, exact = plan(dtype=np.float32), plan(dtype=np.float32, map={"warm_up": "none"})
    assert (found.epochs, found.train_passes, found.read_bytes) == (20, 4, 5 * 4096 * 4096 * 12)
    sample = (1 << 19) * (3 * 4 + 8 + 8)
    assert found.worker_bytes - exact.worker_bytes == 2 * sample
    assert found.driver_bytes - exact.driver_bytes == 4 * sample
    rows = Forecast(found, Workers(1, 1, 0), None).as_text()
    assert rows["passes"] == "4 to train (a first look, 1 to draw the sample and 2 epochs), 1 to write"
    assert rows["warm-up"].startswith("18 of 20 epochs on a sample of about 524,288 pixels (14.00 MiB)")
    assert "warm-up" not in Forecast(exact, Workers(1, 1, 0), None).as_text()


def test_plan__what_is_counted_is_refined_unless_it_is_asked_not_to_be():
    assert plan().epochs == 20
    assert plan(map={}).epochs == 20 + 80
    assert plan(map={}, dtype=np.float32).epochs == 20
    assert plan(map={"epochs": 3, "refine": 4}, dtype=np.float32).epochs == 7


def test_plan__a_trained_map_is_only_applied():
    found = plan(trains=False)
    assert (found.train_passes, found.write_passes, found.read_bytes) == (0, 1, 4096 * 4096 * 3)
    assert plan(writes=False).write_passes == 0
    assert plan(writes=False).written_bytes == 0


def test_plan__finding_what_cannot_be_read_is_a_pass_more():
    found, plain = plan(input={"on_bad_chunk": "skip"}), plan()
    assert found.check_passes == 1
    assert found.tasks == 3 * 17
    assert found.read_bytes * 2 == plain.read_bytes * 3
    assert "3 passes over 16 chunks" in describe(found)


def test_plan__driver_does_not_grow_with_the_image():
    large, larger = (plan((side, side, 3), 1024).driver_bytes for side in (32_768, 131_072))
    assert large == larger < 400 * MIB
    assert plan((1024, 1024, 3), 1024).driver_bytes < large
    assert plan((32_768, 32_768, 3), 1024, np.float32, map={"warm_up": "none"}).driver_bytes < 150 * MIB
    assert plan((32_768, 32_768, 3), 1024, np.float32).driver_bytes < 200 * MIB


def test_plan__memory_is_the_documented_formula():
    found = plan((4096, 4096, 5), 512, np.uint16, (10, 10), there=(1, 3))
    pixels = 512 * 512
    assert found.worker_bytes == 400 * MIB + 20 * 8 * 100 * 7 + 3 * pixels * (3.5 * 10 + 4 * 5 + 20) + 2 * (26 << 19)
    assert plan((512, 512, 3), 512, there=(1, 4)).worker_bytes == plan((512, 512, 3), 512).worker_bytes  # one chunk
    one, four = plan((512, 512, 3), 512), plan((1024, 1024, 3), 512)
    assert four.worker_bytes - one.worker_bytes == (8 + 12) * 1024 * 1024  # one chunk is not added up
    assert plan(chunk=512).worker_bytes - one.worker_bytes == TABLE_BYTES * 2**24
    many, pixels = plan((32_768, 32_768, 3), 2048), 2048 * 2048
    assert many.worker_bytes - one.worker_bytes == (
        8 * 16 * CHUNK_COLORS + 12 * 2**24 + (pixels - 512 * 512) * (3.5 * 3 + 20)
    )
    values = plan((32_768, 32_768, 1), 2048, np.uint16)
    assert (values.train_passes, values.write_passes) == (1, 1)
    assert values.worker_bytes < 400 * MIB + 12 * MIB + pixels * (3.5 * 2 + 20)  # lists and table of 65,536 values
    gray = plan((32_768, 32_768, 1), 2048)
    assert gray.worker_bytes < 400 * MIB + MIB + pixels * 24
    assert plan(input=KEPT, there=(4, 1)).worker_bytes - plan(there=(4, 1)).worker_bytes == 4096 * 4096 * 3 // 4
    assert plan(shape=(8192, 8192, 3)).worker_bytes == plan().worker_bytes  # not of the image's size


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_check_fits__names_a_chunk_size_that_does(dtype):
    too_large = plan(chunk=4096, dtype=dtype)
    memory = 800 * MIB
    with pytest.raises(InputError, match="--chunk-size") as refused:
        check_fits(too_large, memory)
    size = int(re.search(r"--chunk-size (\d+)MiB", str(refused.value))[1]) * MIB
    assert size < too_large.chunk_bytes
    assert too_large.memory_for(size) <= 0.9 * memory < too_large.memory_for(2 * size)
    side = int((size / too_large.pixel_bytes) ** 0.5)
    check_fits(replace(too_large, chunk=(side, side)), memory)
    check_fits(too_large, int(too_large.worker_bytes / 0.9) + 2)
    with pytest.raises(InputError, match="is usable"):  # where it would wait forever
        check_fits(too_large, too_large.worker_bytes)
    check_fits(too_large, 0)  # a worker without a limit


def test_check_fits__no_chunk_is_small_enough():
    with pytest.raises(InputError, match=r"give each worker 7[0-9]{2}MiB or more"):
        check_fits(plan(), 400 * MIB)


def test_plan__includes_what_a_file_decodes_at_once():
    """A photograph, or a large strip, is decoded completely, however small the chunks are."""
    image = da.zeros((13_000, 13_000, 3), chunks=(2048, 2048, 3), dtype=np.uint8)
    som, config = BatchSOM(4, 4), load_config(None, {"map": {"grid": "4x4"}})
    photograph, strips, tiles = (
        plan_run(image, som, config, Workers(2, threads, 0), trains=True, writes=True, stored=stored)
        for threads, stored in ((4, (13_000, 13_000)), (2, (6_500, 13_000)), (4, (512, 512)))
    )
    assert photograph.worker_bytes - tiles.worker_bytes == 3.5 * 13_000 * 13_000 * 3
    assert strips.decoded_whole_bytes == 13_000 * 13_000 * 3
    with pytest.raises(InputError, match=r"decodes 483.51 MiB at once.*tiled TIFF.*give each worker \d+MiB or more"):
        check_fits(photograph, 1024 * MIB)


def test_plan__includes_what_is_decoded_of_a_pixel_but_not_selected(tmp_path):
    pixels = np.zeros((700, 900, 4), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    Image.fromarray(pixels[..., :3]).save(tmp_path / "a.webp", lossless=True)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", rowsperstrip=700, compression="zlib")
    for name, per_pixel in (("a.png", 4), ("a.webp", 5), ("a.tif", 4)):
        picture = open_picture(tmp_path / name, bands=[0], alpha="drop", chunk_bytes=1000)
        run = BatchSOM(4, 4), load_config(None, {"map": {"grid": "4x4"}}), Workers(1, 1, 0)
        decoded = {"stored": picture.stored, "decoded_pixel_bytes": picture.decoded_pixel_bytes}
        plan = plan_run(picture.pixels, *run, trains=True, writes=True, **decoded)
        assert plan.decoded_whole_bytes == 700 * 900 * per_pixel, name


def test_estimate__adds_up():
    found = Probe(read=1.0, count=2.0, epoch=0.5, write=4.0)
    counted = plan()
    assert estimate(counted, found, 2) == 16 * (2 * 1 + 2 + 4) / 2 + 20 * 0.5
    exact, warm_up = (plan(dtype=np.float32, map={"warm_up": choice}) for choice in ("none", "auto"))
    assert estimate(exact, found, 1) == 16 * (22 * 1 + 2 + 20 * 0.5 + 4)
    assert estimate(warm_up, found, 1) == 16 * (5 * 1 + 2 + 2 * 0.5 + 4) + 18 * 0.5 * 0.5
    assert estimate(counted, Probe(0, 0, 0, 0), 1) == counted.tasks * TASK_SECONDS


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_probe__measures_a_chunk(dtype, photograph):
    som = BatchSOM(3, 3, epochs=4, random_state=0)
    found = probe(da.from_array(photograph.astype(dtype), chunks=(200, 300, 3)), som)
    assert all(0 <= value < 60 for value in (found.read, found.count, found.epoch, found.write))
    assert found.epoch > 0
    assert found.write > 0
    assert not hasattr(som, "weights_")


def test_probe__works_on_little_of_many_bands_and_units():
    begun = time.perf_counter()
    probe(da.random.default_rng(0).random((256, 256, 200), chunks=-1), BatchSOM(64, 64))
    assert time.perf_counter() - begun < 30  # all of the chunk would take minutes


def test_run__what_cannot_fit_is_refused_before_a_pixel_is_read(tmp_path):
    array = zarr.create_array(tmp_path / "in.zarr", shape=(8192, 8192, 4), chunks=(4096, 4096, 4), dtype="f4")
    assert array.nchunks_initialized == 0
    given = {"map": {"epochs": 1}, "cluster": {"name": "local", "workers": 1, "memory_limit": "1GiB"}}
    config = load_config(None, {**given, "input": {"fill_missing": True}})
    with pytest.raises(InputError, match=r"for chunks of 4096 x 4096 pixels \(256.00 MiB decoded\).*of the 1.00 GiB"):
        forecast(str(tmp_path / "in.zarr"), "out.zarr", config)
    with pytest.raises(
        InputError, match=r"the chunks of the file, so store it in smaller ones, or give each worker \d+MiB"
    ) as refusal:
        quantize_image(str(tmp_path / "in.zarr"), str(tmp_path / "out.zarr"), config, _Silent())
    assert "--chunk-size" not in str(refusal.value)
    enough = re.search(r"give each worker (\w+)", str(refusal.value))[1]  # the way out works
    config = load_config(
        None, {**given, "cluster": {**given["cluster"], "memory_limit": enough}, "input": {"fill_missing": True}}
    )
    assert forecast(str(tmp_path / "in.zarr"), "out.zarr", config, probed=False).plan.chunk == (4096, 4096)
    assert [path.name for path in tmp_path.iterdir()] == ["in.zarr"]


@pytest.mark.parametrize("kind", ["local", "threads"])
def test_forecast__default_chunks_are_the_largest_that_fit(tmp_path, kind):
    zarr.create_array(tmp_path / "in.zarr", shape=(4096, 4096, 40), chunks=(128, 128, 40), dtype="u1")
    cluster = {"name": kind, "workers": 2, "memory_limit": "768MiB"}
    given = {"map": {"epochs": 2}, "cluster": cluster}
    config = load_config(None, {**given, "input": {"fill_missing": True}})
    found = forecast(str(tmp_path / "in.zarr"), "out.zarr", config, probed=False).plan
    assert found.worker_bytes <= 0.9 * 768 * MIB < found.memory_for(2 * found.chunk_bytes)
    config = load_config(None, {**given, "input": {"fill_missing": True, "chunk_size": "64MiB"}})
    with pytest.raises(InputError, match="--chunk-size"):  # a size that was given is not changed
        forecast(str(tmp_path / "in.zarr"), "out.zarr", config)


def test_forecast__memory_of_gpus(tmp_path, monkeypatch):
    zarr.create_array(tmp_path / "in.zarr", shape=(256, 256, 4), chunks=(256, 256, 4), dtype="f4", fill_value=0)

    def found(device, memory):
        monkeypatch.setattr(
            connection, "_with_gpus", lambda options, name: replace(options, gpus=(Gpu("GPU-a", memory),))
        )
        config = load_config(None, {"map": {"device": device}, "input": {"fill_missing": True}})
        return forecast(str(tmp_path / "in.zarr"), "out.zarr", config, probed=False)

    large, small = found("auto", 16 << 30), found("auto", MIB)
    assert large.as_text()["memory of a GPU"] == "at most 1.00 GiB; available: 16.00 GiB"
    assert large.plan.reserved_bytes == RESERVED_BYTES + GPU_HOST_BYTES
    assert "memory of a GPU" not in small.as_text()
    with pytest.raises(InputError, match=r"256 units of 4 bands need 5.* MiB of a GPU, .*one has 1.00 MiB; use fewer"):
        found("cuda", MIB)


class _Silent:
    def plan(self, line):
        pass

    stage = progress = epoch = lambda *_: None


def test_summary__tells_what_was_done(tmp_path, photograph):
    zarr.create_array(tmp_path / "in.zarr", data=photograph.astype("f4"), chunks=(100, 100, 3))
    given = {"map": {"epochs": 2}, "cluster": {"name": "threads", "workers": 2}, "input": {"chunk_size": "120KB"}}
    config = load_config(None, given)
    record = quantize_image(str(tmp_path / "in.zarr"), str(tmp_path / "out.zarr"), config, _Silent())
    told = json.loads(json.dumps(record.summary()))
    jsonschema.validate(told, summary_schema())
    assert told["passes"] == 4
    assert told["bytes_read"] == 4 * photograph.size * 4
    stored = sum(path.stat().st_size for path in (tmp_path / "out.zarr").rglob("*") if path.is_file())
    assert told["bytes_written"] == stored
    assert told["tasks"] is None
    assert {"python", "dask", "distributed", "numpy", "dasksom"} <= {*told["versions"]}
    assert {"train", "write"} == {*told["seconds"]}
    assert told["plan"].startswith("4 passes over 24 chunks")


def test_count_tasks__without_a_cluster():
    with connect(ClusterOptions("threads"), small=True) as client, count_tasks(client) as counts:
        pass
    assert counts.tasks is None


def test_count_tasks__retries(client):

    def fail_once(name):
        from distributed import get_worker

        worker = get_worker()
        if not hasattr(worker, name):
            setattr(worker, name, True)
            raise RuntimeError("once")
        return 1

    with count_tasks(client) as counts:
        futures = [client.submit(fail_once, f"failed_{n}", retries=3, pure=False) for n in range(3)]
        assert client.gather(futures) == [1, 1, 1]
    assert counts.tasks == 3
    assert counts.retries >= 3
