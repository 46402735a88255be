"""Every function of Athena's that is known here, by name."""

from headwater.dialect.functions.aggregates import AGGREGATES
from headwater.dialect.functions.arrays import ARRAYS
from headwater.dialect.functions.documents import DOCUMENTS
from headwater.dialect.functions.maps import MAPS
from headwater.dialect.functions.moments import MOMENTS
from headwater.dialect.functions.numbers import NUMBERS
from headwater.dialect.functions.strings import STRINGS
from headwater.dialect.functions.windows import WINDOWS
from headwater.dialect.signatures import FunctionLibrary

GROUPS: dict[str, FunctionLibrary] = {
    "Text": STRINGS,
    "Numbers": NUMBERS,
    "Dates and times": MOMENTS,
    "JSON, URLs and regular expressions": DOCUMENTS,
    "Arrays": ARRAYS,
    "Maps": MAPS,
    "Aggregates": AGGREGATES,
    "Windows": WINDOWS,
}

LIBRARY = FunctionLibrary()
for group in GROUPS.values():
    for name, signatures in group.signatures.items():
        LIBRARY.signatures.setdefault(name, []).extend(signatures)
    LIBRARY.refused.update(group.refused)

__all__ = ["GROUPS", "LIBRARY"]
