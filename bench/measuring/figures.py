"""How a figure is shown."""


def say(bench: str, figure: str, value: str) -> None:
    """One figure of a bench that measures several things, one line."""
    print(f"{bench:<11} {figure:<52} {value}", flush=True)


def show(figure: str, value: float, unit: str) -> None:
    """One figure with its unit, one line."""
    print(f"{figure:<78}{value:>12,.2f} {unit}".rstrip(), flush=True)
