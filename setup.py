"""What `pyproject.toml` cannot say: guests and lessons go into the wheel, and optional C helpers are built.

Both folders live at the top of the checkout; in a wheel they lie under `arm_hyp/data/`, where `arm_hyp/resources.py`
looks first. A file `arm_hyp/cpu/NAME.c` becomes `arm_hyp.cpu.NAME`; each is optional, so an installation
without a C compiler succeeds and runs without it.
"""

import shutil
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_py import build_py

SHIPPED = ("guests", "lessons")
NATIVE = Path("arm_hyp/cpu")


class BuildWithData(build_py):
    """Copy the shipped folders beside the modules, except for an editable install, which finds them in the checkout."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            for source, target in self._data():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        return [*super().get_outputs(include_bytecode), *(str(target) for _, target in self._data())]

    def get_source_files(self) -> list[str]:
        return [*super().get_source_files(), *(str(source) for source, _ in self._data())]

    def _data(self) -> list[tuple[Path, Path]]:
        files = [path for name in SHIPPED for path in sorted(Path(name).rglob("*")) if path.is_file()]
        target = Path(self.build_lib, "arm_hyp", "data")
        return [(path, target / path) for path in files if "__pycache__" not in path.parts]


def native_helpers() -> list[Extension]:
    """Describe one optional extension for each C file in `arm_hyp/cpu/`."""
    return [
        Extension(f"arm_hyp.cpu.{source.stem}", [str(source)], optional=True) for source in sorted(NATIVE.glob("*.c"))
    ]


setup(cmdclass={"build_py": BuildWithData}, ext_modules=native_helpers())
