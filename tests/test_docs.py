"""The pages of docs/: short sentences, messages that the code prints, every name of the interface, the citation."""

import re
from pathlib import Path

import pytest
import yaml

import tf_symgnn

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
INCLUDED = ("CONTRIBUTING", "CHANGELOG", "SECURITY", "benchmarks/RESULTS")
INCLUDED += ("tf_symgnn/server/README", "tf_symgnn/data/cuzr/README", "tf_symgnn/pretrained/cuzr/README")
INCLUDED += ("tests/sample/README", "integrations/README")
PAGES = [ROOT / "README.md", *(ROOT / f"{name}.md" for name in INCLUDED), *sorted(DOCS.rglob("*.md"))]
LONGEST_SENTENCE = 30  # words


def sentences(text: str) -> list[str]:
    """Return the sentences of Markdown: of paragraphs, list items and cells of tables, without code and equations."""
    text = re.sub(r"\A---\n.*?^---$|^```.*?^```$|\$\$.*?\$\$|<!--.*?-->", "\n\n", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"`[^`]*`", "code", text)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    parts = re.split(r"\n\s*\n|\n(?=\s*(?:[-*>] |\d+\. |\||#))|\|", text)
    return [sentence for part in parts for sentence in re.split(r"(?<=[.!?])\s+", " ".join(part.split())) if sentence]


def test_sentences_are_found():
    text = "# Title\n\nOne `code a b`. Two\nlines ([link](a.md))!\n\n- item\n- item two\n\n| a | b c |\n"
    found = sentences(text + "\n```bash\nno\n```\n")
    assert found[1:] == ["One code.", "Two lines (link)!", "- item", "- item two", "a", "b c"]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_sentences_are_short(path):
    assert not [x for x in sentences(path.read_text()) if len(x.split()) > LONGEST_SENTENCE]


def test_every_page_is_in_the_contents():
    listed = set()
    for contents in (DOCS / "index.md", DOCS / "tutorials" / "index.md"):
        for block in re.findall(r"```{toctree}\n(.*?)```", contents.read_text(), re.DOTALL):
            names = [line for line in block.splitlines() if line and not line.startswith(":")]
            listed |= {contents.parent / f"{name}.md" for name in names}
    assert listed == set(DOCS.rglob("*.md")) - {DOCS / "index.md"}


def test_links_to_files_that_a_page_includes_lead_to_the_page():
    table = (DOCS / "reference.py").read_text()
    for page in DOCS.rglob("*.md"):
        for path in re.findall(r"^```{include} (\S+)$", page.read_text(), re.MULTILINE):
            included = (page.parent / path).resolve().relative_to(ROOT)
            assert f'"{included}": "{page.relative_to(ROOT)}"' in table


def test_every_name_of_the_interface_is_documented():
    page = (DOCS / "api.md").read_text()
    documented = re.findall(r"^\.\. auto(?:function|class|exception):: (\w+)$", page, re.MULTILINE)
    assert sorted(documented) == sorted(tf_symgnn.__all__)


def test_messages_of_the_troubleshooting_page_are_in_the_code():
    code = "\n".join(path.read_text() for path in (ROOT / "tf_symgnn").rglob("*.py"))
    rows = re.findall(r"^\| `([^`]+)` \|", (DOCS / "troubleshooting.md").read_text(), re.MULTILINE)
    assert len(rows) > 25
    for message in rows:
        parts = re.split(r"(?:: |\b)found |(?:, |\b)expected |\.\.\.", message)
        for part in filter(None, map(str.strip, parts)):
            assert part in code or part.replace('"', '\\"') in code, (message, part)


def test_the_citation_is_complete():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors", "license"} <= citation.keys()
    assert citation["version"] == tf_symgnn.__version__
    article = citation["preferred-citation"]
    assert {"type", "title", "authors", "year", "collection-title", "start", "end"} <= article.keys()
    assert all({"family-names", "given-names"} <= author.keys() for author in article["authors"])
    entries = re.findall(r"@(\w+)\{\w+,\n(.*?)\n\}", (ROOT / "CITATION.bib").read_text(), re.DOTALL)
    fields = {kind: dict(re.findall(r"(\w+)\s*= \{+(.*?)\}+,?$", text, re.MULTILINE)) for kind, text in entries}
    authors = " and ".join(f"{author['family-names']}, {author['given-names']}" for author in article["authors"])
    found = fields["inproceedings"]
    assert (found["title"], found["author"], found["year"]) == (article["title"], authors, str(article["year"]))
    assert found["pages"] == f"{article['start']}--{article['end']}"
    software = fields["software"]
    assert (software["title"], software["version"]) == (citation["title"], citation["version"])


def test_the_changelog_keeps_its_format():
    """Versions from newest to oldest with a date, or unreleased; changes under the headings of Keep a Changelog."""
    text = (ROOT / "CHANGELOG.md").read_text()
    versions = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert versions[0].startswith(f"[{tf_symgnn.__version__}] - ")
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - (Unreleased|\d{4}-\d\d-\d\d)", version) for version in versions)
    numbers = [tuple(map(int, version[1:].partition("]")[0].split("."))) for version in versions]
    assert numbers == sorted(numbers, reverse=True)
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(re.findall(r"^### (.*)$", text, re.MULTILINE)) <= kinds
