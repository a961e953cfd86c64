"""The HTML report of a run.

Public names are imported when they are first used, so that commands start quickly.
"""

from typing import TYPE_CHECKING

from dasksom.deferred import names_on_use

if TYPE_CHECKING:
    from dasksom.report.build import check_report, report_path, write_report

__all__ = ["check_report", "report_path", "write_report"]

__getattr__ = names_on_use(
    __name__,
    {
        "dasksom.report.build": "check_report report_path write_report",
    },
)
