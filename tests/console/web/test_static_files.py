"""Scripts and styles: asked for once, and again when they have changed."""

import re

from clew_console.web.static_files import SHEETS, StaticFiles


def test_what_a_page_names_is_kept_for_ever(console):
    """A page's files have addresses with their version, which browsers keep; the page itself is never kept."""
    page = console.get("/")
    assert page.headers["cache-control"] == "no-store"
    names = re.findall(r'"(/static/[^"]+)"', page.text)
    assert {name.rpartition(".")[2] for name in names} == {"css", "js", "svg"}
    for name in names:
        answer = console.get(name)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["content-type"].partition(";")[0] in {"text/css", "text/javascript", "image/svg+xml"}


def test_what_has_no_version_or_an_old_one_is_not_kept(console):
    """A page from before an update still gets its files, those of now; what is none is not found."""
    for name in ("/static/console.js", "/static/0123456789ab/console.js"):
        answer = console.get(name)
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-cache")
    for name in ("/static/none.js", "/static/", "/static/../site.py", "/static/%2e%2e/site.py"):
        assert console.get(name).status_code == 404


def test_a_change_changes_every_address(tmp_path):
    """A file that is not what it was has another address, and so have those that name it."""
    for sheet in SHEETS:
        (tmp_path / f"{sheet}.css").write_text(f".{sheet} {{}}")
    before = StaticFiles(tmp_path).address("console.css")
    assert StaticFiles(tmp_path).address("console.css") == before
    (tmp_path / "map.css").write_text(".map { color: red }")
    assert StaticFiles(tmp_path).address("console.css") != before
