"""tqdm's bar of text, in which the metrics are never cut off."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from tqdm.std import tqdm

# Longest first. What is left out: the rate, the counts, the times, the bar itself, the percentage.
_LAYOUTS = (
    "{desc}{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_fmt}{more}]",
    "{desc}{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}{more}]",
    "{desc}{percentage:3.0f}%|{bar}| [{elapsed}<{remaining}{more}]",
    "{desc}{percentage:3.0f}%|{bar}| {metrics}",
    "{desc}{percentage:3.0f}% {metrics}",
    "{desc}{metrics}",
)
_WITHOUT_TOTAL = (
    "{desc}{n_fmt}{unit} [{elapsed}, {rate_fmt}{more}]",
    "{desc}{n_fmt}{unit} [{elapsed}{more}]",
    "{desc}{metrics}",
)
_SHORT = {"accuracy": "acc", "val_loss": "val", "val_accuracy": ""}
_SHORTEST = {"accuracy": "", "val_loss": "val", "val_accuracy": ""}


def _written(values: Mapping[str, float], names: dict[str, str], form: str, comma: str) -> str:
    """Return values with short names before them."""
    parts = (f"{names.get(name, name)} {value:{form}}" for name, value in values.items())
    return comma.join(part.strip() for part in parts)


class TextBar(tqdm):  # type: ignore[type-arg]  # generic in its stubs alone
    """A bar whose layout is the longest that fits the terminal with all metrics in it.

    Where their names don't fit, they are shortened, the values rounded.
    """

    values: Mapping[str, float] = MappingProxyType({})

    def refresh(self, nolock: bool = False, lock_args: Any = None) -> Any:
        """Draw the bar, and let the lock of all bars go whatever comes of it.

        tqdm keeps it where an exception ends the drawing, Ctrl-C say, and later bars wait for
        ever. Where nothing more can be written, on a full disk or a closed stream, the bar ends and
        not what it is of.
        """
        if self.disable:
            return None
        lock = self._lock  # type: ignore[attr-defined]  # which its stubs leave out
        if not nolock and lock.acquire(*(lock_args or ())) is False:  # None where it was taken
            return False
        try:
            self.display()
        except Exception:  # of a window that is gone, say
            self.disable = True
        finally:
            if not nolock:
                lock.release()
        return True

    @property
    def format_dict(self) -> Any:
        """What tqdm formats, with the layout that was chosen."""
        found: dict[str, Any] = {**super().format_dict}
        for metrics, layout in self._layouts():
            more = f", {metrics}" if metrics else ""
            found |= {"bar_format": layout, "metrics": metrics, "more": more}
            # without a number of columns the bar itself has ten
            whole: str = self.format_meter(**(found | {"ncols": None}))
            if not self.ncols or len(whole) <= self.ncols:
                return found
        # narrower than any layout: of one with a bar tqdm shows the beginning
        return found | {"bar_format": f"{found['bar_format']}{{bar}}"}

    def _layouts(self) -> list[tuple[str, str]]:
        """Return what metrics and layouts there are, longest first."""
        values = self.values
        whole = ", ".join(f"{name}={value:.4f}" for name, value in values.items())
        forms = [whole]
        if values:
            short = _written(values, _SHORT, ".3g", " ")
            forms += [_written(values, _SHORT, ".4f", ", "), short]
            forms += [_written(values, _SHORTEST, ".3g", " ")]
        layouts = _LAYOUTS if self.total else _WITHOUT_TOTAL
        return [(form, layout) for form in forms for layout in layouts] + [
            (form, "{metrics}") for form in forms[-2:] if values
        ]
