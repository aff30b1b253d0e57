"""The mapping file of a flow: ``load`` reads it, ``Mapping`` is what it says, ``json_schema`` tells editors."""

from mlc_mapper.mapping.loading import json_schema, load
from mlc_mapper.mapping.model import Mapping

__all__ = ["Mapping", "json_schema", "load"]
