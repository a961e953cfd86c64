"""The command line as a person meets it: what it writes, what it says, how it ends."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import psutil
import pytest
import tifffile
import zarr
from click.testing import CliRunner
from PIL import Image
from scipy.spatial.distance import cdist

import dasksom
from dasksom.cli.main import COMMANDS, cli, main
from dasksom.image.palette_files import write_palette


@pytest.fixture(scope="module")
def originals(tmp_path_factory, photograph):
    folder = tmp_path_factory.mktemp("originals")
    Image.fromarray(photograph).save(folder / "photo.png")
    zarr.create_array(folder / "scene.zarr", data=photograph.astype(np.float32), chunks=(100, 200, 3))
    return folder


@pytest.fixture
def folder(tmp_path, monkeypatch, originals):
    """A folder to work in, with a photograph and a Zarr image."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(originals, tmp_path, dirs_exist_ok=True)
    return tmp_path


def run(*arguments):
    """Run in this process, as `main` does; give exit code, standard output and standard error."""
    import contextlib
    import io

    out, err = io.StringIO(), io.StringIO()
    code = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["dasksom", *map(str, arguments)])
        before = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGHUP)}
        try:
            main()
        except SystemExit as ended:
            code = ended.code
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)
    return code, out.getvalue(), err.getvalue()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_quantize__a_photograph_to_nine_colors(folder, photograph):
    code, out, _ = run("quantize", "photo.png", "out.png", "--grid", "3x3")
    assert code == 0
    assert "out.png: 600 x 400 pixels, 3 bands of uint8, 9 colors" in out
    rebuilt = np.asarray(Image.open("out.png").convert("RGB"))
    assert rebuilt.shape == photograph.shape
    assert len(np.unique(rebuilt.reshape(-1, 3), axis=0)) == 9
    told = float(out.split("mean squared error ")[1].split()[0])
    away = ((rebuilt.astype(float) - photograph) ** 2).sum(axis=2).mean()
    assert away == pytest.approx(told, rel=0.01)
    assert names(folder) == ["out.png", "photo.png", "scene.zarr"]


@pytest.mark.parametrize("output", ["out.zarr", "out.tif", "out.png", "out.jpg"])
def test_quantize__every_format_holds_the_same_picture(folder, photograph, output):
    assert run("quantize", "photo.png", output, "--grid", "4x4", "--epochs", "5")[0] == 0
    expected = dasksom.BatchSOM(4, 4, epochs=5, refine=80, random_state=0).fit(photograph).quantize(photograph)
    if output.endswith(".zarr"):
        group = zarr.open_group(output, mode="r")
        assert np.array_equal(group["image"][...], expected)
        assert np.array_equal(group["palette"][...][group["labels"][...].astype(int) - 1], expected)
    elif output.endswith(".tif"):
        with tifffile.TiffFile(output) as file:
            colors = (file.pages[0].colormap >> 8).astype(np.uint8)
            assert np.array_equal(colors.T[file.pages[0].asarray()], expected)
    elif output.endswith(".png"):
        assert np.array_equal(np.asarray(Image.open(output).convert("RGB")), expected)
    else:
        assert np.abs(np.asarray(Image.open(output)).astype(int) - expected).mean() < 4


def test_quantize__a_float_image_on_workers(folder, photograph):
    code, _, _ = run(
        "quantize",
        "scene.zarr",
        "out.zarr",
        "--grid",
        "2x3",
        "--epochs",
        "2",
        "--workers",
        "2",
        "--memory-limit",
        "1GiB",
    )
    assert code == 0
    group = zarr.open_group("out.zarr", mode="r")
    assert group["image"].dtype == np.float32
    expected = dasksom.BatchSOM(2, 3, epochs=2).fit(photograph.astype(np.float32)).weights_.reshape(-1, 3)
    assert np.allclose(group["palette"][...], expected, rtol=1e-6)


