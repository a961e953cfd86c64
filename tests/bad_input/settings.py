"""Parameters, configuration files and clusters that cannot be used."""

import os

import numpy as np

from dasksom import BatchSOM
from tests.bad_input.cases import Case, quantize

X = np.random.default_rng(0).random((50, 3))

# --------------------------------------------------------------------------------------------------------- parameters


def _fit(**options):
    return lambda folder: BatchSOM(**{"rows": 2, "columns": 2, "epochs": 1, **options}).fit(X)


def _option(name, found, way_out, *words):
    return Case(f"option: {' '.join(words)}", ("quantize", "photo.png", "out.zarr", *words), found, way_out)


NAMED = (
    ("rows", 0, "int of at least 1"), ("rows", 2.5, "int of at least 1"), ("rows", "3", "int of at least 1"),
    ("columns", True, "int of at least 1"), ("columns", -1, "int of at least 1"), ("epochs", 0, "an int from 1"),
    ("epochs", 1.0, "an int from 1"), ("epochs", 10**12, "to 1000000"), ("refine", -1, "an int from 0"),
    ("refine", 10**12, "to 1000000"), ("topology", "hex", "'rectangular', 'hexagonal'"), ("toroidal", "yes",
    "True or False"),
    ("neighborhood", "gauss", "'gaussian'"), ("decay", "sudden", "'exponential', 'linear'"), ("metric", "euclid",
    "'euclidean'"),
    ("color_space", "LAB", "'rgb', 'lab'"), ("empty_units", "drop", "'keep'"), ("precision", "float16", "'float32'"),
    ("missing", "ignore", "'exclude'"), ("tol", float("nan"), "at least 0"), ("tol", -1, "at least 0"),
    ("sample", 0, "above 0, up to 1"), ("sample", 2, "above 0, up to 1"), ("warm_start", 1, "True or False"),
    ("method", "magic", "'auto', 'colors', 'stream'"), ("cache", "disk", "'auto', 'memory', 'none'"),
    ("init", "zero", "'pca', 'sample'"), ("random_state", -1, "at least 0"), ("random_state", 1.5, "at least 0"),
    ("sigma", (1, 2), "first >= last"), ("sigma", (0, 0), "first > 0"), ("sigma", (float("nan"), 1), "finite"),
    ("sigma", "wide", "a pair"), ("sigma", (1,), "a pair"), ("sigma", (float("inf"), 1), "finite"),
)  # fmt: skip

