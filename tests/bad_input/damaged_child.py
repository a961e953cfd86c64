"""Follows recipes of damaged files, a line of JSON each, in a process that may crash, and tells what became of each.

It has so much memory and no more, and a recipe has a minute: some seconds, on a machine that is busy.
"""

import contextlib
import faulthandler
import hashlib
import io
import json
import logging
import resource
import shutil
import sys
import tempfile
import warnings
from pathlib import Path

import dask
import numpy as np

from dasksom import BatchSOM, load, open_picture
from dasksom.config import load_config
from dasksom.errors import DasksomError
from dasksom.image import open_result
from dasksom.provenance.run_record import RunRecord
from dasksom.training.record_encoding import unpack
from tests.bad_input.damage import files_of, follow

SPARE_BYTES = 1536 << 20
"""Address space beside what the libraries take."""
SECONDS = 60
MOST_PIXELS = 1 << 22
READS = ("a.tif", "a.png", "a.jpg", "a.webp", "a.zarr", "a.vrt")


def _use(folder):
    """Do with a file whatever a run would."""
    names = {path.name for path in folder.iterdir()}
    if "a.yaml" in names:
        load_config(folder / "a.yaml", {})
    elif "a.npz" in names:
        load(folder / "a.npz").predict(np.ones((2, 3)))
    elif "a.record" in names:
        body = (folder / "a.record").read_bytes()
        with contextlib.suppress(ValueError):  # what `Checkpoint` takes for a record that is not whole
            unpack(hashlib.sha256(body).hexdigest().encode() + body)
    elif any(name.startswith("out.") for name in names):
        with open_result(folder / next(name for name in names if name.startswith("out."))) as result:
            RunRecord.read(result.about.get("run", {}))
            with dask.config.set(scheduler="synchronous"):
                part = result.labels[0][:500, :500]
                if np.prod(result.labels[0].chunksize) <= 1 << 26:
                    result.rebuilt(part.compute())
    else:
        picture = open_picture(folder / next(name for name in READS if name in names), chunk_bytes=1 << 20)
        part = picture.pixels[:2000, :2000, :16]
        if part.size <= MOST_PIXELS and part.nbytes <= 1 << 26 and np.prod(picture.pixels.chunksize) <= 1 << 26:
            with dask.config.set(scheduler="synchronous"):
                part.compute()
                if picture.mask is not None:
                    picture.mask[:500, :500].compute()
                BatchSOM(2, 2, epochs=1)


def _tried(recipe, tmp):
    folder = Path(tempfile.mkdtemp(dir=tmp))
    try:
        follow(recipe, tmp, folder)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _use(folder)
    except DasksomError as error:
        return {"refused": str(error)[:300]}
    except BaseException as error:  # everything else is what is looked for
        where = io.StringIO()
        import traceback

        traceback.print_exception(error, limit=-6, file=where)
        return {"failed": f"{type(error).__name__}: {error}"[:300], "where": where.getvalue()}
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return {"worked": True}


def main():
    logging.disable(logging.CRITICAL)
    out, sys.stdout = sys.stdout, sys.stderr
    with tempfile.TemporaryDirectory() as name:
        tmp = Path(name)
        pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else None
        if pages is not None:
            limit = pages * resource.getpagesize() + SPARE_BYTES
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        out.write("ready\n")
        out.flush()
        for line in sys.stdin:
            recipe = json.loads(line)
            files_of(recipe["base"], tmp)  # the first time it takes long: loops are compiled
            faulthandler.dump_traceback_later(SECONDS, exit=True)
            told = _tried(recipe, tmp)
            faulthandler.cancel_dump_traceback_later()
            out.write(json.dumps(told) + "\n")
            out.flush()


if __name__ == "__main__":
    main()