def test_train_apply_and_info(folder, photograph):
    assert run("train", "photo.png", "palette.npz", "--grid", "2x5", "--seed", "3")[0] == 0
    code, out, _ = run("apply", "palette.npz", "scene.zarr", "out.zarr", "--no-image")
    assert code == 0
    assert "10 colors" in out
    group = zarr.open_group("out.zarr", mode="r")
    assert sorted(name for name, _ in group.members()) == ["labels", "palette"]
    labels = dasksom.load("palette.npz").predict(photograph)
    assert np.array_equal(group["labels"][...] - 1, labels)
    code, out, _ = run("quantize", "photo.png", "same.zarr", "--model", "palette.npz", "--summary", "run.json")
    assert (code, out.splitlines()[-1]) == (0, "next: dasksom view same.zarr, or dasksom report same.zarr")
    assert run("classes", "same.zarr", "--count", "2")[0] == run("palette", "palette.npz", "palette.gpl")[0] == 0
    (folder / "run.yaml").write_text("map: {grid: 5x5}\n")
    for name, *expected in (
        ("palette.npz", "2 x 5 units, 3 bands"),
        ("photo.png", "600 x 400 pixels"),
        ("same.zarr", "600 x 400 pixels", f"from {folder / 'photo.png'}", "labels and palette of 10 units, classes"),
        ("same.classes.csv", "table of classes", "class 2, #", "classes  2"),
        ("palette.gpl", "10: #", "and 2 more"),
        ("run.json", f"summary of a run of dasksom {dasksom.__version__}", "same.zarr"),
        ("run.yaml", "map.grid  (5, 5)"),
    ):
        code, shown, error = run("info", name)
        assert code == 0, error
        assert all(text in shown for text in expected), shown


def test_quantize__options_from_a_file_and_from_the_line(folder):
    with open("run.yaml", "w") as file:
        file.write("map: {grid: 5x5, epochs: 2}\noutput: {overwrite: true}\n")
    for _ in range(2):
        code, out, _ = run("quantize", "photo.png", "out.png", "--config", "run.yaml")
        assert code == 0
        assert "25 colors" in out
    assert "6 colors" in run("quantize", "photo.png", "out.png", "--config", "run.yaml", "--grid", "2x3")[1]


def test_quantize__small_chunks_give_the_same_file(folder):
    run("quantize", "photo.png", "whole.zarr", "--grid", "3x3")
    run("quantize", "photo.png", "pieces.zarr", "--grid", "3x3", "--chunk-size", "100kB", "--cache", "none")
    whole, pieces = (zarr.open_group(name, mode="r") for name in ("whole.zarr", "pieces.zarr"))
    assert pieces["labels"].chunks != whole["labels"].chunks
    for name in ("labels", "image", "palette"):
        assert np.array_equal(whole[name][...], pieces[name][...])


@pytest.fixture(scope="module")
def bad_images(tmp_path_factory):
    """A folder of files that cannot be used, or not so."""
    folder = tmp_path_factory.mktemp("bad")
    with contextlib.chdir(folder):
        _make_bad_images(folder)
    return folder


def _make_bad_images(folder):
    (folder / "empty.png").touch()
    (folder / "text.png").write_text("no picture")
    (folder / "text.xyz").write_text("no picture")
    (folder / "nothing").mkdir()
    zarr.create_array("complex.zarr", data=np.zeros((4, 4, 3), complex))
    zarr.create_array("nan.zarr", data=np.full((30, 20, 4), np.nan))
    zarr.create_array("none.zarr", shape=(0, 4, 3), dtype="u1")
    zarr.create_array("cube.zarr", shape=(2, 3, 4, 5), dtype="u1")
    zarr.create_array("bands.zarr", data=np.ones((8, 8, 5), np.uint8))
    pixels = np.random.default_rng(0).integers(1, 256, (128, 128, 3), np.uint8)
    rgb = {"photometric": "rgb", "tile": (64, 64), "compression": "zlib"}
    tifffile.imwrite("short.tif", pixels, **rgb)
    os.truncate("short.tif", os.stat("short.tif").st_size - 99)
    tifffile.imwrite("holes.tif", iter([pixels[:64, :64], None, None, None]), shape=pixels.shape, dtype="u1", **rgb)
    tifffile.imwrite("cmyk.tif", np.dstack([pixels, pixels[..., :1]]), photometric="separated")
    tifffile.imwrite("bits.tif", pixels[..., 0] % 16, bitspersample=4, photometric="minisblack")
    tifffile.imwrite("complex.tif", pixels[..., 0].astype(complex), photometric="minisblack")
    tifffile.imwrite("stack.tif", pixels.transpose(2, 0, 1), photometric="minisblack")
    tifffile.imwrite("good.tif", pixels, **rgb)
    zarr.create_array("chunks.zarr", data=pixels, chunks=(64, 64, 3))
    (folder / "chunks.zarr/c/1/0/0").unlink()
    zarr.create_array("codec.zarr", data=pixels)
    text = (folder / "codec.zarr/zarr.json").read_text()
    (folder / "codec.zarr/zarr.json").write_text(text.replace('"zstd"', '"codec_of_tomorrow"'))
    Image.new("L", (50, 60)).save("mask.png")
    dasksom.BatchSOM(2, 2, epochs=1).fit(np.random.default_rng(0).random((9, 3))).save("map.npz")
    (folder / "broken.npz").write_bytes(b"no model")
    (folder / "broken.json").write_text('["seconds"]')
    np.savez(folder / "list.npz", weights=np.ones((1, 1, 3)), about=np.frombuffer(b"[1]", np.uint8))


