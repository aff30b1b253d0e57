"""The mapping files shipped with the mapper: read whole, copied by ``mlc init``, used by the demo and by preview."""

from importlib.resources import files

DEFAULT = "woocommerce-to-deltek.yaml"
"""The mapping that the demo and the preview use where none is given."""


def text(name: str = DEFAULT) -> str:
    """The text of a shipped mapping file."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
