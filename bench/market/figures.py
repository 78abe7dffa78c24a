"""How a figure is shown."""


def say(bench: str, figure: str, value: str) -> None:
    """One figure, one line."""
    print(f"{bench:<11} {figure:<52} {value}", flush=True)