BAD = [
    (["quantize", "none.png", "out.png"], "none.png"),
    (["quantize", "empty.png", "out.png"], "empty.png"),
    (["quantize", "text.png", "out.png"], "text.png"),
    (["quantize", "text.xyz", "out.png"], "text.xyz"),
    (["quantize", "nothing", "out.png"], "nothing"),
    (["quantize", "complex.zarr", "out.zarr"], "complex"),
    (["quantize", "nan.zarr", "out.zarr"], "no pixel holds data"),
    (["quantize", "nan.zarr", "out.zarr", "--init", "sample"], "no pixel holds data"),
    (["quantize", "none.zarr", "out.zarr"], "(0, 4, 3)"),
    (["quantize", "cube.zarr", "out.zarr"], "--axes tzyx"),
    (["quantize", "ftp://bucket/image.zarr", "out.zarr"], "URLs of ftp:// are not read"),
    (["quantize", "photo.png", "out.png", "--grid", "3by3"], "3by3"),
    (["quantize", "photo.png", "out.png", "--grid", "0x3"], "--grid: 0x3 has no units"),
    (["quantize", "photo.png", "out.png", "--grid", "999x999"], "65536"),
    (["quantize", "photo.png", "out.png", "--epochs", "0"], "--epochs: must be an int from 1"),
    (["quantize", "photo.png", "out.png", "--sigma", "1", "2"], "first >= last"),
    (["quantize", "photo.png", "out.png", "--decay", "sudden"], "'exponential', 'linear'"),
    (["quantize", "photo.png", "out.png", "--init", "zero"], "'pca', 'sample'"),
    (["quantize", "photo.png", "out.png", "--method", "magic"], "'auto', 'colors', 'stream'"),
    (["quantize", "scene.zarr", "out.zarr", "--method", "colors"], "float32"),
    (["quantize", "photo.png", "out.png", "--cache", "disk"], "'auto', 'memory', 'none'"),
    (["quantize", "photo.png", "out.png", "--chunk-size", "huge"], "--chunk-size"),
    (["quantize", "photo.png", "out.png", "--cluster", "moon"], "moon"),
    (["quantize", "photo.png", "out.png", "--workers", "0"], "at least 1"),
    (["quantize", "photo.png", "out.png", "--memory-limit", "much"], "much"),
    (["quantize", "photo.png", "out.png", "--config", "none.yaml"], "none.yaml"),
    (["quantize", "photo.png", "out.xyz"], "out.xyz"),
    (["quantize", "photo.png", "photo.png", "--overwrite"], "input itself"),
    (["quantize", "photo.png", "./photo.png", "--overwrite"], "input itself"),
    (["quantize", "scene.zarr", "scene.zarr/out.zarr"], "inside the input"),
    (["quantize", "photo.png", "there.png"], "exists already"),
    (["quantize", "photo.png", "missing/out.png"], "no folder"),
    (["quantize", "scene.zarr", "out.png"], "float32"),
    (["quantize", "bands.zarr", "out.jpg"], "5"),
    (["quantize", "photo.png", "out.png", "--component", "x"], "component"),
    (["quantize", "short.tif", "out.tif"], "short.tif: is cut short: its pixels reach to byte"),
    (["quantize", "holes.tif", "out.tif"], "holes.tif: 3 of its 4 tiles or strips are missing, the first one number 1"),
    (["quantize", "cmyk.tif", "out.tif"], "cmyk.tif: a TIFF with photometric interpretation SEPARATED"),
    (["quantize", "complex.tif", "out.tif"], "complex.tif: pixels are of dtype complex128"),
    (["quantize", "stack.tif", "out.tif"], "stack.tif: its axes are q=3, y=128, x=128"),
    (["quantize", "chunks.zarr", "out.zarr"], "chunks.zarr: 1 of its 4 chunks is missing, the first one c/1/0/0"),
    (["quantize", "codec.zarr", "out.zarr"], "codec_of_tomorrow"),
    (["quantize", "good.tif", "out.tif", "--level", "1"], "good.tif: --level 1: its levels are 0 YXS"),
    (["quantize", "good.tif", "out.tif", "--series", "2"], "good.tif: --series 2: its images are 0 YXS"),
    (["quantize", "good.tif", "out.tif", "--select", "z=1"], "its axes to select along are s (0 to 2)"),
    (["quantize", "good.tif", "out.tif", "--select", "z"], "z= (--select)"),
    (["quantize", "good.tif", "out.tif", "--axes", "yx"], "--axes yx: has 2 letters, but 3 axes are stored"),
    (["quantize", "good.tif", "out.tif", "--nodata", "-5"], "an image of uint8 never holds it"),
    (["quantize", "good.tif", "out.tif", "--nodata", "x"], "a number, nan or none"),
    (["quantize", "good.tif", "out.tif", "--alpha", "x"], "'mask', 'drop', 'band'"),
    (["quantize", "good.tif", "out.tif", "--mask", "mask.png"], "mask.png: a mask of 60 x 50 pixels does not fit"),
    (["quantize", "good.tif", "out.tif", "--mask", "none.png"], "none.png: cannot be opened"),
    (["quantize", "good.tif", "good.tif", "--overwrite"], "input itself"),
    (["quantize", "photo.png", "good.tif", "--mask", "good.tif", "--overwrite"], "input itself"),
    (["train", "photo.png", "model.txt"], ".npz"),
    (["train", "photo.png", "map.npz"], "exists already"),
    (["apply", "none.npz", "photo.png", "out.png"], "none.npz"),
    (["apply", "broken.npz", "photo.png", "out.png"], "broken.npz"),
    (["apply", "map.npz", "bands.zarr", "out.zarr"], "bands.zarr: has 5 bands, and map.npz was trained on 3"),
    (["info", "none.png"], "none.png"),
    (["quantise", "photo.png", "out.png"], "did you mean 'quantize'?"),
    (["quantize", "photo.png", "out.png", "--metric", "euclidian"], "'cosine'; did you mean 'euclidean'?"),
    (["quantize", "photo.png", "out.png", "--scale", "standart:9"], "--scale: must be one of none, standard"),
    (["quantize", "photo.png", "out.png", "--scale", "standart"], "did you mean 'standard'?"),
    (["config", "slrum"], "did you mean 'slurm'?"),
    (["info", "broken.json"], "is not the summary of a run"),
    (["demo", "demo", "--gigapixel", "--side", "0"], "--side"),
    (["demo", "demo", "--side", "64"], "--gigapixel"),
    (["demo", "photo.png"], "is a file"),
    (["demo", "photo.png/demo"], "the folder cannot be created"),
    (["demo", "nothing/.."], "holds other files"),
    (["quantize", "photo.png", "out.png", "--chunk-size", "1e400"], "not a size"),
    (["quantize", "photo.png", "out.png", "--memory-limit", "1e400GB"], "not a size"),
    (["quantize", "photo.png", "out.png", "--no-image"], "--no-image"),
    (["quantize", "photo.png", "out.zarr", "--model", "map.npz", "--grid", "9x9"], "--grid"),
    (["info", "list.npz"], "list.npz"),
    (["apply", "list.npz", "photo.png", "out.png"], "list.npz"),
]


