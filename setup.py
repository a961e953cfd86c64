"""Put configs/ into the package when a wheel is built; everything else is in pyproject.toml."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithConfigurations(build_py):
    """Copies the example configurations, which `dasksom config` writes."""

    def run(self) -> None:
        """Build, and copy them unless the installation is editable: then they are read where they are."""
        super().run()
        if self.editable_mode:
            return
        folder = Path(self.build_lib) / "dasksom" / "configs"
        folder.mkdir(parents=True, exist_ok=True)
        for path in Path("configs").glob("*.yaml"):
            self.copy_file(str(path), str(folder / path.name))


setup(cmdclass={"build_py": BuildWithConfigurations})
