import json

import pytest

import benchmarks as bench
from benchmarks.measure import Paired, Scale
from benchmarks.page import markdown
from benchmarks.report import Report, Row, at_least, at_most, at_most_ms, print_report, shown
from headwater.errors import BadRequest


@pytest.mark.parametrize(("value", "verdict"), [(0.9, "aim"), (0.91, "holds"), (1.15, "holds"), (1.16, "misses")])
def test_a_small_figure_is_judged_by_what_must_hold_and_by_the_aim(value: float, verdict: str) -> None:
    assert at_most("x", value, 1.15, 0.9, "").verdict == verdict


@pytest.mark.parametrize(("value", "verdict"), [(150, "aim"), (149, "holds"), (60, "holds"), (59.9, "misses")])
def test_a_large_figure_is_judged_the_other_way_round(value: float, verdict: str) -> None:
    assert at_least("x", value, 60, 150, "").verdict == verdict


def test_json_has_every_row_with_its_bare_value(capsys: pytest.CaptureFixture[str]) -> None:
    print_report(Report([at_most("a / b", 1.25, 2, 1, "5 us", "4 us")], {"processors": 2}), as_json=True)

    printed = json.loads(capsys.readouterr().out)
    assert printed["machine"] == {"processors": 2}
    assert printed["rows"][0]["name"] == "a / b"
    assert printed["rows"][0]["value"] == 1.25
    assert printed["rows"][0]["verdict"] == "holds"


def test_the_list_names_every_part(capsys: pytest.CaptureFixture[str]) -> None:
    bench.run_benchmarks(quick=True, only=("list",), as_json=False)

    printed = capsys.readouterr().out
    assert [line.split()[0] for line in printed.splitlines()] == list(bench.PARTS)


def test_a_part_that_there_is_none_of_is_refused_with_the_names_of_those_there_are() -> None:
    with pytest.raises(BadRequest, match="decode"):
        bench.run_benchmarks(quick=True, only=("decoding",), as_json=False)


def measure_nothing(scale: Scale) -> list[Row]:
    return [shown("nothing", "0", note=str(scale.quick))]


def test_a_part_that_breaks_is_told_and_does_not_stop_the_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    works = bench.Part("measures nothing", f"{__name__}:measure_nothing")
    broken = bench.Part("there is no such function", "benchmarks.transform:no_rows")
    monkeypatch.setattr(bench, "PARTS", {"first": broken, "second": works})

    with pytest.raises(SystemExit) as ended:
        bench.run_benchmarks(quick=True, only=(), as_json=True)

    rows = json.loads(capsys.readouterr().out)["rows"]
    assert ended.value.code == 1
    assert [row["verdict"] for row in rows] == ["failed", "shown"]
    assert "no_rows" in rows[0]["note"]


def test_the_page_has_a_line_for_every_row_of_the_printed_json(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [at_most("a / b", 1.25, 2, 1, "5 us", "4 us", note="five turns"), shown("c", "7 MB")]
    print_report(Report(rows, {"processors": 2}), as_json=True)

    page = markdown(capsys.readouterr().out.encode())

    assert "processors 2" in page
    assert "| a / b | 5 us | 4 us | 1.25 | <= 2 | <= 1 | **holds** |" in page
    assert "| c | 7 MB |  |  |" in page
    assert "- a / b: five turns" in page


def test_a_time_is_judged_by_the_limits_own_time_and_a_bit_more() -> None:
    must, aim = (1.2, 20.0), (1.05, 5.0)

    verdicts = [at_most_ms("asked", Paired(ours, 0.1, ours / 0.1), must, aim, "").verdict for ours in (0.109, 0.111, 0.139, 0.141)]

    assert verdicts == ["aim", "holds", "holds", "misses"]
    assert at_most_ms("asked", Paired(0.2, 0.1, 2), must, aim, "").must == "<= 1.2x + 20 ms = 140.0 ms"
