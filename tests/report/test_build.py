"""The report's numbers are those of the files, computed another way; and nothing in it can do harm."""

import base64
import io
import json
import os
import re
import shutil

import numpy as np
import pandas
import pytest
import tifffile
import zarr
from click.testing import CliRunner
from PIL import Image
from skimage import data
from skimage.color import deltaE_ciede2000, rgb2lab
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

import dasksom
from dasksom.cli.main import cli
from dasksom.config import RunConfig
from dasksom.errors import InputError
from dasksom.report import build as reporting
from dasksom.report.build import report_path, write_report
from dasksom.runs.workflows import quantize_image
from tests.report.page import Page


@pytest.fixture
def photograph(photograph):
    """A part of the photograph, (150, 200, 3)."""
    return np.ascontiguousarray(photograph[100:250, 150:350])


@pytest.fixture
def folder(tmp_path, monkeypatch, photograph):
    """A folder to work in, with a photograph."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(photograph).save("photo.png")
    return tmp_path


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a photograph, what a run made of it, and the report of the run."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Image.fromarray(data.coffee()[100:250, 150:350]).save("photo.png")
        run("quantize", "photo.png", "out.zarr", "--grid", "4x5", "--epochs", "6", "--report")
    return folder


@pytest.fixture
def no_figures(monkeypatch):
    """Leave out what takes most of a report's time."""
    monkeypatch.setattr(reporting, "_maps", lambda _: [])
    monkeypatch.setattr(reporting, "_training", lambda _: [])


def run(*arguments):
    done = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def page_of(path):
    return Page(path.read_text(encoding="utf-8"))


def pictures(page):
    """Give the images of a page's `img` elements."""
    found = []
    for element in page.all("img"):
        head, _, data = element["attributes"]["src"].partition(",")
        assert head == "data:image/png;base64"
        found.append(np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))))
    return found


def test_report__says_what_the_files_hold(made, photograph):
    page = page_of(made / "out.report.html")
    group = zarr.open_group(made / "out.zarr", mode="r")
    rebuilt, labels, facts = group["image"][...], group["labels"][...].astype(int) - 1, page.facts
    assert facts["PSNR"] == f"{peak_signal_noise_ratio(photograph, rebuilt):.2f} dB"
    assert facts["SSIM"] == f"{structural_similarity(photograph, rebuilt, channel_axis=2):.4f}"
    assert facts["CIEDE2000"] == f"{deltaE_ciede2000(rgb2lab(photograph), rgb2lab(rebuilt)).mean():.2f}"
    som = dasksom.BatchSOM(4, 5, epochs=6, refine=80, random_state=0).fit(photograph)
    assert float(facts["mean squared error"]) == pytest.approx(som.quality_.mean_squared_error, rel=1e-5)
    assert facts["grid"] == "4 x 5"
    assert facts["numpy"] == np.__version__
    assert facts["kind"] == "threads of one process"
    assert float(facts["write"].split()[0]) > 0
    counts = np.bincount(labels.ravel(), minlength=20)
    assert [int(row["pixels"]) for row in page.palette] == sorted(counts, reverse=True)
    for row in page.palette:
        unit = int(row["unit"])
        assert int(row["pixels"]) == counts[unit]
        assert float(row["share"]) == pytest.approx(counts[unit] / 30_000)
        assert (int(row["row"]), int(row["column"])) == divmod(unit, 5)
        assert row["color"] == "#" + group["palette"][unit].tobytes().hex()
        assert row["values"] == ", ".join(str(value) for value in group["palette"][unit])


def test_report__shows_views(folder, photograph, no_figures):
    Image.fromarray(np.tile(photograph, (2, 4, 1))).save("wide.png")
    run("quantize", "wide.png", "out.zarr", "--grid", "4x5", "--epochs", "6", "--report")
    page = page_of(folder / "out.report.html")
    before, after, _, detail = pictures(page)
    rebuilt = zarr.open_group("out.zarr", mode="r")["image"][...]
    assert np.array_equal(before, np.tile(photograph, (2, 4, 1))[::2, ::2])
    assert np.array_equal(after, rebuilt[::2, ::2])
    where = page.all("img")[3]["attributes"]["alt"]
    top, bottom, left, right = (int(number) for number in re.findall(r"\d+", where))
    assert np.array_equal(detail, rebuilt[top:bottom, left:right])


