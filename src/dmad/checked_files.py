"""Read JSON, YAML and NumPy files. A file that is too large or damaged raises a one-line error.

The size is checked before a file is read, and the size of an array before it is allocated. No code
in a file is executed.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from zipfile import ZipFile, ZipInfo

from dmad.errors import DmadError, one_line, require

if TYPE_CHECKING:
    import numpy as np

MEGABYTE = 2**20
LARGEST_TEXT = 64 * MEGABYTE  # bytes of a JSON file; the card of a long training has less than one
LARGEST_YAML = MEGABYTE  # bytes
DEEPEST_YAML = 20  # mappings and lists inside each other
LARGEST_ARCHIVE = 2048 * MEGABYTE  # bytes of all arrays of a .npz file that are read
LARGEST_RATIO = 1100  # a compressed array is at most about this many times smaller


def read_json(path: Path, advice: str) -> Any:
    """Read a JSON file.

    Args:
        path: The file.
        advice: Text that says what a user can do if the file is damaged. The error message ends
            with this text.

    Raises:
        DmadError: The file is missing, too large or not JSON.
    """
    try:
        return json.loads(_read_text(path, LARGEST_TEXT))
    except DmadError:
        raise
    except Exception as error:  # also a RecursionError
        raise DmadError(f"{path} is not valid JSON ({one_line(error)}); {advice}") from error


def read_mapping(path: Path, advice: str) -> dict[str, Any]:
    """Read a JSON file that contains a mapping, as `read_json` does.

    Raises:
        DmadError: `read_json` fails, or the file contains no mapping.
    """
    tree = read_json(path, advice)
    require(isinstance(tree, dict), f"{path} contains no mapping; {advice}")
    assert isinstance(tree, dict)
    return tree


def read_yaml(path: Path) -> Any:
    """Read a YAML file. Refuse a file with aliases, deep nesting or repeated names.

    Names of entries are always text. This includes `on`, `no` and `07`, which other readers of YAML
    convert to another type.

    Raises:
        DmadError: The file is missing, too large or not YAML, or contains aliases, deep nesting or
            repeated names.
    """
    import yaml

    try:
        text = _read_text(path, LARGEST_YAML)
        _check_tokens(text, path)
        repeated = ", ".join(_repeated_keys(yaml.compose(text, yaml.SafeLoader)))
        require(not repeated, f"{path} has {repeated} twice in one mapping; leave only one")
        return _with_names_as_text(text)
    except DmadError:
        raise
    except Exception as error:  # PyYAML does not catch errors of Python, such as for wrong dates
        raise DmadError(f"{path} is not readable as YAML ({one_line(error)})") from error


def _with_names_as_text(text: str) -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            for name, _ in node.value:
                if isinstance(name, yaml.ScalarNode):
                    name.tag = "tag:yaml.org,2002:str"
            return super().construct_mapping(node, deep)

    return yaml.load(text, Loader)


def _check_tokens(text: str, path: Path) -> None:
    """Refuse aliases and deep nesting: a small file with them can take hours and all memory."""
    import yaml

    depth = 0
    for token in yaml.scan(text, yaml.SafeLoader):
        kind = type(token).__name__
        is_alias = isinstance(token, yaml.AliasToken | yaml.AnchorToken)
        require(not is_alias, f"{path} has an alias (& or *); write its value instead")
        depth += kind.endswith(("MappingStartToken", "SequenceStartToken"))
        depth -= kind.endswith(("MappingEndToken", "SequenceEndToken", "BlockEndToken"))
        require(depth <= DEEPEST_YAML, f"{path} has more than {DEEPEST_YAML} levels; give fewer")


def _repeated_keys(node: Any) -> list[str]:
    """Return the keys that occur more than once in a mapping of a YAML tree.

    Of several entries with the same key, PyYAML keeps only the last.
    """
    import yaml

    if isinstance(node, yaml.SequenceNode):
        return [key for child in node.value for key in _repeated_keys(child)]
    if not isinstance(node, yaml.MappingNode):
        return []
    keys = [str(key.value) for key, _ in node.value]
    repeated = sorted({key for key in keys if keys.count(key) > 1})
    return repeated + [key for _, child in node.value for key in _repeated_keys(child)]


def read_npy(path: Path) -> np.ndarray:
    """Open a `.npy` file of numbers as a memory map.

    Raises:
        DmadError: The file is missing or damaged, or contains something other than numbers.
    """
    import numpy as np

    check_regular(path)
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:
        raise DmadError(f"{path} is not a NumPy array ({_reason(error)})") from error
    require(isinstance(array, np.ndarray), f"{path} is an archive, not a NumPy array")
    _check_numbers(array.dtype, path, "it", "fiub")
    return np.asarray(array)


def read_npz(path: Path, wanted: Collection[str], advice: str) -> tuple[dict[str, Any], list[str]]:
    """Read arrays of a `.npz` file.

    Args:
        path: The file.
        wanted: Names of the arrays to read.
        advice: Text that says what a user can do if the file is damaged. The error message ends
            with this text.

    Returns:
        The wanted arrays that the file contains, by name; and the names of all its arrays.

    Raises:
        DmadError: The file is missing, damaged or too large, or an array contains no numbers.
    """
    check_regular(path)
    try:
        with ZipFile(path) as archive:
            entries = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            found = {name: info for name, info in entries.items() if name in wanted}
            total = sum(info.file_size for info in found.values())
            require(
                total <= LARGEST_ARCHIVE,
                f"{path} contains {total / MEGABYTE:.0f} MB, more than "
                f"{LARGEST_ARCHIVE // MEGABYTE}; {advice}",
            )
            return {name: _read_entry(archive, info) for name, info in found.items()}, [*entries]
    except DmadError as error:
        text = str(error)
        raise DmadError(text if str(path) in text else f"{path}: {text}") from error
    except Exception as error:
        raise DmadError(
            f"{path} is not a readable .npz file of numbers ({_reason(error)}); {advice}"
        ) from error


def _read_entry(archive: ZipFile, info: ZipInfo) -> np.ndarray:
    import numpy as np

    name = info.filename.removesuffix(".npy")
    with archive.open(info) as file:
        shape, dtype = _header(file)
        size = file.tell() + int(np.prod(shape, dtype=object)) * dtype.itemsize
    _check_numbers(dtype, Path(archive.filename or ""), name, "fiubU")
    possible = info.file_size <= LARGEST_RATIO * (info.compress_size + 1)
    require(size == info.file_size and possible, f"{name} is damaged: its size is wrong")
    with archive.open(info) as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    from numpy.lib import format

    newer = format.read_magic(file) > (1, 0)
    read = format.read_array_header_2_0 if newer else format.read_array_header_1_0
    shape, _, dtype = read(file)
    return shape, dtype


def _check_numbers(dtype: np.dtype[Any], path: Path, name: str, kinds: str) -> None:
    require(
        dtype.kind in kinds,
        f"{path}: {name} holds {'Python objects' if dtype.kind == 'O' else dtype}, not numbers; "
        "write it with NumPy",
    )


def _reason(error: Exception) -> str:
    reason = one_line(error)
    return "it holds Python objects" if "pickle" in reason else reason[:120]


def _read_text(path: Path, limit: int) -> str:
    return read_bytes(path, limit).decode()


def read_bytes(path: Path, limit: int) -> bytes:
    """Read a file of at most `limit` bytes.

    Raises:
        DmadError: The file is missing, not a regular file, or larger than `limit`.
    """
    check_regular(path)
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise DmadError(f"{path} cannot be read ({one_line(error)})") from error
    require(len(content) <= limit, f"{path} has more than {limit} bytes; give another file")
    return content


def check_regular(path: Path) -> None:
    """Check that a path is a file, and not a folder, device or pipe.

    Raises:
        DmadError: The path is not a file, or does not exist.
    """
    try:
        is_file = path.is_file()
    except ValueError:  # the name contains a null character
        is_file = False
    require(is_file, f"{path} is not a file")
