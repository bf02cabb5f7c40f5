"""The one exception for what the user got wrong. Below all layers; read `arm_hyp/cli/main.py` after it."""


class UserError(Exception):
    """Say in one line what is wrong with the user's input; the command line prints it and exits with status 2.

    `thing` is what the line is about (a file, an option), `cause` what is wrong with it, `way_out` what would help.
    """

    def __init__(self, thing: str, cause: str, way_out: str = "") -> None:
        super().__init__(thing, cause, way_out)
        self.thing, self.cause, self.way_out = thing, cause, way_out

    def __str__(self) -> str:
        text = f"{self.thing}: {self.cause}" + (f"; {self.way_out}" if self.way_out else "")
        return " ".join(text.split())