@pytest.mark.parametrize("name", ["out.zarr", "out.tif"])
def test_report__shows_classes(folder, photograph, no_figures, name):
    sizes = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}  # micrometers
    tifffile.imwrite("scaled.ome.tif", photograph, photometric="rgb", metadata={"axes": "YXS", **sizes})
    options = ("--grid", "4x4", "--epochs", "2", "--classes", "3", "--no-image", "--report")
    run("quantize", "scaled.ome.tif", name, *options)
    page = page_of(folder / report_path(name))
    with dasksom.image.open_result(name) as result:
        units = result.units_of(np.asarray(result.labels[0]))
    table = pandas.read_csv(folder / f"{name.removesuffix('.zarr')}.classes.csv")
    numbers = table["class"].to_numpy()[units]
    shown = {number: bytes.fromhex(color[1:]) for number, color in zip(table["class"], table["color"], strict=True)}
    assert np.array_equal(pictures(page)[2], np.array([[*shown[number]] for number in range(1, 4)])[numbers - 1])
    counts = np.bincount(numbers.ravel(), minlength=4)[1:]
    [element] = [one for one in page.all("table") if one["attributes"].get("id") == "classes"]
    rows = [line.strip() for line in element["text"].splitlines() if line.strip()][4:]
    cells = [
        [f"class {number + 1}", f"{share:.3f} %", f"{count:,}", f"{count * 0.25e-6:.5f} mm2"]
        for number, (share, count) in enumerate(zip(100 * counts / counts.sum(), counts, strict=True))
    ]
    assert rows == [cell for row in cells for cell in row]
    labels = [one["attributes"]["aria-label"] for one in page.all("svg") if "aria-label" in one["attributes"]]
    assert labels == ["Mean of each band by class", "Signatures of the classes", "Classes on the map"]
    assert ("in the colors of the map" in (folder / report_path(name)).read_text()) == (name == "out.tif")


def test_report__shows_figures(made):
    page = page_of(made / "out.report.html")
    figures = [one["attributes"]["aria-label"] for one in page.all("svg") if "aria-label" in one["attributes"]]
    assert figures == ["Error and sigma by epoch", "Palette", "U-matrix", "Hits", "Component planes"]
    ids = {one["attributes"]["id"] for one in page.elements if "id" in one["attributes"]} - {"palette"}
    assert {name.split("-")[0] for name in ids} == {"training", "palette", "u", "hits", "component"}
    text = (made / "out.report.html").read_text(encoding="utf-8")
    assert set(re.findall(r'(?:url\(|href=")#([^")]+)', text)) <= ids
    assert "currentColor" in text
    assert "#010203" not in text


def test_report__made_later_says_the_same(made, monkeypatch):
    monkeypatch.chdir(made)
    assert "later.html: report of out.zarr" in run("report", "out.zarr", "later.html")
    first, later = (page_of(made / name) for name in ("out.report.html", "later.html"))
    (made / "later.html").unlink()
    assert first.palette == later.palette
    own = {"this report"}
    assert {name: value for name, value in first.facts.items() if name not in own} == {
        name: value for name, value in later.facts.items() if name not in own
    }
    assert all(np.array_equal(one, other) for one, other in zip(pictures(first), pictures(later), strict=True))