@pytest.mark.parametrize(
    ("arguments", "told"), BAD, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_bad_input__one_clear_line_exit_2_nothing_left(folder, bad_images, arguments, told):
    shutil.copytree(bad_images, folder, dirs_exist_ok=True)
    Image.new("RGB", (2, 2)).save("there.png")
    before, kept = names(folder), (folder / "there.png").read_bytes()
    code, out, err = run(*arguments)
    assert code == 2, err
    assert told in err
    assert len(err.strip().splitlines()) == 1, err
    assert "Traceback" not in err
    assert out == ""
    assert names(folder) == before
    assert (folder / "there.png").read_bytes() == kept


def test_quantize__pixels_that_do_not_count(folder, photograph):
    """Garbage below a mask moves nothing, whichever way it is told; the file says where there is no data."""
    keep = np.add.outer(np.arange(400), np.arange(600)) % 3 > 0
    Image.fromarray(keep.astype(np.uint8)).save("mask.png")
    palettes = []
    for number, garbage in enumerate((0, 255)):
        pixels = np.where(keep[..., None], np.maximum(photograph, 1), garbage).astype(np.uint8)
        Image.fromarray(pixels).save(f"{number}.png")
        Image.fromarray(np.dstack([pixels, keep * 255]).astype(np.uint8)).save(f"alpha{number}.png")
        told = [[f"{number}.png", "--mask", "mask.png"], [f"alpha{number}.png"]]
        for image, *options in told if garbage else [*told, ["0.png", "--nodata", "0"]]:
            code, _, err = run("quantize", image, "out.zarr", "--grid", "3x3", "--overwrite", *options)
            assert code == 0, err
            group = zarr.open_group("out.zarr", mode="r")
            assert np.array_equal(group["labels"][...] > 0, keep)
            assert np.array_equal(group["image"][...][keep], group["palette"][...][group["labels"][...][keep] - 1])
            palettes.append(group["palette"][...])
    assert len(palettes) == 5
    for palette in palettes[1:]:
        assert np.array_equal(palette, palettes[0])


def test_info__what_the_file_tells(folder, photograph):
    with tifffile.TiffWriter("slide.tif", ome=True) as tiff:
        metadata = {"PhysicalSizeX": 0.25, "PhysicalSizeY": 0.25}
        tiff.write(photograph, photometric="rgb", tile=(128, 128), subifds=1, metadata=metadata)
        tiff.write(photograph[::2, ::2], photometric="rgb", tile=(128, 128), subfiletype=1)
    shown = " ".join(run("info", "slide.tif", "--level", "1", "--nodata", "0")[1].split())
    for told in (
        "axes y 200, x 300, s 3",
        "level 1 of 0 to 1",
        "no data 0",
        "0.5 x 0.5 micrometer",
        "300 x 200 pixels",
    ):
        assert told in shown, shown
    assert "pixels used all except no-data (0)" in shown


def test_what_a_format_cannot_hold_is_refused_before_training(folder, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("trained")

    monkeypatch.setattr("dasksom.estimator.BatchSOM.fit", refuse)
    for output in ("out.png", "out.jpg"):
        code, _, err = run("quantize", "scene.zarr", output)
        assert code == 2
        assert f"{output}: " in err


def test_debug__traceback_and_the_same_exit_code(folder):
    code, _, err = run("--debug", "quantize", "none.png", "out.png")
    assert code == 2
    assert "Traceback" in err


def test_the_number_of_workers_does_not_change_the_chunks(folder, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "dasksom.runs.input_image.open_picture", lambda *_, **options: seen.append(options["chunk_bytes"])
    )
    for workers in ("1", "500"):
        assert run("train", "scene.zarr", "out.npz", "--workers", workers, "--cluster", "threads")[0] == 1
    assert len(set(seen)) == 1


def test_interrupted_while_writing__sweeps_up(folder, monkeypatch):
    """Tasks may go on writing for a moment after the run has failed."""
    writers = []

    def burst(image, codebook, sink, **_):
        def write_on():
            for _ in range(20):
                time.sleep(0.02)
                sink.encode(np.zeros((400, 600), np.uint8), (0, 0))

        writers.append(threading.Thread(target=write_on))
        writers[0].start()
        raise KeyboardInterrupt

    monkeypatch.setattr("dasksom.runs.image_run.quantize_into", burst)
    monkeypatch.setattr(
        "dasksom.runs.run_state.SMALL_RECORD_SECONDS", 600
    )  # nothing is saved, however slow the machine
    monkeypatch.setattr("dasksom.storage.own_removal.REMOVAL_PAUSE_SECONDS", 0.2)
    monkeypatch.setattr("threading.excepthook", lambda _: None)  # its folder is taken from under it
    before = names(folder)
    assert run("quantize", "photo.png", "out.zarr")[0] == 130
    writers[0].join(30)
    assert not writers[0].is_alive()
    assert names(folder) == before


def test_infinity_found_by_a_worker__one_clear_line(folder):
    zarr.create_array("inf.zarr", data=np.full((30, 20, 4), np.inf))
    code, _, err = run("quantize", "inf.zarr", "out.zarr", "--workers", "1", "--memory-limit", "1GiB")
    assert code == 2
    assert "infinity at row 0, column 0" in err
    assert len(err.strip().splitlines()) == 1
    assert "out.zarr" not in names(folder)


@pytest.mark.parametrize("arguments", [["quantize"], ["quantize", "a"], ["nothing"], ["quantize", "--moon"]])
def test_wrong_words__usage_and_exit_2(arguments):
    code, _, err = run(*arguments)
    assert code == 2
    assert "Usage" in err


def test_an_unforeseen_error__one_line_and_exit_1(folder, monkeypatch):
    def burst(*_, **__):
        raise RuntimeError("burst")

    monkeypatch.setattr("dasksom.runs.image_run.quantize_into", burst)
    code, _, err = run("quantize", "photo.png", "out.png")
    assert code == 1
    assert err.strip() == "dasksom: RuntimeError: burst (dasksom --debug ... shows where)"
    assert "out.png" not in names(folder)


def test_help__explains_every_option():
    for command in (None, *COMMANDS):
        shown = CliRunner().invoke(cli, ["--help"] if command is None else [command, "--help"])
        assert shown.exit_code == 0
    for command in (cli.get_command(None, name) for name in COMMANDS):
        for parameter in command.params:
            if parameter.param_type_name == "option":
                assert parameter.help, (command.name, parameter.name)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (signal.SIGINT, 130),
        pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, 129, marks=pytest.mark.slow),
    ],
)
def test_interrupted__nothing_left_but_what_can_be_gone_on_with_and_no_process(tmp_path, sent, code):
    zarr.create_array(
        tmp_path / "large.zarr", data=np.random.default_rng(0).random((2000, 2000, 8), np.float32), chunks=(250, 250, 8)
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "dasksom", "quantize", "large.zarr", "out.zarr", "--epochs", "5000", "--workers", "1"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 60
        while len(children := psutil.Process(process.pid).children(recursive=True)) < 1:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.2)
        time.sleep(4)  # the worker is up and the training goes on
        os.kill(process.pid, sent)
        _, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == code, err
    _, alive = psutil.wait_procs(children, timeout=15)
    assert not alive
    assert {"large.zarr"} <= set(names(tmp_path)) <= {"large.zarr", ".unfinished-out.zarr"}
    assert ("dasksom resume out.zarr" in err.decode()) == (len(names(tmp_path)) == 2)


