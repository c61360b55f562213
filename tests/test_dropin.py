"""What twistd and twist find of the toolkit."""

from __future__ import annotations

from typing import Any

from twisted.application.service import IServiceMaker
from twisted.plugin import IPlugin
from zope.interface.verify import verifyObject

from toolkit import _dropin, _twistd


def test_it_is_a_plugin_that_makes_a_service() -> None:
    assert verifyObject(IPlugin, _dropin.toolkit)
    assert verifyObject(IServiceMaker, _dropin.toolkit)


def test_it_is_the_subcommand_toolkit_with_a_line_of_help() -> None:
    assert _dropin.toolkit.tapname == "toolkit"
    assert _dropin.toolkit.description.endswith(".")
    assert "\n" not in _dropin.toolkit.description


def test_its_options_and_service_are_those_of_the_module_it_names() -> None:
    maker: Any = _dropin.toolkit
    assert maker.options is _twistd.Options
    assert maker.makeService is _twistd.makeService
