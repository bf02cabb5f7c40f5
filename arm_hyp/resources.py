"""Where the files that ship with the program are: guests and lessons. Below all layers but `errors`.

A wheel has them inside the package, in `data/`; a checkout (an editable install too) at its top, beside the package.
"""

from pathlib import Path

from arm_hyp.errors import UserError

_PACKAGE = Path(__file__).resolve().parent


def guests_directory() -> Path:
    """Find the folder of the guests that ship with arm-hyp. Raise `UserError` if the installation lacks it."""
    return _directory("guests")


def lessons_directory() -> Path:
    """Find the folder of the lessons that ship with arm-hyp. Raise `UserError` if the installation lacks it."""
    return _directory("lessons")


def _directory(name: str) -> Path:
    for candidate in (_PACKAGE / "data" / name, _checkout() / name):
        if candidate.is_dir():
            return candidate
    raise UserError(f"arm-hyp's own folder '{name}'", "is missing from this installation", "install arm-hyp again")


def _checkout() -> Path:
    """Answer the top of the checkout, or a path inside the package that has no such folder if this is not one.

    Beside an installed package lie other people's packages, one of which may well be called `lessons`.
    """
    top = _PACKAGE.parent
    return top if (top / "pyproject.toml").is_file() else _PACKAGE / "data"
