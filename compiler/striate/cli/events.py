"""`striate events`: what a file of events holds, and the same binned to the steps of a network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from striate.cli.arguments import Json

if TYPE_CHECKING:
    from striate.events import Recording, Sensor
    from striate.tensor import Array


def events(
    file: Annotated[Path, typer.Argument(help="Events: .npy, .npz, .aedat, .aedat4, .raw, .bin.", show_default=False)],
    sensor: Annotated[
        str | None,
        typer.Option(metavar="WxH", help="The camera's pixels, width x height. Events are checked against it."),
    ] = None,
    dt: Annotated[str | None, typer.Option(metavar="TIME", help="Bin to steps of this time: 500us, 1ms.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE.npz", help="Where the frames go.", show_default=False)
    ] = None,
    binary: Annotated[bool, typer.Option("--binary", help="Whether there was an event, instead of how many.")] = False,
    start: Annotated[
        str | None, typer.Option(metavar="TIME", help="Where step 0 begins; else at the first event.")
    ] = None,
    duration: Annotated[
        str | None, typer.Option(metavar="TIME", help="How long the frames are; else up to the last event.")
    ] = None,
    crop: Annotated[
        str | None, typer.Option(metavar="WxH+X+Y", help="Keep a window of the sensor: its size, left and top.")
    ] = None,
    sort: Annotated[bool, typer.Option("--sort", help="Put events in order of their time first.")] = False,
    format: Annotated[
        str | None, typer.Option(metavar="NAME", help="The format, for a file that does not say it in its header.")
    ] = None,
    name: Annotated[
        str, typer.Option(metavar="NAME", help="The array's name in the .npz: the network's input.")
    ] = "events",
    json: Json = False,
) -> None:
    """Show what is in a file of events, and bin it to frames [T, 2, H, W]: channel 0 = off, 1 = on.

    The .npz holds one sample, [1, T, 2, H, W], as i32 counts (u8 with --binary), and dt_us and start_us.
    """
    from striate.cli import console
    from striate.cli.arguments import writable
    from striate.events import bin_events, check_sensor, read_events
    from striate.events import sort as in_order
    from striate.events.binning import first_step_us
    from striate.events.options import parse_sensor, parse_time, parse_window
    from striate.events.select import crop as cut

    writable(output)
    _only_with_dt(dt, {"--output": output, "--start": start, "--duration": duration})
    pixels = parse_sensor(sensor) if sensor else None
    window = parse_window(crop) if crop else None
    dt_us, start_us, duration_us = (
        parse_time(option, text) if text else None
        for option, text in (("--dt", dt), ("--start", start), ("--duration", duration))
    )

    recording = read_events(file, format)
    pixels = pixels or recording.sensor
    if pixels:
        check_sensor(recording, pixels)
    if sort:
        recording = in_order(recording)
    if window:
        recording, pixels = cut(recording, window, pixels), None
    summary, binned = _summary(recording, pixels), None
    if dt_us is not None:
        frames = bin_events(recording, dt_us, sensor=pixels, start_us=start_us, duration_us=duration_us, binary=binary)
        first_us = first_step_us(recording, start_us)
        if output:
            _write(output, name, frames, dt_us, first_us)
        binned = _frames(frames, dt_us, first_us, output)
    if json:
        console.print_json({"format": 1, **summary, "remarks": list(recording.remarks), "frames": binned})
        return
    _print(summary, "")
    for remark in recording.remarks:
        print(f"note: {remark}")
    if binned:
        print("frames [T, 2, H, W], channel 0 = off, 1 = on")
        _print(binned, "  ")


def _only_with_dt(dt: str | None, others: dict[str, object]) -> None:
    given = [option for option, value in others.items() if value is not None]
    if dt is None and given:
        raise typer.BadParameter(f"{given[0]} needs --dt, the time of a step, such as --dt 1ms")


def _summary(recording: Recording, sensor: Sensor | None) -> dict[str, object]:
    """What is in the file; None for what an empty one has not."""
    import numpy as np

    count, on = len(recording), int(np.count_nonzero(recording.p))
    duration_us = recording.duration_us
    in_order = not bool((recording.t[1:] < recording.t[:-1]).any())
    shown = recording.sensor or sensor
    return {
        "file": str(recording.path),
        "kind": recording.format,
        "sensor": [shown.width, shown.height] if shown else None,
        "events": count,
        "off": count - on,
        "on": on,
        "first_us": int(recording.t[0]) if count else None,
        "last_us": int(recording.t[-1]) if count else None,
        "duration_us": duration_us,
        "events_per_second": count / duration_us * 1e6 if in_order and duration_us else None,
        "in_order": in_order,
        "x": [int(recording.x.min()), int(recording.x.max())] if count else None,
        "y": [int(recording.y.min()), int(recording.y.max())] if count else None,
    }


def _frames(frames: Array, dt_us: int, start_us: int, output: Path | None) -> dict[str, object]:
    import numpy as np

    return {
        "shape": list(frames.shape),
        "type": str(frames.dtype),
        "dt_us": dt_us,
        "start_us": start_us,
        "events": int(frames.sum(dtype=np.int64)),
        "largest": int(frames.max()),
        "active": float(np.count_nonzero(frames) / frames.size),
        "written": str(output) if output else None,
    }


def _write(output: Path, name: str, frames: Array, dt_us: int, start_us: int) -> None:
    import numpy as np

    arrays = {name: frames[np.newaxis], "dt_us": np.int64(dt_us), "start_us": np.int64(start_us)}
    temporary = output.with_name(output.name + ".part.npz")
    np.savez_compressed(temporary, allow_pickle=False, **arrays)
    temporary.replace(output)


def _print(figures: dict[str, object], indent: str) -> None:
    for name, value in figures.items():
        if value is not None:
            print(f"{indent + name.replace('_', ' '):<20} {_text(name, value)}")


def _text(name: str, value: object) -> str:
    if name in ("sensor", "shape", "x", "y"):
        return (" to " if name in ("x", "y") else "x").join(map(str, cast(list[int], value)))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3%}" if name == "active" else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
