"""Help texts: groups, the common options, and all of them."""

import re

import pytest
from click.testing import CliRunner

from dasksom.cli.help_pages import COMMON
from dasksom.cli.main import COMMANDS, cli


def help_of(*words):
    done = CliRunner().invoke(cli, [*words])
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize("name", ["quantize", "train", "apply", "plan"])
def test_help__shows_common_options_and_help_all_shows_every_one(name):
    command = cli.get_command(None, name)
    options = {
        option.name: max(option.opts, key=len) for option in command.params if option.param_type_name == "option"
    }
    short, complete = help_of(name, "--help"), help_of(name, "--help-all")
    listed = {key for key, text in options.items() if re.search(rf"(?m)^  (-\w, )?{text}\b", short)}
    assert listed == {*options} & COMMON
    assert all(re.search(rf"(?m)^  (-\w, )?{text}\b", complete) for text in options.values())
    assert "more options: dasksom" in short
    assert "more options" not in complete
    assert short.index("Output:" if name == "apply" else "Map:") < short.index("Cluster:") < short.index("Messages:")


def test_help__names_no_option_that_does_not_exist():
    names = {option.name for name in COMMANDS for option in cli.get_command(None, name).params}
    expected_soon = {"classes", "scale", "stack"}
    assert COMMON - names - expected_soon == set()


def test_colors__is_the_grid_nearest_to_a_square(tmp_path, photograph):
    from PIL import Image

    Image.fromarray(photograph[:40, :40]).save(tmp_path / "photo.png")
    for colors, expected in (("12", "12 colors"), ("7", "7 colors")):
        words = ["quantize", str(tmp_path / "photo.png"), str(tmp_path / f"{colors}.png"), "--colors", colors]
        assert expected in help_of(*words, "--epochs", "2", "--cluster", "threads")
    refused = CliRunner().invoke(cli, [*words, "--grid", "2x2"])
    assert "--colors and --grid both give the number of units; remove one" in str(refused.exception)
