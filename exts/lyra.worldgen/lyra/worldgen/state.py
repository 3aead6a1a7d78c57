# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The border between decisions and drawing: what the panel shows (State) and what the user asks for (Intent).

The view model makes every State; the window draws it field by field and sends Intents back. A State says everything that
there is to show, ready to be shown: texts, numbers, which buttons are enabled. So the window decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "Action",
    "Banner",
    "Choice",
    "Fact",
    "Intent",
    "Number",
    "Option",
    "Picture",
    "Recent",
    "Section",
    "State",
    "Text",
]


@dataclass(frozen=True, slots=True)
class Intent:
    """What the user asks for: a name of the table in view_model, and its value.

    Values by name: text for strings, int for the index of a choice, float for numbers, bool for switches, None for buttons;
    ("name", value) for an option of photo or path; an index for a recent world; (u, v) in 0..1 from the top left corner for
    a click into the photo.
    """

    name: str
    value: object = None


@dataclass(frozen=True, slots=True)
class Text:
    """A line or field of text."""

    text: str = ""
    enabled: bool = True
    visible: bool = True


@dataclass(frozen=True, slots=True)
class Number:
    """A number field with its limits."""

    value: float = 0.0
    least: float = 0.0
    most: float = 1.0
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several: labels and the index of the chosen one. tooltip: of the chosen one; "" for the field's own."""

    labels: tuple[str, ...] = ()
    index: int = 0
    enabled: bool = True
    tooltip: str = ""


@dataclass(frozen=True, slots=True)
class Option:
    """A live parameter of the photo or of the chosen path preset. kind: "number", "choice" or "switch".

    value: number, index or bool; None for a number that is chosen automatically. start: where the slider stands when the
    user takes an automatic number over. note: what was chosen automatically.
    """

    name: str
    label: str
    help: str
    kind: str
    value: float | int | bool | None
    least: float = 0.0
    most: float = 1.0
    labels: tuple[str, ...] = ()
    automatic: bool = False
    start: float = 0.0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Action:
    """A button. tooltip says what it does, or why it cannot be used now. primary: the next step of the user's way."""

    label: str
    tooltip: str
    enabled: bool = True
    visible: bool = True
    primary: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """An RGBA8 picture, row by row from the top. An empty one (0 x 0) is not shown."""

    rgba: bytes = b""
    width: int = 0
    height: int = 0
    visible: bool = False


@dataclass(frozen=True, slots=True)
class Banner:
    """A message over the panel. tone: "none", "info", "good", "warning" or "error". action is a button in it."""

    tone: str = "none"
    title: str = ""
    text: str = ""
    next_step: str = ""
    action: Action = Action("", "", visible=False)
    intent: Intent = Intent("none")
    visible: bool = False


@dataclass(frozen=True, slots=True)
class Recent:
    """A world made before."""

    label: str
    detail: str
    path: str


@dataclass(frozen=True, slots=True)
class Fact:
    """A line of the result: what, and how much."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Section:
    """Whether a part of the panel is shown and unfolded."""

    visible: bool = True
    open: bool = True


@dataclass(frozen=True, slots=True)
class State:
    """All that the panel shows. Field names are also the identifiers of the widgets and the names of the intents."""

    banner: Banner = Banner()
    # photo
    photo_section: Section = Section()
    image_path: Text = Text()
    image_note: Text = Text()
    image_preview: Picture = Picture()
    image_hint: Text = Text("Drop a photo here, or press Browse")
    browse_image: Action = Action("Browse…", "Choose the photo that becomes a world")
    photo_options: tuple[Option, ...] = ()
    mark_length: Action = Action("Mark a known length", "Click the two ends of something whose length you know")
    mark_note: Text = Text(visible=False)
    # settings
    settings_section: Section = Section()
    model: Choice = Choice()
    model_note: Text = Text()
    preset: Choice = Choice()
    frames: Number = Number(81, 1, 2001)
    frames_note: Text = Text()
    seed: Number = Number(0, 0, 2**31 - 1)
    captions: Text = Text()
    captions_note: Text = Text()
    world_folder: Text = Text()
    browse_world: Action = Action("…", "Choose the folder that the world is written into")
    # camera path
    path_section: Section = Section()
    path_preset: Choice = Choice()
    path_summary: Text = Text()
    path_options: tuple[Option, ...] = ()
    path_note: Text = Text()
    clearance_note: Text = Text(visible=False)
    add_keyframe: Action = Action("Add view", "Add the view of the active viewport as a keyframe")
    remove_keyframe: Action = Action("Remove last", "Remove the last keyframe")
    clear_keyframes: Action = Action("Clear", "Remove all keyframes")
    read_path: Action = Action("Read edits", "Take over what was moved in the viewport")
    edit_path: Action = Action("Edit as keyframes", "Turn this path into keyframes that can be moved in the viewport")
    load_path: Action = Action("Load…", "Load a path: Lyra trajectory.npz, nerfstudio transforms.json, TUM .txt")
    save_path: Action = Action("Save…", "Save the path as .npz, .json or .txt (TUM)")
    # run
    generate: Action = Action("Generate", "Make the world from the photo")
    cancel: Action = Action("Cancel", "Stop; finished chunks are kept")
    resume: Action = Action("Resume", "Go on with the unfinished world")
    extend: Action = Action("Extend", "Go on from the last camera of the world along the chosen path")
    revert: Action = Action("Revert", "Take the last extension back")
    run_hint: Text = Text()
    progress_section: Section = Section(visible=False)
    stage_text: Text = Text()
    progress: float = 0.0
    eta: Text = Text()
    thumbnails: tuple[Picture, ...] = ()
    # result
    result_section: Section = Section(visible=False)
    result_facts: tuple[Fact, ...] = ()
    load_mode: Choice = Choice(("Reference into the stage", "Open as the stage"), 0)
    load: Action = Action("Load into stage", "Bring the world into the stage; one step of undo")
    appearance: Choice = Choice(("Splats", "Mesh", "Both"), 0)
    robot: Choice = Choice()
    spawn_pose: Choice = Choice()
    robot_note: Text = Text()
    spawn: Action = Action("Spawn", "Put the robot on a free place of the floor")
    play: Action = Action("Play", "Start physics")
    drive: Action = Action("Drive to picked point", "Select a prim or a point on the floor, then press this")
    # worlds and worker
    recent_section: Section = Section(visible=True, open=False)
    recent: tuple[Recent, ...] = ()
    worker_section: Section = Section(visible=True, open=False)
    interpreter: Text = Text()
    interpreter_note: Text = Text()
    browse_interpreter: Action = Action("…", "Choose the Python of the worker environment")
    check_interpreter: Action = Action("Check", "Start this Python and say what is missing")
    log_tail: Text = Text(visible=False)