PARAMETERS = [
    *(
        Case(f"parameter: {name}={value!r}", _fit(**{name: value}), f"'{name}'", accepted, early=True)
        for name, value, accepted in NAMED
    ),
    Case("parameter: 90,000 units", _fit(rows=300, columns=300), "90000 units", "at most 65536"),
    Case("parameter: a side of 5,000", _fit(rows=5000, columns=1), "a side of 5000", "at most 4096"),
    Case("parameter: a torus of odd rows", _fit(rows=3, topology="hexagonal", toroidal=True), "rows=3", "even number"),
    Case("parameter: mexican_hat", _fit(neighborhood="mexican_hat"), "negative", "dasksom.minisom.MiniSom"),
    Case("parameter: cosine of some bands", _fit(missing="bands", metric="cosine"), "'cosine'", "use 'euclidean'"),
    Case("parameter: lab of some bands", _fit(missing="bands", color_space="lab"), "'lab'", "color_space='rgb'"),
    Case("parameter: lab of four bands", lambda folder: BatchSOM(2, 2, color_space="lab").fit(np.ones((9, 4), "u1")),
         "color_space='lab'", "use color_space='rgb'"),
    Case("parameter: colors of floats", _fit(method="colors"), "float64", "method='stream'"),
    Case("parameter: a codebook of another shape", _fit(init=np.ones((3, 3, 3))), "(3, 3, 3)", "(2, 2, 3)"),
    Case("parameter: a codebook with NaN", _fit(init=np.full((2, 2, 3), np.nan)), "init", "finite"),
    _option("grid", "3by3", "ROWSxCOLUMNS", "--grid", "3by3"),
    _option("grid", "0x3", "at least 1x1", "--grid", "0x3"),
    _option("grid", "-3x3", "ROWSxCOLUMNS", "--grid", "-3x3"),
    _option("grid", "998001 units", "65536", "--grid", "999x999"),
    _option("epochs", "--epochs:", "an int from 1", "--epochs", "0"),
    _option("sigma", "--sigma:", "first >= last", "--sigma", "1", "2"),
    _option("sigma", "--sigma:", "finite", "--sigma", "nan", "nan"),
    _option("decay", "'sudden'", "'exponential', 'linear'", "--decay", "sudden"),
    _option("seed", "-1", "at least 0", "--seed", "-1"),
    _option("cache", "'disk'", "'auto', 'memory', 'none'", "--cache", "disk"),
    _option("chunk size", "--chunk-size", "not a size", "--chunk-size", "1e400"),
    _option("chunk size", "'huge' is not a size", "64MiB", "--chunk-size", "huge"),
    _option("chunk size", "--chunk-size", "at least one byte", "--chunk-size", "0"),
    _option("dither", "'floyd'", "'none', 'bayer'", "--dither", "floyd"),
    _option("chunk", "chunk: 100 pixels", "multiples of 16", "--chunk", "100"),
    _option("shard", "shard (--shard)", "leave it out", "--shard", "4096"),
    _option("codec", "codec: 'lzma'", "give one of", "--codec", "lzma"),
    _option("layout", "layout (--layout)", "leave it out", "--layout", "cog"),
    _option("pixels", "'gold'", "'palette', 'colors', 'labels'", "--pixels", "gold"),
    _option("OME version", "'9'", "'0.5', '0.4'", "--ome-version", "9"),
    _option("select", "--select applies to animations", "leave it out", "--select", "z=1", "--select", "y=3"),
    _option("select", "--select z=2", "an axis is given once", "--select", "z=1", "--select", "z=2"),
    _option("mask", "none.png: cannot be opened", "check the path", "--mask", "none.png"),
    _option("model", "--grid", "remove one of the two", "--model", "map.npz", "--grid", "2x2"),
    _option("memory", "'much' is not a size", "4GiB", "--memory-limit", "much"),
    _option("memory", "1MiB", "at least 256MiB", "--memory-limit", "1MiB"),
    _option("workers", "workers", "at least 1", "--workers", "0"),
    _option("adapt", "adapt 3 to 2", "at most the most", "--adapt", "3", "2"),
    _option("wait", "'soon' is not a time", "90s or 30min", "--wait", "soon"),
    Case("option: words for a number", ("quantize", "photo.png", "out.png", "--epochs", "x"), "'x'", "valid integer"),
    Case("option: an unknown one", ("quantize", "photo.png", "out.png", "--moon"), "--moon", "--help", usage=True),
    Case("option: an image alone", ("quantize", "photo.png"), "OUTPUT", "--help", usage=True),
    Case("command: an unknown one", ("quantise", "photo.png"), "no command 'quantise'", "did you mean"),
    Case("command: one of another program", ("montage", "photo.png"), "montage", "--help", usage=True),
    Case("plan: a worker that is too small", ("plan", "photo.png", "--workers", "1", "--memory-limit", "300MiB"),
         "300", "give each worker"),
    Case("plan: an image that is not there", ("plan", "none.png"), "none.png: cannot be opened", "check the path"),
    Case("demo: a side of 0", ("demo", "demo", "--gigapixel", "--side", "0"), "--side", "1"),
    Case("demo: a side of no mosaic", ("demo", "demo", "--side", "64"), "--side 64", "--gigapixel"),
    Case("demo: a file for a folder", ("demo", "photo.png"), "photo.png", "is a file"),
]  # fmt: skip

# ------------------------------------------------------------------------------------------------ configuration files

SECRET = "!hunter2-Tr0ub4dor"  # noqa: S105 - it opens nothing
NOT_YAML = "run.yaml: not a YAML file that can be used"
RUN = ("quantize", "photo.png", "out.zarr", "--config", "run.yaml")


def _written(text):
    return lambda folder: (folder / "run.yaml").write_text(text)


def _config(content, found, way_out, name=None):
    def make(folder):
        raw = content if isinstance(content, bytes) else content.encode()
        (folder / "run.yaml").write_bytes(raw)

    return Case(f"config: {name or content}", RUN, found, way_out, make)


