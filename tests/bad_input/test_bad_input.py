"""The catalogue of bad input: each is refused in one clear line, in time, and nothing is left behind."""

import contextlib
import io
import logging
import shutil
import signal
import subprocess
import sys
import warnings
from collections import Counter

import pytest

from dasksom.cli import main as command_line
from dasksom.errors import InputError
from dasksom.image.mosaics.tiled_source import TiledSource
from dasksom.image.photographs.source import PhotographSource
from dasksom.image.tiff.source import TiffSource
from dasksom.image.zarr.source import ZarrSource
from dasksom.runs import image_run
from tests.bad_input import arrays, files, images, settings
from tests.bad_input.cases import make_base

CASES = [*images.CASES, *settings.CASES, *files.CASES, *arrays.CASES]
SOURCES = (PhotographSource, TiffSource, TiledSource, ZarrSource)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    folder = tmp_path_factory.mktemp("base")
    make_base(folder)
    return folder


@pytest.fixture
def folder(tmp_path, monkeypatch, base):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(base, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture
def touched(monkeypatch):
    """What a run has touched: regions read, clusters started."""
    seen = []

    def noting(what, function):
        def noted(*arguments, **options):
            seen.append(what)
            return function(*arguments, **options)

        return noted

    for source in SOURCES:
        monkeypatch.setattr(source, "read", noting("pixels", source.read))
    monkeypatch.setattr(image_run, "connect", noting("cluster", image_run.connect))
    return seen


def look(folder):
    """Everything in a folder, hidden files too, with its state."""
    found = {}
    for path in folder.rglob("*"):
        told = path.lstat()
        found[str(path)] = told.st_mode, told.st_ino, told.st_size, told.st_mtime_ns if not path.is_dir() else 0
    return found


def run(*arguments):
    """Run in this process, as a shell does; give exit code, standard output and standard error."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    before = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGHUP)}
    logger, kept = logging.getLogger("dasksom"), list(logging.getLogger("dasksom").handlers)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["dasksom", *arguments])
        try:
            command_line.main()
        except SystemExit as ended:
            code = ended.code
        finally:
            logger.handlers[:] = kept
            for one, handler in before.items():
                signal.signal(one, handler)
    return code, out.getvalue(), err.getvalue()


def refusal(case, folder):
    """Try a case; give the message."""
    if callable(case.run):
        with pytest.raises(InputError) as refused:
            case.run(folder)
        return str(refused.value)
    code, out, err = run(*case.run)
    assert code == 2, f"exit {code}: {out}{err}"
    assert out == ""
    assert "Traceback" not in err
    lines = err.strip().splitlines()
    if case.usage:
        assert lines[0].startswith("Usage: ")
    else:
        assert len(lines) == 1, err
        assert lines[0].startswith("dasksom: ")
    assert err.isprintable() or err.replace("\n", "").isprintable()
    return err


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of dask-jobqueue's half-made clusters
@pytest.mark.filterwarnings("ignore:unclosed cluster:ResourceWarning")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bad_input(folder, touched, case):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zarr's, on the odd stores that are made here
        case.make(folder)
    before = look(folder)
    touched.clear()
    message = refusal(case, folder)
    assert settings.SECRET not in message
    assert case.found in message, message
    assert case.way_out in message, message
    assert look(folder) == before
    if case.early:
        assert touched == [], f"touched before it was refused: {touched}"


def test_the_catalogue__is_large_and_mostly_early():
    assert len(CASES) >= 120
    assert not [name for name, count in Counter(case.name for case in CASES).items() if count > 1]
    assert sum(case.early for case in CASES) >= 0.9 * len(CASES)


@pytest.mark.parametrize("name", ["zarr 2: the filter pickle", "config: a password that is no YAML"])
def test_bad_input__as_a_process(folder, name):
    [case] = [case for case in CASES if case.name == name]
    case.make(folder)
    before = look(folder)
    done = subprocess.run([sys.executable, "-m", "dasksom", *case.run], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    assert case.found in done.stderr
    assert look(folder) == before
