"""What this program is called where packages are installed, and its version.

The import is `marigold`; on the package index that name belongs to somebody else's project.
"""

DISTRIBUTION = "marigold-dense"
VERSION = "0.1.0"


def how_to_install(extra: str) -> str:
    """The commands that install an extra: from the source tree, and from an index once it is published there."""
    return f"pip install -e '.[{extra}]' in the source tree (once published: pip install '{DISTRIBUTION}[{extra}]')"
