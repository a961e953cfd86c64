"""Make examples/tutorial.ipynb of examples/tutorial.py and run it.

python scripts/notebook.py [OUTPUT.ipynb]

Cells begin at "# %%", text ones at "# %% [markdown]". The notebook is stored executed; its pictures become JPEG, so
that it stays small. Needs dasksom[examples].
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

SOURCE = Path(__file__).parents[1] / "examples" / "tutorial.py"


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


def main(output):
    with tempfile.TemporaryDirectory() as folder:
        notebook = executed(SOURCE.read_text(), folder)
    shrink(notebook)
    nbformat.write(notebook, output)
    print(f"{output}: {Path(output).stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else SOURCE.with_suffix(".ipynb"))
