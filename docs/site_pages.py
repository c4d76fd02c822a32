"""Pages of the site that are not files in docs/: those at the root, and the API reference."""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "dmad"
ROOT_PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
LINK = re.compile(r"\[([^\]]*)\]\(([^)#\s]+)(#[^)\s]*)?\)")  # [text](file#place)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """List the pages of the reference in the navigation."""
    pages = [{title: path} for title, path, _ in reference_pages()]
    config.nav = [{"Reference": pages} if "Reference" in item else item for item in config.nav]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages to the site."""
    for name, path in ROOT_PAGES.items():
        text = links_from_docs((ROOT / name).read_text())
        files.append(File.generated(config, path, content=text))
    for _, path, text in reference_pages():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, page: object, config: MkDocsConfig, files: Files) -> str:
    """Turn links from docs/ to pages at the root into links inside the site."""
    for name, path in ROOT_PAGES.items():
        markdown = markdown.replace(f"](../{name}", f"]({path}")
    return markdown


def links_from_docs(text: str) -> str:
    """The text of a page at the root, with its links as they are seen from docs/."""

    def moved(link: re.Match[str]) -> str:
        text, file, place = link.groups(default="")
        if file.startswith("docs/") or file in ROOT_PAGES:
            return f"[{text}]({ROOT_PAGES.get(file, file.removeprefix('docs/'))}{place})"
        is_other_file = "://" not in file  # such as LICENSE, which the site does not have
        return text if is_other_file else link[0]

    return LINK.sub(moved, text)


def reference_pages() -> list[tuple[str, str, str]]:
    """Title, path and text of each page of the reference: one for each folder of the package."""
    modules = sorted(SOURCE.rglob("*.py"))
    groups: dict[str, list[str]] = {"dmad": ["dmad"]}
    for path in modules:
        parts = path.relative_to(SOURCE.parent).with_suffix("").parts
        if not parts[-1].startswith("_"):
            groups.setdefault(".".join(parts[:-1]), []).append(".".join(parts))
    return [
        (name, f"reference/{name}.md", reference_page(name, members))
        for name, members in sorted(groups.items())
    ]


def reference_page(package: str, modules: list[str]) -> str:
    """The text of the page of one package."""
    return "\n\n".join([f"# `{package}`", *(f"::: {module}" for module in modules)]) + "\n"
