"""Make the notebooks of examples/ of the scripts of the same names, and run them.

python scripts/notebook.py [NAME [OUTPUT.ipynb]]        such as tutorial; all of them by default

Cells begin at "# %%", text ones at "# %% [markdown]". The notebooks are stored executed; their pictures become JPEG, so
that they stay small. Needs dasksom[examples].
"""

import base64
import io
import re
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from PIL import Image
from traitlets.config import Config

EXAMPLES = Path(__file__).parents[1] / "examples"
NOTEBOOKS = ("tutorial", "multiplexed_classes", "scene_classes")


def cells_of(source):
    """Cut a script with cell marks into a notebook's cells."""
    cells = []
    for mark, text in re.findall(r"(?ms)^# %%( \[markdown\])?\n(.*?)(?=^# %%|\Z)", source):
        if mark:
            cells.append(nbformat.v4.new_markdown_cell(re.sub(r"(?m)^# ?", "", text).strip()))
        else:
            cells.append(nbformat.v4.new_code_cell(text.strip()))
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"  # else a random one, and every notebook would differ
    return cells


def executed(source, folder):
    """Make a notebook of a script and run it in a folder."""
    notebook = nbformat.v4.new_notebook(cells=cells_of(source))
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    with tempfile.TemporaryDirectory() as sockets:  # without listening on a port
        config = Config({"KernelManager": {"transport": "ipc", "ip": f"{sockets}/kernel"}})
        where = {"metadata": {"path": str(folder)}}
        client = NotebookClient(
            notebook, config=config, timeout=300, resources=where, record_timing=False, coalesce_streams=True
        )
        client.execute()
    return notebook


def shrink(notebook):
    """Store pictures as JPEG, and remove what depends on the machine."""
    notebook.metadata.pop("language_info", None)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                picture = Image.open(io.BytesIO(base64.b64decode(output.data.pop("image/png")))).convert("RGB")
                written = io.BytesIO()
                picture.save(written, "JPEG", quality=70, optimize=True)
                output.data["image/jpeg"] = base64.b64encode(written.getvalue()).decode()


def write_notebook(name, output=None):
    """Make one notebook."""
    source = EXAMPLES / f"{name}.py"
    output = source.with_suffix(".ipynb") if output is None else Path(output)
    with tempfile.TemporaryDirectory() as folder:
        notebook = executed(source.read_text(), folder)
    shrink(notebook)
    nbformat.write(notebook, output)
    print(f"{output}: {output.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    for given in [sys.argv[1:]] if len(sys.argv) > 1 else [[name] for name in NOTEBOOKS]:
        write_notebook(*given)
