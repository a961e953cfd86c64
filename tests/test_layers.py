"""The house (CONTRIBUTING.md): imports go down, folders and modules are small, a public name has one meaning."""

import ast
import collections
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[1]
PACKAGE = PROJECT / "dasksom"
FLOORS = """\
__main__
cli
demo
runs
models, report, view
estimator
classes
quantization, training
features
config, minisom
chunkwise, model_files, provenance, show
cluster, image, som
storage
__init__, _version, deferred, errors, redaction
"""
IMAGE_FLOORS = """\
__init__
input_folders, opening, palette_files, palette_readers, read_results, verification, write_formats
mosaics, stacks
read_formats
sidecars
gdal, photographs, tiff, zarr
picture_assembly, read_options, writers, xarray_input
metadata
sources
"""


def _floors(text):
    return {room: -number for number, rooms in enumerate(text.splitlines()) for room in rooms.split(", ")}


FLOOR, IMAGE_FLOOR = _floors(FLOORS), _floors(IMAGE_FLOORS)
MODULES = {path.relative_to(PACKAGE): ast.parse(path.read_text()) for path in sorted(PACKAGE.rglob("*.py"))}
CODE = {".py", ".html", ".css", ".js"}

DELIBERATE = {
    "T",  # a type variable
    "command",  # each module of cli/commands/ has its own
    "logger",  # each module's own
    "main",  # the entry point, which catches Ctrl-C while the command line is still loading
}
"""Public names that more than one module defines, and why."""
LONGEST = {
    "config/map_parameters.py": 340,  # one declaration a parameter
}
"""Lines of the modules that are longer than 300."""


def _imports(node):
    """Yield the names of the modules that a statement imports."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, "relative import"
        yield from (f"dasksom.{alias.name}" for alias in node.names) if node.module == "dasksom" else [node.module]


def _own_imports(tree):
    for node in ast.walk(tree):
        yield from (name for name in _imports(node) if name.startswith("dasksom."))


def _room(parts):
    return parts[0] if parts[0] in FLOOR else "__init__"


def test_every_room_is_on_a_floor_that_contributing_lists():
    assert {path.with_suffix("").parts[0] for path in MODULES} == {*FLOOR}
    assert FLOORS in (PROJECT / "CONTRIBUTING.md").read_text()


def test_imports_go_downward():
    upward = []
    for path, tree in MODULES.items():
        room = _room(path.with_suffix("").parts)
        if room != "__init__":
            others = {name: _room(name.split(".")[1:]) for name in _own_imports(tree)}
            upward += [
                (str(path), name) for name, other in others.items() if other != room and FLOOR[other] >= FLOOR[room]
            ]
    assert not upward


def test_every_room_of_image_is_on_a_floor_that_contributing_lists():
    rooms = {path.with_suffix("").parts[1] for path in MODULES if path.parts[0] == "image"}
    assert rooms == {*IMAGE_FLOOR}
    assert IMAGE_FLOORS in (PROJECT / "CONTRIBUTING.md").read_text()


def test_imports_within_image_go_downward():
    upward = []
    for path, tree in MODULES.items():
        if path.parts[0] == "image" and path.name != "__init__.py":
            room = path.with_suffix("").parts[1]
            others = {name: name.split(".")[2] for name in _own_imports(tree) if name.startswith("dasksom.image.")}
            upward += [
                (str(path), name)
                for name, other in others.items()
                if other != room and IMAGE_FLOOR[other] >= IMAGE_FLOOR[room]
            ]
    assert not upward


def test_nothing_of_ours_is_imported_inside_a_function():
    inside = []
    for path, tree in MODULES.items():
        for function in ast.walk(tree):
            if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
                inside += [(str(path), name) for name in _own_imports(function)]
    assert not inside


def test_the_mathematics_know_neither_dask_nor_files():
    for path, tree in MODULES.items():
        if path.parts[0] == "som":
            assert {_room(name.split(".")[1:]) for name in _own_imports(tree)} <= {"som", "errors", "deferred"}, path
            names = {name.split(".")[0] for node in ast.walk(tree) for name in _imports(node)}
            assert not names & {"dask", "distributed", "zarr", "tifffile", "PIL", "skimage"}, path


def test_folders_and_modules_are_small():
    folders = collections.Counter(path.parent for path in PACKAGE.rglob("*") if path.suffix in CODE)
    assert {str(folder): files for folder, files in folders.items() if files > 16} == {}
    lines = {str(path): len((PACKAGE / path).read_text().splitlines()) for path in MODULES}
    assert {path: count for path, count in lines.items() if count > LONGEST.get(path, 300)} == {}


def _public_names(tree):
    """Yield the public names that a module defines."""
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names = [node.name]
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [target.id for target in targets if isinstance(target, ast.Name)]
        else:
            continue
        yield from (name for name in names if not name.startswith("_"))


def test_a_public_name_has_one_meaning():
    modules = collections.defaultdict(set)
    for path, tree in MODULES.items():
        for name in _public_names(tree):
            modules[name].add(str(path))
    assert {name: paths for name, paths in modules.items() if len(paths) > 1 and name not in DELIBERATE} == {}


def _modules_loaded(statement, names):
    """Report which of the modules a statement loads."""
    check = f"import sys; {statement}; print([name for name in {names} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True, timeout=60)
    return ast.literal_eval(done.stdout)


def test_importing_dasksom_is_light():
    assert _modules_loaded("import dasksom", ["numpy", "dask", "numba", "zarr"]) == []