def test_quantize__to_ome_zarr_on_workers(folder, photograph):
    code, _, _ = run("quantize", "photo.png", "out.ome.zarr", "--grid", "4x4", "--workers", "2", "--chunk", "64")
    assert code == 0
    expected = dasksom.BatchSOM(4, 4, refine=80, random_state=0).fit(photograph).predict(photograph) + 1
    group = zarr.open_group("out.ome.zarr", mode="r")
    assert np.array_equal(group["labels/som/0"][...], expected)
    assert np.array_equal(group["labels/som/3"][...], expected[::8, ::8])
    assert run("quantize", "photo.png", "flat.ome.zarr", "--layout", "flat", "--ome-version", "0.4")[0] == 0
    assert names(folder) == ["flat.ome.zarr", "out.ome.zarr", "photo.png", "scene.zarr"]


def test_quantize__to_levels_of_labels(folder, photograph):
    arguments = ("--pixels", "labels", "--layout", "cog", "--codec", "zstd", "--chunk", "128", "--chunk-size", "64KiB")
    assert run("quantize", "photo.png", "out.tif", "--grid", "4x4", *arguments)[0] == 0
    expected = dasksom.BatchSOM(4, 4, refine=80, random_state=0).fit(photograph).predict(photograph) + 1
    with tifffile.TiffFile("out.tif") as file:
        assert np.array_equal(file.pages[0].asarray(), expected)
        assert np.array_equal(file.pages[2].asarray(), expected[::4, ::4])
    assert names(folder) == ["out.tif", "photo.png", "scene.zarr"]