def test_report__is_complete_and_alone(made):
    text = (made / "out.report.html").read_text(encoding="utf-8")
    page = Page(text)
    for element in page.elements:
        for name in ("src", "href", "xlink:href", "action", "data", "srcset", "poster"):
            value = element["attributes"].get(name)
            assert value is None or value.startswith(("data:", "#")), (element["tag"], value)
        assert not [name for name in element["attributes"] if name.startswith("on")]
    assert not re.search(r"@import|url\((?!#)", text)
    [policy] = [
        one["attributes"]["content"]
        for one in page.all("meta")
        if one["attributes"].get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy.startswith("default-src 'none'")
    assert sorted(path.name for path in made.iterdir()) == ["out.report.html", "out.zarr", "photo.png"]


HOSTILE = "\"><script>alert(1)<!-- '{{7*7}}&"


def test_report__escapes_names_and_metadata(folder):
    name = HOSTILE.replace("/", "")
    source, output = f"{name}.png", f"{name}.zarr"
    shutil.copy("photo.png", source)
    out = run("quantize", source, output, "--grid", "3x3", "--epochs", "2", "--report")
    assert f"{name}.report.html: report" in out
    group = zarr.open_group(output, mode="r+")
    own = dict(group.attrs["dasksom"])
    own["metadata"]["run"]["versions"][HOSTILE] = HOSTILE
    own["metadata"]["run"]["config"]["</style><script>x"] = {"a": HOSTILE, "b": [{"c": HOSTILE}]}
    group.attrs["dasksom"] = own
    run("report", output, "hostile.html")
    for page in (page_of(folder / f"{name}.report.html"), page_of(folder / "hostile.html")):
        assert len(page.all("script")) == 1
        assert len(page.all("style")) == 1 + 5  # the page's own, and one in each figure
        assert HOSTILE in page.all("h1")[0]["text"]
        assert page.facts["image"].endswith(source)
    assert page.facts[HOSTILE] == HOSTILE


@pytest.mark.parametrize("hostile", [HOSTILE, "javascript:alert(1)", "' onload='alert(1)", "</title><base href=//x>"])
def test_report__escapes_whatever_the_output_says(folder, no_figures, hostile):
    """Names of axes and parameters, the image, every text of the record, and names of parts that were taken."""
    run("quantize", "photo.png", "out.zarr", "--grid", "3x3", "--epochs", "2")
    run("report", "out.zarr", "plain.html")

    def poisoned(told):
        if isinstance(told, dict):
            return {
                f"{name}{hostile}" if name in ("seconds", "x") else name: poisoned(one) for name, one in told.items()
            }
        return hostile if isinstance(told, str) else told

    group = zarr.open_group("out.zarr", mode="r+")
    own = dict(group.attrs["dasksom"])
    run_ = own["metadata"]["run"]
    run_["config"][hostile] = {hostile: hostile, "axes": hostile, "select": {hostile: hostile}}
    run_["cluster"] = {hostile: hostile}
    own["metadata"]["parameters"] = {**own["metadata"]["parameters"], "topology": hostile, "decay": hostile}
    group.attrs["dasksom"] = {**own, "metadata": {**poisoned(own["metadata"]), "run": poisoned(run_)}}
    run("report", "out.zarr", "hostile.html", "--original", "photo.png")
    plain, page = (page_of(folder / name) for name in ("plain.html", "hostile.html"))
    known = {element["tag"] for element in plain.elements} | {"ol", "ul", "li"}
    assert {element["tag"] for element in page.elements} <= known
    for element in page.elements:
        assert not [name for name in element["attributes"] if name.startswith("on")]
        assert hostile not in {element["attributes"].get(name) for name in ("href", "src", "action", "style")}
    assert len(page.all("script")) == len(plain.all("script")) == 1
    assert page.facts[hostile] == hostile


@pytest.mark.parametrize(
    "record",
    [
        "text",
        [1, 2],
        {"history": "none"},
        {"history": [{"epoch": "x"}]},
        {"quality": {"hits": [1]}},
        {"seconds": {"train": "long"}},
        {"config": {"input": None}},
    ],
)
def test_report__of_records_that_cannot_be_read(folder, no_figures, record):
    run("quantize", "photo.png", "out.zarr", "--grid", "3x3", "--epochs", "2")
    group = zarr.open_group("out.zarr", mode="r+")
    own = dict(group.attrs["dasksom"])
    group.attrs["dasksom"] = {**own, "metadata": {"run": record}}
    run("report", "out.zarr", "--original", "photo.png")
    page = page_of(folder / "out.report.html")
    counts = np.bincount(group["labels"][...].ravel())[1:]
    assert [int(row["pixels"]) for row in page.palette] == sorted(counts, reverse=True)
    assert "drawn in one row" in page.all("main")[0]["text"]


def test_report__of_a_trained_map_applied_later(folder):
    run("train", "photo.png", "palette.npz", "--grid", "3x3", "--epochs", "2")
    run("apply", "palette.npz", "photo.png", "out.zarr", "--report")
    page = page_of(folder / "out.report.html")
    group = zarr.open_group("out.zarr", mode="r")
    counts = np.bincount(group["labels"][...].ravel())[1:]
    assert sorted(int(row["pixels"]) for row in page.palette) == sorted(counts)
    assert "Error and sigma by epoch" in [one["attributes"].get("aria-label") for one in page.all("svg")]  # the model's


def test_report__of_a_paletted_tiff(folder, no_figures):
    run("quantize", "photo.png", "out.tif", "--grid", "4x5", "--epochs", "6")
    run("quantize", "photo.png", "out.zarr", "--grid", "4x5", "--epochs", "6")
    run("report", "out.zarr", "zarr.html")
    run("report", "out.tif", "tif.html")
    assert tifffile.imread("out.tif").shape == (150, 200)  # tifffile takes our words for its own, or not
    tif, other = page_of(folder / "tif.html"), page_of(folder / "zarr.html")
    assert tif.palette == other.palette
    assert tif.facts["PSNR"] == other.facts["PSNR"]
    assert np.array_equal(pictures(tif)[1], pictures(other)[1])


def test_report_path__is_another_for_each_output():
    names = ["a.zarr", "a.ome.zarr", "a.tif", "a.tiff", "a.ome.tif", "A.ZARR", "b.zarr", "dir/a.zarr"]
    assert len({report_path(name) for name in names}) == len(names)


@pytest.mark.parametrize("layout", [{"rowsperstrip": 7}, {"tile": (32, 48)}, {"rowsperstrip": 7, "planarconfig": 2}])
def test_report__of_an_original_that_is_a_tiff(folder, photograph, no_figures, layout):
    wide = np.tile(photograph, (2, 4, 1))
    stored = np.moveaxis(wide, 2, 0) if "planarconfig" in layout else wide
    tifffile.imwrite("photo.tif", stored, photometric="rgb", compression="zlib", **layout)
    run("quantize", "photo.tif", "out.zarr", "--grid", "3x3", "--epochs", "2")
    run("report", "out.zarr")  # reads every second pixel of the TIFF
    page = page_of(folder / "out.report.html")
    before, after, detail, _ = pictures(page)
    rebuilt = zarr.open_group("out.zarr", mode="r")["image"][...]
    assert np.array_equal(before, wide[::2, ::2])
    assert np.array_equal(after, rebuilt[::2, ::2])
    where = page.all("img")[2]["attributes"]["alt"]
    top, bottom, left, right = (int(number) for number in re.findall(r"\d+", where))
    assert np.array_equal(detail, wide[top:bottom, left:right])
    assert page.facts["PSNR"] == f"{peak_signal_noise_ratio(wide, rebuilt):.2f} dB"


def test_report__of_names_that_are_no_text(folder, no_figures):
    name = os.fsdecode(b"esc\x1b[2J\xff")
    run("quantize", "photo.png", "out.zarr", "--grid", "3x3", "--epochs", "2")
    shutil.move("out.zarr", f"{name}.zarr")
    write_report(f"{name}.zarr", "names.html")
    text = (folder / "names.html").read_text(encoding="utf-8")
    assert "\x1b" not in text
    assert r"esc\x1b[2J\udcff.zarr" in page_of(folder / "names.html").all("h1")[0]["text"]


def test_files__of_the_same_run_have_the_same_bytes(folder):
    for name in ("one.tif", "two.tif"):
        run("quantize", "photo.png", name, "--grid", "3x3", "--epochs", "2")
    assert (folder / "one.tif").read_bytes() == (folder / "two.tif").read_bytes()


def test_report__of_an_ome_zarr_reads_its_levels(folder, photograph, no_figures):
    """The layout that OME-Zarr results have: labels as a pyramid in labels/som."""
    run("quantize", "photo.png", "out.zarr", "--grid", "3x3", "--epochs", "2")
    plain = zarr.open_group("out.zarr", mode="r")
    group = zarr.create_group("same.ome.zarr", attributes={"dasksom": plain.attrs["dasksom"]})
    group.create_array("palette", data=plain["palette"][...])
    labels = plain["labels"][...]
    for level in range(3):
        group.create_array(f"labels/som/{level}", data=labels[:: 2**level, :: 2**level], chunks=(64, 64))
        group.create_array(str(level), data=np.moveaxis(plain["image"][...], 2, 0)[:, :: 2**level, :: 2**level])
    run("report", "same.ome.zarr")
    run("report", "out.zarr")
    same, other = page_of(folder / "same.ome.report.html"), page_of(folder / "out.report.html")
    assert same.palette == other.palette
    assert same.facts["SSIM"] == other.facts["SSIM"]
    assert np.array_equal(pictures(same)[1], pictures(other)[1])


def test_report__of_many_bands_and_pixels_without_data(folder, photograph):
    bands = np.concatenate([photograph, photograph[..., :2]], axis=2).astype(np.float32) * 7
    bands[:50] = np.nan
    zarr.create_array("scene.zarr", data=bands, chunks=(100, 200, 5))
    run("quantize", "scene.zarr", "out.zarr", "--grid", "3x4", "--epochs", "3", "--topology", "hexagonal", "--report")
    page = page_of(folder / "out.report.html")
    assert "CIEDE2000" not in page.facts
    assert "5 bands of float32" in page.all("main")[0]["text"]
    assert sum(int(row["pixels"]) for row in page.palette) == 100 * 200
    assert sum(float(row["share"]) for row in page.palette) == pytest.approx(1)
    after = pictures(page)[1]
    assert not after[:50, :, 3].any()
    assert (after[50:, :, 3] == 255).all()


def test_large_images__are_compared_by_tiles_unless_told(folder, monkeypatch, no_figures):
    run("quantize", "photo.png", "out.zarr", "--grid", "4x4", "--epochs", "3")
    monkeypatch.setattr("dasksom.report.image_metrics.MOST_PIXELS_COMPARED", 1000)
    run("report", "out.zarr", "tiles.html")
    run("report", "out.zarr", "all.html", "--all-pixels")
    some, every = ((folder / name).read_text(encoding="utf-8") for name in ("tiles.html", "all.html"))
    assert "tiles of 256 x 256" in some
    assert "±" in some
    assert "all 30,000 pixels" in every
    assert "tiles of" not in every


def test_original__that_is_gone_is_said(folder, no_figures):
    run("quantize", "photo.png", "out.zarr", "--grid", "3x3", "--epochs", "2")
    shutil.move("photo.png", "moved.png")
    run("report", "out.zarr", "without.html")
    page = page_of(folder / "without.html")
    assert "PSNR" not in page.facts
    assert "cannot be read any more" in page.all("main")[0]["text"]
    assert len(pictures(page)) == 1  # the view after
    run("report", "out.zarr", "with.html", "--original", "moved.png")
    assert "PSNR" in page_of(folder / "with.html").facts


@pytest.mark.parametrize("source", ["http://192.0.2.1/a.zarr", "s3://bucket/a.zarr", None])
def test_original__that_an_output_names_is_not_fetched_from_afar(folder, no_figures, source):
    run("quantize", "photo.png", "out.zarr", "--grid", "3x3", "--epochs", "2")
    group = zarr.open_group("out.zarr", mode="r+")
    own = dict(group.attrs["dasksom"])
    own["metadata"]["run"]["source"] = source
    group.attrs["dasksom"] = own
    run("report", "out.zarr")
    assert "names no image on this machine" in page_of(folder / "out.report.html").all("main")[0]["text"]


def test_report__of_an_output_without_data(folder):
    run("train", "photo.png", "palette.npz", "--grid", "3x3", "--epochs", "2")
    zarr.create_array("nothing.zarr", data=np.full((30, 40, 3), np.nan, np.float32))
    run("apply", "palette.npz", "nothing.zarr", "out.zarr")
    run("report", "out.zarr")
    page = page_of(folder / "out.report.html")
    assert "has data" in page.all("main")[0]["text"]
    assert {row["pixels"] for row in page.palette} == {"0"}


def test_original__of_another_size_is_refused(folder, photograph):
    run("quantize", "photo.png", "out.zarr", "--grid", "3x3", "--epochs", "2")
    Image.fromarray(photograph[:100]).save("other.png")
    with pytest.raises(InputError, match="the image that the run read"):
        run("report", "out.zarr", "--original", "other.png")
    assert not (folder / "out.report.html").exists()


def test_refuses__what_holds_no_palette(folder, photograph):
    tifffile.imwrite("plain.tif", photograph)
    zarr.create_array("plain.zarr", data=photograph)
    for name, why in (("plain.tif", "no palette"), ("plain.zarr", "not an output"), ("photo.png", "holds no labels")):
        with pytest.raises(InputError, match=why):
            run("report", name)
    with pytest.raises(InputError, match="cannot be opened"):
        run("report", "missing.zarr")
    assert not list(folder.glob("*.html"))


@pytest.mark.parametrize(("output", "grid"), [("out.png", "20x20"), ("out.jpg", "3x3"), ("out.tif", "20x20")])
def test_refuses__a_report_of_what_cannot_be_read_again_before_any_work(folder, output, grid):
    with pytest.raises(InputError, match="as a report must"):
        run("quantize", "photo.png", output, "--grid", grid, "--report")
    assert [path.name for path in folder.iterdir()] == ["photo.png"]


def test_refuses__to_replace_a_report_before_any_work(folder, no_figures):
    (folder / "out.report.html").write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        run("quantize", "photo.png", "out.zarr", "--grid", "3x3", "--report")
    assert not (folder / "out.zarr").exists()
    run("quantize", "photo.png", "out.zarr", "--grid", "3x3", "--epochs", "2", "--report", "--overwrite")
    assert "mine" not in (folder / "out.report.html").read_text(encoding="utf-8")
    with pytest.raises(InputError, match="exists already"):
        run("report", "out.zarr")


def test_refuses__another_suffix(folder):
    run("quantize", "photo.png", "out.zarr", "--grid", "3x3", "--epochs", "2")
    with pytest.raises(InputError, match=r"\.html"):
        run("report", "out.zarr", "report.pdf")


@pytest.mark.parametrize(
    ("output", "report"),
    [("a.zarr", "a.report.html"), ("b.OME.zarr", "b.OME.report.html"), ("c/d.tiff", "c/d.tiff.report.html")],
)
def test_report__is_called_as_the_output(output, report):
    assert report_path(output) == report


def test_overview__taken_while_writing_is_what_reading_gives(client, folder, photograph, monkeypatch):
    zarr.create_array("scene.zarr", data=np.tile(photograph, (8, 5, 1)), chunks=(100, 170, 3))
    config = RunConfig.model_validate(
        {
            "map": {"grid": "3x3", "epochs": 2},
            "input": {"chunk_size": "200kB"},
            "cluster": {"name": client.scheduler.address},
            "output": {"report": True},
        }
    )

    class Silent:
        def stage(self, *_): ...
        def progress(self, *_): ...
        def epoch(self, *_): ...

    made = []

    def write(*arguments, just_made, **options):
        made.append(just_made)
        write_report(*arguments, just_made=just_made, **options)

    monkeypatch.setattr(reporting.show, "thumbnail", lambda *_: pytest.fail("read again"))
    monkeypatch.setattr("dasksom.report.write_report", write)
    record = quantize_image("scene.zarr", "out.zarr", config, Silent())
    group = zarr.open_group("out.zarr", mode="r")
    assert record.cluster["workers"] == 2
    overview = made[0][1]
    assert np.array_equal(overview.pixels, np.tile(photograph, (8, 5, 1))[::3, ::3])
    assert np.array_equal(overview.labels + 1, group["labels"][::3, ::3])
    assert group.attrs["dasksom"]["metadata"]["run"] == json.loads(json.dumps(record.stored()))
    assert page_of(folder / "out.report.html").facts["workers"] == "2"
