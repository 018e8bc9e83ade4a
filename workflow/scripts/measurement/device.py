"""Which device a run is on, its label, and the lock that keeps it for one run at a time. Imports no torch: the lock is
taken before torch is."""

import fcntl
import hashlib
import os
import re
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

from .definition import NAME, ROOT, catalogue
from .errors import DiffbenchError, SetupError

HIDDEN = ("", "-1", "NoDevFiles")  # values of CUDA_VISIBLE_DEVICES that leave no GPU
LOCK_FOLDER = Path("/tmp")  # the same for every user and job of the machine, whatever their TMPDIR
MEMORY_RANGE = (0.83, 1.02)  # of what is sold: drivers and ECC keep some of it (T4: 14.6 of 16 GiB)


def cpu_name():
    """The processor's name as Linux or macOS gives it (Apple's chips, whose GPU has no other), or the machine's architecture."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    command = ["sysctl", "-n", "machdep.cpu.brand_string"]
    try:
        name = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        name = ""
    return name or os.uname().machine


def query_nvidia(*fields):
    """What nvidia-smi says of the first visible GPU, one text a field; None where there is no NVIDIA GPU.

    Visible is what CUDA_VISIBLE_DEVICES leaves: an empty value or -1 hides every GPU.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    command = ["nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader"]
    if visible is not None:
        first = visible.split(",")[0].strip()
        if first in HIDDEN:
            return None
        command += ["-i", first]
    try:
        output = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    lines = output.strip().splitlines()
    return [text.strip() for text in lines[0].split(",")] if lines else None


def has_memory(entry, memory_mib):
    """Whether a device with so much memory (None: unknown) is what the entry says."""
    least, most = (share * 1024 * entry.get("memory_gib", 0) for share in MEMORY_RANGE)
    return memory_mib is None or not most or least <= memory_mib <= most


def label_device(device_name, gpus, memory_mib=None):
    """The first name in config/gpus.yaml whose pattern and memory fit the device, or a name made from the device's own."""
    for name, entry in gpus.items():
        if "pattern" in entry and re.search(entry["pattern"], device_name) and has_memory(entry, memory_mib):
            return name
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", re.sub(r"^NVIDIA (GeForce )?", "", device_name)).strip("-.")
    return slug if NAME.match(slug) else "GPU"


def query_gpu():
    """(name, MiB or None) of the first visible NVIDIA GPU; None where there is none."""
    found = query_nvidia("name", "memory.total")
    if not found:
        return None
    memory = re.match(r"(\d+) MiB\Z", found[-1])
    return found[0], int(memory.group(1)) if memory else None


def hides_gpus():
    """Whether CUDA_VISIBLE_DEVICES leaves no GPU."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return visible is not None and visible.split(",")[0].strip() in HIDDEN


def resolve_auto(root=ROOT):
    """The name of this machine's device: of its first visible NVIDIA GPU, else CPU.

    Raises SetupError where there is a GPU that nvidia-smi does not tell of: it must not pass for a CPU.
    """
    if hides_gpus():
        return "CPU"
    found = query_gpu()
    if found is None and (os.environ.get("CUDA_VISIBLE_DEVICES") or Path("/dev/nvidiactl").exists()):
        raise SetupError(
            "gpu auto: there is an NVIDIA GPU, but nvidia-smi does not name it; name it in `gpus`, or hide it with "
            "CUDA_VISIBLE_DEVICES= to measure the CPU"
        )
    return label_device(found[0], catalogue("gpus", root), found[1]) if found else "CPU"


def describe_gpu(name, root=ROOT):
    """The catalogue's entry for a name; a name without entry stands for a GPU that is labelled by its own name."""
    gpus = catalogue("gpus", root)
    if name in gpus:
        return gpus[name]
    found = query_gpu()
    if found and label_device(found[0], gpus, found[1]) == name:
        return {"label": found[0], "pattern": re.escape(found[0])}
    raise DiffbenchError(f"unknown gpu {name!r}; config/gpus.yaml has: {', '.join(gpus)}, and auto is this machine's")


def check_device(name, entry, device_name, memory_mib=None):
    """Refuse a device that is not the one named. Raises SetupError with what was found."""
    pattern = entry.get("pattern")
    if pattern and not re.search(pattern, device_name):
        raise SetupError(f"the run is for gpu {name}, but this device is {device_name!r}; run it where a {name} is")
    if not has_memory(entry, memory_mib):
        found = f"{memory_mib / 1024:.1f} GiB, expected {entry['memory_gib']:g} GB as config/gpus.yaml says"
        raise SetupError(f"the run is for gpu {name}, but this {device_name!r} has {found}; run it where a {name} is")


def device_identity(device_type):
    """What tells this device from another of the machine: a GPU's UUID, or what CUDA_VISIBLE_DEVICES says; `cpu`."""
    if device_type == "cpu":
        return "cpu"
    found = query_nvidia("uuid")
    return found[0] if found else os.environ.get("CUDA_VISIBLE_DEVICES", device_type).split(",")[0]


def device_id(device_type):
    """Eight hexadecimal digits that tell one device from another, also on another machine, and name none."""
    identity = device_identity(device_type)
    if not identity.startswith(("GPU-", "MIG-")):  # a UUID is one of its own wherever it is seen
        identity = f"{os.uname().nodename} {identity}"
    return hashlib.sha256(identity.encode()).hexdigest()[:8]


def lock_path(device_type):
    """The lock file of the device, the same for every user of the machine."""
    safe = re.sub(r"[^A-Za-z0-9-]", "-", device_identity(device_type))
    folder = LOCK_FOLDER if LOCK_FOLDER.is_dir() else Path(tempfile.gettempdir())
    return folder / f"diffbench-{safe}.lock"


def open_lock(path):
    """A descriptor of the lock file. Another user's file is opened as it is: a sticky folder refuses to create it anew."""
    try:
        return os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:
        pass
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
    except FileExistsError:  # another run was faster
        return os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    os.fchmod(descriptor, 0o666)
    return descriptor


@contextmanager
def locked(device_type):
    """Hold the device's lock; yields its descriptor, for the child to inherit."""
    path = lock_path(device_type)
    try:
        descriptor = open_lock(path)
    except OSError as error:
        raise SetupError(f"{path}: the lock cannot be opened: {error.strerror}; ask its owner to remove it") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"waiting for the device: another run holds {path}", file=sys.stderr, flush=True)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)