def test_quantize__dithered(folder, photograph):
    code, out, _ = run("quantize", "photo.png", "out.png", "--grid", "4x4", "--dither", "bayer")
    assert code == 0
    expected = dasksom.BatchSOM(4, 4, refine=80, random_state=0).fit(photograph).quantize(photograph, dither="bayer")
    assert np.array_equal(np.asarray(Image.open("out.png").convert("RGB")), expected)
    told = float(out.split("mean squared error ")[1].split()[0])
    assert told == pytest.approx(((expected.astype(float) - photograph) ** 2).sum(axis=2).mean(), rel=0.01)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("out.png", "--dither", "floyd"), "'--dither': 'floyd' is not one of 'none', 'bayer'"),
        (("out.png", "--layout", "cog"), "layout (--layout) has no meaning for this format"),
        (("out.tif", "--pixels", "palette", "--grid", "20x20"), "a palette holds 256 colors"),
        (("out.tif", "--chunk", "100"), "chunk: 100 pixels; multiples of 16"),
        (("out.tif", "--codec", "lzma"), "codec: 'lzma' is not one that this output has; give one of zlib, zstd, none"),
    ],
)
def test_quantize__refuses_what_cannot_be_written(folder, arguments, message):
    code, _, err = run("quantize", "photo.png", *arguments)
    assert code == 2
    assert message in err
    assert names(folder) == ["photo.png", "scene.zarr"]