CONFIGS = [
    Case("config: none", RUN, "run.yaml: cannot be read", "No such file"),
    Case("config: a folder", RUN, "run.yaml: is no file", "is a YAML file",
         lambda folder: (folder / "run.yaml").mkdir()),
    Case("config: a pipe", RUN, "run.yaml: is no file", "is a YAML file",
         lambda folder: os.mkfifo(folder / "run.yaml")),
    Case("config: a device", quantize("photo.png", "--config", "/dev/zero"), "/dev/zero: is no file", "is a YAML file"),
    _config("map: {epoch: 3}", "unknown key 'map.epoch'", "did you mean 'epochs'"),
    _config("mapp: {}", "unknown key 'mapp'", "did you mean 'map'"),
    _config("map: {zzz: 3}", "unknown key 'map.zzz'", "known are grid, epochs"),
    _config("map: {epochs: 3, epochs: 4}", "'epochs' is given twice", "line 1, column 18"),
    _config("map: {epochs: many}", "map.epochs", "valid integer"),
    _config("map: {epochs: 2.5}", "map.epochs", "integer"),
    _config("map: {toroidal: nope}", "map.toroidal", "boolean"),
    _config("map: 3", "run.yaml: map", "mapping of its keys"),
    _config("map: {sigma: [1]}", "map.sigma", "required"),
    _config("map: {grid: 9}", "map.grid: 9", "16x16"),
    _config("input: {cache: disk}", "'disk'", "auto, memory, none"),
    _config("input: {mask: 3}", "input.mask", "string"),
    _config("output: {overwrite: perhaps}", "output.overwrite", "boolean"),
    _config("- a\n- b", "found a list", "the sections map, cluster", "a list"),
    _config("3", "found a int", "the sections map, cluster", "a number"),
    _config("1: 2", "run.yaml: ", "string", "a number for a key"),
    _config("? [a]\n: b", NOT_YAML, "line 1, column 3", "a list for a key"),
    _config("map: {", NOT_YAML, "line 1, column 7", "a bracket that is not closed"),
    _config("\tmap: 3", NOT_YAML, "line 1, column 1", "a tab"),
    _config("map: {grid: &a 3x3}\ncluster: {name: *a}", "aliases", "are not accepted in line 2", "an alias"),
    _config("a: &a [x,x,x]\nb: &b [*a,*a,*a]\nc: [*b,*b,*b]", "aliases", "not accepted in line 2", "a bomb of aliases"),
    _config("map: {}\n---\nmap: {}", NOT_YAML, "a second document", "two documents"),
    _config("map: !!python/object/apply:os.system ['touch canary']", NOT_YAML, "a tag", "code"),
    _config("map: !!python/name:os.system ''", NOT_YAML, "a tag", "the name of a function"),
    _config("map: !!binary '%%%'", "run.yaml: map", "mapping of its keys", "bytes that are none"),
    _config(b"\xff\xfe\x00", NOT_YAML, "byte 0 is no UTF-8", "no UTF-8"),
    _config("map: \x00", NOT_YAML, "quotes", "a zero byte"),
    _config("a: " * (1 << 20), "3145728 bytes", "at most 1048576", "3 MiB"),
    _config("[" * 600, NOT_YAML, "nested too deeply", "nested 600 deep"),
    _config(f"input: {{storage: {{secret: {SECRET}}}}}", NOT_YAML, "put text with such signs into quotes",
            "a password that is no YAML"),
    _config("cluster: {name: slrum}", "'slrum'", "did you mean 'slurm'"),
    _config("cluster: {name: slurm, allow_shell: true}", "allow_shell", "--allow-shell"),
    _config("cluster: {name: slurm, options: {python: sh}}", "cluster.options.python", "--allow-shell"),
    _config("cluster: {name: slurm, options: {queue: 'a; touch canary'}}", "cluster.options.queue", "--allow-shell"),
    _config("cluster: {name: local, options: {cores: 1}}", "'local' takes no options", "these do: "),
    _config("cluster: {workers: 2, adapt: [1, 2]}", "workers and adapt", "give one of them"),
    _config("cluster: {adapt: [3, 2]}", "adapt 3 to 2", "at most the most"),
    _config("cluster: {tls: {ca: x, cert: y, kay: z}}", "cluster.tls.kay", "did you mean 'key'"),
    _config("cluster: {tls: {ca: x, cert: y, key: z}}", "x: no such file", "PEM files"),
    _config("cluster: {minimum_workers: 0}", "minimum_workers", "at least 1"),
]  # fmt: skip

# ----------------------------------------------------------------------------------------------------------- clusters

CLUSTERS = [
    Case("cluster: an unknown one", quantize("photo.png", "--cluster", "moon"), "'moon' is not known", "auto, threads"),
    Case("cluster: without encryption", quantize("photo.png", "--cluster", "tcp://192.0.2.1:8786"),
         "tcp://192.0.2.1:8786: not encrypted", "--insecure", early=False),
    Case("cluster: a scheduler file that is none", quantize("photo.png", "--cluster", "a.json"),
         "a.json: not a scheduler",
         "--scheduler-file", lambda folder: (folder / "a.json").write_text("{}")),
    Case("cluster: no such scheduler file", quantize("photo.png", "--cluster", "b.json"), "'b.json' is not known",
         "a scheduler file that exists"),
    Case("cluster: a batch system that is not here", quantize("photo.png", "--cluster", "condor"), "'condor'",
         "did you mean 'htcondor'"),
    Case("job-script: of no batch system", ("job-script", "--cluster", "local"), "'local' has no job scripts",
         "slurm, pbs"),
    Case("job-script: an unknown option", ("job-script", "--config", "run.yaml", "--insecure"), "coars",
         "cluster slurm",
         _written("cluster: {name: slurm, options: {cores: 1, memory: 1GB, coars: 3}}")),
    Case("job-script: without cores", ("job-script", "--cluster", "slurm", "--insecure"), "cluster slurm",
         "cores and memory"),
]  # fmt: skip

CASES = [*PARAMETERS, *CONFIGS, *CLUSTERS]
