import json
import stat
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from common.errors import InputError
from common.output_folder import OutputFolder
from production.monitoring.json_lines import append_line
from production.monitoring.page.page import read_production, render_page, write_page
from production.monitoring.report import CHUNKS, read_reports
from tests.browser import needs_chromium, open_page
from tests.production.monitoring.page.months import FIRST_DAY, report, write_days

HOUR = timedelta(hours=1)


@pytest.fixture
def folder(tmp_path: Path) -> OutputFolder:
    folder = OutputFolder(tmp_path)
    write_days(folder)
    return folder


def test_events_are_on_one_time_axis(folder):
    events = read_production(folder, "pump").events
    assert [(event.time - FIRST_DAY, event.kind, event.title) for event in events] == [
        (timedelta(days=0), "version", "version 100 answers"),
        # At the end of the chunk that raised it, not when the monitor looked at it.
        (timedelta(days=4), "version", "version 200 answers"),
        (timedelta(days=4), "alarm", "a1 drift, open"),
        (timedelta(days=4), "rollout", "promote: pump/200"),
        (timedelta(days=4), "retraining", "retraining: start"),
    ]


def test_the_page_and_its_json_are_written_and_in_the_index(folder):
    production = read_production(folder, "pump")
    gate = {100: {"recall": (0.87, 0.8, 0.9)}}
    path = write_page(replace(production, gate=gate), folder.reports)
    assert path == folder.reports / "monitor-pump.html"
    values = json.loads((folder.reports / "monitor-pump.json").read_text())
    assert [chunk["number"] for chunk in values["chunks"]] == [0, 1, 2, 3, 4]
    assert values["alarms"][0]["status"] == "open"
    assert values["gate"] == {"100": {"recall": [0.87, 0.8, 0.9]}}
    assert 'href="monitor-pump.html"' in (folder.reports / "index.html").read_text()
    assert (folder.reports / "assets" / "plotly.min.js").is_file()


def test_the_page_says_what_happened_and_what_to_do(folder):
    html = render_page(read_production(folder, "pump", unit="EUR"))
    assert "recall -4.0 points, +310 EUR a day [+120, +520]" in html
    assert "Check the sensor." in html
    assert "<code>faultline explain-alarm a1</code>" in html
    assert "Concept drift is invisible." in html
    assert "chunk 2 in quarantine: stuck" in html
    assert '<tr class="broken"><td class="num">2</td>' in html


def test_the_figures_are_of_the_latest_thousand_chunks(folder):
    production = read_production(folder, "pump")
    hours = [replace(report(0), number=n, since=FIRST_DAY + n * HOUR) for n in range(1002)]
    chunks = [replace(one, until=one.since + HOUR) for one in hours]
    html = render_page(replace(production, reports=chunks))
    assert "chunk 1, " not in html
    assert "chunk 2, " in html
    assert "for the latest 1,000 chunks. Times are UTC." in html
    assert "version 100 answers" not in html.split("const data =")[1]  # at chunk 0


def test_texts_from_data_are_no_html(folder):
    html = render_page(read_production(folder, "pump"))
    assert "&lt;b&gt;pressure&lt;/b&gt;" in html
    assert "<b>pressure</b>" not in html


def test_without_a_chunk_the_page_says_so(tmp_path):
    folder = OutputFolder(tmp_path)
    path = write_page(read_production(folder, "pump"), folder.reports)
    html = path.read_text()
    assert "No chunk is finished yet" in html
    assert "plotly" not in html


def test_the_same_files_give_the_same_page(folder):
    pages = [render_page(read_production(folder, "pump")) for _ in range(2)]
    assert pages[0] == pages[1]
    assert len(read_reports(folder.monitoring("pump"))) == 5


def test_a_damaged_line_names_itself_and_leaves_the_other_chunks(folder):
    path = folder.monitoring("pump") / CHUNKS
    lines = path.read_text().splitlines()
    damaged = json.loads(lines[0]) | {"number": 9, "troubles": None}
    path.write_text("\n".join([*lines, json.dumps(damaged)]) + "\n")
    page = write_page(read_production(folder, "pump"), folder.reports)
    problem = f"{path}, line {len(lines) + 1}: it is no report of a chunk"
    assert problem in page.read_text()
    values = json.loads((folder.reports / "monitor-pump.json").read_text())
    assert [chunk["number"] for chunk in values["chunks"]] == [0, 1, 2, 3, 4]
    assert values["problems"][0].startswith(problem)


@pytest.mark.parametrize("line", [{"event": "end"}, {"time": 7, "event": "end"}])
def test_a_changed_line_of_the_retrainings_is_an_error_in_words(folder, line):
    path = folder.retraining("pump") / "journal.jsonl"
    append_line(path, {"by": "Ada", "why": "", **line})
    with pytest.raises(InputError, match=r"journal\.jsonl, line 2: .* Restore it"):
        read_production(folder, "pump")


def test_the_page_and_its_json_are_for_their_owner_only(folder):
    page = write_page(read_production(folder, "pump"), folder.reports)
    for path in (page, page.with_suffix(".json")):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@needs_chromium
def test_a_browser_draws_the_page_without_errors(folder, tmp_path):
    page = write_page(read_production(folder, "pump", unit="EUR"), folder.reports)
    lines, size = open_page(page, tmp_path)
    assert lines == []
    assert size > 60_000
