"""Each parameter of the map is declared once, and is everywhere."""

import inspect
import textwrap
from pathlib import Path

import click
import numpy as np
import pytest

from dasksom import BatchSOM
from dasksom.cli.main import cli
from dasksom.config import MapSection, RunConfig
from dasksom.config.map_parameters import OPTIONS, PARAMETERS
from dasksom.som.choices import COLOR_SPACES, INITIALIZATIONS, METRICS, NEIGHBORHOODS, TOPOLOGIES
from dasksom.som.schedule import DECAYS

QUANTIZE_YAML = Path(__file__).parents[2] / "configs" / "quantize.yaml"
BY_NAME = {parameter.name: parameter for parameter in PARAMETERS}


def yaml_section():
    """Write the section `map` of configs/quantize.yaml."""
    lines = ["map:"]
    for parameter in OPTIONS:
        default = parameter.run_default
        plain = (parameter.default_in_words or str(default)).partition(",")[0]
        if default is None or default is False or default == ():
            plain = {None: "null", False: "false", (): "[]"}[default]
        names = [choice for choice in parameter.choices if choice not in parameter.help]
        text = parameter.help + (f" Accepted: {', '.join(parameter.choices)}." if names else "")
        text += f" Default: {parameter.default_in_words}." if default is None else ""
        text += " Given as [first, last]." if " " in parameter.metavar else ""
        key = f"  {parameter.option}: {plain}"
        lines += textwrap.wrap(text, 120, initial_indent=f"{key:<24} # ", subsequent_indent=f"{'':<24} # ")
    return "\n".join(lines) + "\n"


def test_signature__has_every_parameter_and_its_default():
    signature = inspect.signature(BatchSOM.__init__).parameters
    assert {name: argument.default for name, argument in signature.items() if name != "self"} == {
        parameter.name: parameter.default for parameter in PARAMETERS
    }
    assert BatchSOM().get_params() == {parameter.name: parameter.default for parameter in PARAMETERS}


def test_docstring__explains_every_parameter():
    documentation = inspect.getdoc(BatchSOM)
    for parameter in PARAMETERS:
        assert f"\n{parameter.name} : {parameter.kind}\n" in documentation
    assert "{parameters}" not in documentation


def test_configuration__has_every_option_and_its_default():
    fields = {name: field.default for name, field in MapSection.model_fields.items()}
    assert fields == {parameter.option: parameter.run_default for parameter in OPTIONS}


@pytest.mark.parametrize("command", ["quantize", "train", "plan"])
def test_command_line__has_every_option_and_its_choices(command):
    options = {
        option.name: option for option in cli.get_command(None, command).params if isinstance(option, click.Option)
    }
    for parameter in OPTIONS:
        option = options[parameter.option]
        assert option.help.startswith(parameter.help)
        if parameter.choices:
            assert tuple(option.type.choices) == parameter.choices


def test_every_parameter_is_an_option_or_says_why_not():
    for parameter in PARAMETERS:
        assert bool(parameter.option) != bool(parameter.not_an_option), parameter.name


def test_choices__are_those_of_the_dicts():
    dicts = {
        "topology": TOPOLOGIES,
        "neighborhood": NEIGHBORHOODS,
        "decay": DECAYS,
        "init": INITIALIZATIONS,
        "metric": METRICS,
        "color_space": COLOR_SPACES,
    }
    for name, accepted in dicts.items():
        assert BY_NAME[name].choices == tuple(accepted)


def test_quantize_yaml__has_the_texts_of_the_parameters():
    assert yaml_section() in QUANTIZE_YAML.read_text(), "`python -m tests.config.test_map_parameters` writes them"


@pytest.mark.parametrize("parameter", PARAMETERS, ids=lambda parameter: parameter.name)
def test_defaults_are_accepted_and_nonsense_is_not(parameter):
    assert parameter.accepts(parameter.default)
    if parameter.name not in ("init",):
        assert not parameter.accepts("nonsense")
        assert not parameter.accepts(float("nan"))
    assert not parameter.accepts("") or parameter.name == "grid"


@pytest.mark.parametrize(
    ("name", "value"),
    [("rows", np.int32(3)), ("toroidal", np.True_), ("tol", np.float32(0.5)), ("sigma", np.array([2.0, 1.0]))],
)
def test_numbers_of_numpy_are_accepted(name, value):
    assert BY_NAME[name].accepts(value)


@pytest.mark.parametrize("parameter", [parameter for parameter in OPTIONS if parameter.choices], ids=lambda p: p.name)
def test_configuration__refuses_unknown_names(parameter):
    with pytest.raises(ValueError, match=r"must be one of .*got .nonsense"):
        RunConfig(map={parameter.option: "nonsense"})


if __name__ == "__main__":
    text = QUANTIZE_YAML.read_text()
    QUANTIZE_YAML.write_text(text[: text.index("map:\n")] + yaml_section() + text[text.index("\ncluster:") :])