def test_palette(folder):
    assert run("train", "photo.png", "palette.npz", "--grid", "2x5")[0] == 0
    for name in ("a.gpl", "a.act", "a.clr", "a.txt", "a.png"):
        assert run("palette", "palette.npz", name)[0] == 0
    assert len((folder / "a.gpl").read_text().splitlines()) == 14
    code, _, err = run("palette", "palette.npz", "a.gpl")
    assert code == 2
    assert "exists already" in err
    assert run("palette", "palette.npz", "a.gpl", "--bands", "2,1,0", "--overwrite")[0] == 0
    assert "unit 9" in (folder / "a.gpl").read_text()
    assert run("palette", "palette.npz", "b.gpl", "--bands", "x")[0] == 2
    dasksom.load("palette.npz").save_palette("c.gpl", bands=(2, 1, 0))
    assert (folder / "c.gpl").read_text() == (folder / "a.gpl").read_text()


def test_apply__colors_of_a_palette_file(folder, photograph):
    colors = np.array([[255, 0, 0], [0, 0, 0], [250, 240, 230], [60, 80, 120]], np.uint8)
    Image.fromarray(photograph[:90, :110]).save("small.png")
    expected = colors[cdist(photograph[:90, :110].reshape(-1, 3), colors, "sqeuclidean").argmin(axis=1)]
    for suffix in (".gpl", ".act", ".clr", ".txt", ".png"):
        write_palette(f"fixed{suffix}", colors.reshape(2, 2, 3))
        assert run("apply", f"fixed{suffix}", "small.png", f"out{suffix}.png")[0] == 0
        assert np.array_equal(np.asarray(Image.open(f"out{suffix}.png").convert("RGB")).reshape(-1, 3), expected)


def test_quantize__colors_that_are_kept(folder):
    kept = ("--keep", "#ff0000,0/0/0", "--keep", "#fefdfc")
    assert run("quantize", "photo.png", "out.png", "--grid", "3x3", *kept, "--report")[0] == 0
    palette = np.reshape(Image.open("out.png").getpalette(), (-1, 3)).tolist()
    assert [color in palette for color in ([255, 0, 0], [0, 0, 0], [254, 253, 252])] == [True] * 3
    assert run("quantize", "photo.png", "no.png", "--grid", "1x2", *kept)[2].count("the map has 2 units") == 1
    code, _, err = run("quantize", "scene.zarr", "no.zarr", "--keep", "#ff000001")
    assert code == 2
    assert "keep: " in err


def test_train_and_apply__several_images(folder, photograph):
    os.makedirs("photos")
    parts = [photograph[:200], photograph[200:]]
    for name, part in zip("ab", parts, strict=True):
        Image.fromarray(part).save(f"photos/{name}.png")
    assert run("train", "photos/a.png", "photos/b.png", "two.npz", "--grid", "4x4")[0] == 0
    assert run("train", "photos", "folder.npz", "--grid", "4x4")[0] == 0
    Image.fromarray(photograph).save("whole.png")
    assert run("train", "whole.png", "whole.npz", "--grid", "4x4")[0] == 0
    maps = [dasksom.load(f"{name}.npz") for name in ("two", "folder", "whole")]
    assert maps[0].weights_.tobytes() == maps[1].weights_.tobytes() == maps[2].weights_.tobytes()
    assert run("apply", "two.npz", "photos", "reduced", "--format", ".png")[0] == 0
    for name, part in zip("ab", parts, strict=True):
        assert np.array_equal(np.asarray(Image.open(f"reduced/{name}.png").convert("RGB")), maps[0].quantize(part))
    before = os.stat("reduced/a.png").st_mtime_ns
    os.unlink("reduced/b.png")
    code, out, _ = run("apply", "two.npz", "photos/a.png", "photos/b.png", "reduced", "--format", ".png")
    assert code == 0
    assert "reduced/a.png: exists already, skipped" in out
    assert os.stat("reduced/a.png").st_mtime_ns == before
    assert os.path.exists("reduced/b.png")


