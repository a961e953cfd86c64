"""The example configurations, and the command that writes them."""

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from dasksom import InputError
from dasksom.cli.main import cli
from dasksom.config.examples import example_names, example_text

CONFIGS = Path(__file__).parents[2] / "configs"


def test_examples__are_those_of_configs():
    assert example_names() == tuple(sorted(path.stem for path in CONFIGS.glob("*.yaml")))
    assert example_text("slurm") == (CONFIGS / "slurm.yaml").read_text()
    with pytest.raises(InputError, match=r"'slumr'; there are aws, .*slurm"):
        example_text("slumr")


def test_command__writes_an_example_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(cli, ["config", "pbs"]).output == "pbs.yaml\n"
    assert yaml.safe_load(Path("pbs.yaml").read_text())["cluster"]["name"] == "pbs"
    again = CliRunner().invoke(cli, ["config", "pbs"])
    assert "pbs.yaml exists; give another name, or --overwrite" in str(again.exception)
    assert CliRunner().invoke(cli, ["config", "slurm", "pbs.yaml", "--overwrite"]).exit_code == 0
    assert yaml.safe_load(Path("pbs.yaml").read_text())["cluster"]["name"] == "slurm"
    listed = CliRunner().invoke(cli, ["config"]).output.splitlines()
    assert [line.split()[0] for line in listed] == list(example_names())
