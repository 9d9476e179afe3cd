"""Which program made a run: versions of packages and the commit, if any."""

from __future__ import annotations

import platform
import subprocess
import tomllib
from importlib import metadata
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
_PACKAGES = ("pypsa", "linopy", "highspy", "mesa", "numpy", "pandas", "pyarrow")


def package_versions() -> dict[str, str | None]:
    """Versions by package name, those of this program and of Python first; None: not installed."""
    versions: dict[str, str | None] = {
        "dman-cep": _own_version(),
        "python": platform.python_version(),
    }
    return versions | {name: _version(name) for name in _PACKAGES}


def git_commit() -> str | None:
    """Commit of the checkout this program runs from, with ``+changes`` if files differ from it."""
    if not (_ROOT / ".git").exists():
        return None
    commit = _git("rev-parse", "HEAD")
    if not commit:
        return None
    return f"{commit}+changes" if _git("status", "--porcelain", "--untracked-files=no") else commit


def _own_version() -> str | None:
    """Version in ``pyproject.toml`` of a checkout, else that of the installed package."""
    file = _ROOT / "pyproject.toml"
    if file.is_file():
        project = tomllib.loads(file.read_text(encoding="utf-8")).get("project", {})
        if project.get("name") == "dman-cep":
            return str(project["version"])
    return _version("dman-cep")


def _version(package: str) -> str | None:
    """Version of an installed package."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _git(*arguments: str) -> str:
    """Output of a git command, empty if it fails."""
    try:
        done = subprocess.run(
            ["git", "-C", str(_ROOT), *arguments],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