@pytest.mark.parametrize(
    ("dtype", "space", "warned"), [("u2", "rgb", True), ("u1", "rgb", False), ("u2", "lab", False)]
)
def test_apply__warns_of_numbers_that_mean_something_else(folder, photograph, dtype, space, warned, caplog):
    dasksom.BatchSOM(2, 2, epochs=1, color_space=space).fit(photograph).save("map.npz")
    dasksom.load("map.npz").save("again.npz")  # loses nothing
    zarr.save_array("image.zarr", photograph.astype(dtype))
    assert run("apply", "again.npz", "image.zarr", "out.zarr")[0] == 0
    assert ("again.npz was trained on uint8" in caplog.text) == warned


def test_apply__an_image_that_fails_does_not_stop_the_others(folder, photograph):
    os.makedirs("photos")
    Image.fromarray(photograph).save("photos/b.png")
    with open("photos/a.png", "wb") as file:
        file.write(b"no photograph")
    dasksom.BatchSOM(2, 2, epochs=1).fit(photograph).save("map.npz")
    code, _, err = run("apply", "map.npz", "photos", "reduced")
    assert code == 1
    assert "photos/a.png" in err
    assert "1 of the images could not be written" in err
    assert os.listdir("reduced") == ["b.zarr"]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["apply", "map.npz", "x/a.png", "y/a.png", "out"], "would both be written to"),
        (["apply", "map.npz", "photo.png", "out", "--format", ".gif"], "is not what outputs may end in"),
        (["apply", "map.npz", "x/a.png", "y/a.png", "out", "--format", "png"], "did you mean .png?"),
        (["apply", "map.npz", "photo.png", ".", "--format", ".png"], "photo.png: is one of the images that are read"),
        (["apply", "map.npz", "gray.png", "out.png"], "gray.png: has 1 bands, and map.npz was trained on 3"),
        (["train", "photo.png", "gray.png", "new.npz"], "gray.png: has 1 bands of uint8, and photo.png has 3 of uint8"),
        (["apply", "map.npz", "photo.png", "photo.png/out", "--format", ".png"], "no folder for the outputs"),
        (["apply", "map.npz", "photo.png", "out", "--format", ".png", "--report"], "are for one image"),
    ],
)
def test_apply__refuses_what_has_no_place(folder, photograph, command, message):
    dasksom.BatchSOM(2, 2, epochs=1).fit(photograph).save("map.npz")
    Image.fromarray(photograph).save("photo.png")
    Image.fromarray(photograph[..., 0]).save("gray.png")
    code, _, err = run(*command)
    assert code == 2
    assert message in err.replace(f"{os.getcwd()}/", "")


def test_quantize__opacity_with_the_colors(folder, photograph):
    opacity = np.clip(photograph[:120, :150, :1] * 3, 0, 255).astype(np.uint8)
    rgba = np.dstack([photograph[100:220, :150], opacity])
    Image.fromarray(rgba).save("rgba.png")
    how = ("--grid", "3x4", "--color-space", "rgba")
    assert "opacity (--alpha band); X has 3" in run("quantize", "rgba.png", "out.png", *how)[2]
    how = (*how, "--alpha", "band", "--refine", "20", "--keep", "#00000000")
    assert run("quantize", "rgba.png", "out.png", *how, "--report")[0] == 0
    with Image.open("out.png") as image:
        assert image.mode == "P"
        found = np.asarray(image.convert("RGBA"))
    colors = np.unique(found.reshape(-1, 4), axis=0)
    assert len(colors) <= 12

    def over(ground, pixels):
        share = pixels[:, 3:] / 255
        return pixels[:, :3] * share + ground * (1 - share)

    distances = [cdist(over(g, rgba.reshape(-1, 4)), over(g, colors), "sqeuclidean") for g in (0, 255)]
    nearest = np.sum(distances, axis=0).min(axis=1)
    chosen = np.sum(
        [(over(g, rgba.reshape(-1, 4)) - over(g, found.reshape(-1, 4))) ** 2 for g in (0, 255)], axis=(0, 2)
    )
    assert chosen.mean() <= 1.001 * nearest.mean()  # units are rounded to colors after the search
    code, out, _ = run("table", "out.png", "--by", "image")  # opens the image with its opacity again
    assert code == 0
    assert "band3" in out
