"""A stand-in for NVIDIA's driver: a shared library with the functions of NVML that diffbench calls, and GPUs from a text file."""

import shutil
import subprocess
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

SOURCE = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct gpu { int refused, slice; unsigned long long mib; char uuid[96], name[96]; };
static struct gpu gpus[16];
static int total, inits;

int nvmlInit_v2(void) {
    FILE *file = fopen(getenv("FAKE_NVML"), "r");
    char kind[16];
    int code, times;
    fscanf(file, "%15s %d %d", kind, &code, &times);
    total = 0;
    while (fscanf(file, "%15s %d %llu %95s %95[^\n]", kind, &gpus[total].refused, &gpus[total].mib, gpus[total].uuid,
                  gpus[total].name) == 5)
        gpus[total++].slice = !strcmp(kind, "slice");
    fclose(file);
    return inits++ < times ? code : 0;
}
int nvmlInitWithFlags(unsigned flags) { return nvmlInit_v2(); }
const char *nvmlErrorString(int code) { return code == 9 ? "Driver Not Loaded" : "Unknown Error"; }
int nvmlSystemGetDriverVersion(char *text, unsigned length) { return snprintf(text, length, "580.65.06") < 0; }
static struct gpu *whole(int index) {
    for (int n = 0; n < total; n++)
        if (!gpus[n].slice && !index--) return gpus + n;
    return 0;
}
int nvmlDeviceGetCount_v2(unsigned *count) { for (*count = 0; whole(*count);) ++*count; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, struct gpu **handle) {
    *handle = whole(index);
    return *handle ? (*handle)->refused : 2;
}
int nvmlDeviceGetHandleByUUID(const char *uuid, struct gpu **handle) {
    for (int n = 0; n < total; n++)
        if (!strcmp(gpus[n].uuid, uuid)) { *handle = gpus + n; return 0; }
    return 6;
}
static int copy(char *text, unsigned length, const char *from) { return snprintf(text, length, "%s", from) < 0; }
int nvmlDeviceGetUUID(struct gpu *gpu, char *text, unsigned length) { return copy(text, length, gpu->uuid); }
int nvmlDeviceGetName(struct gpu *gpu, char *text, unsigned length) { return copy(text, length, gpu->name); }
int nvmlDeviceGetMemoryInfo(struct gpu *gpu, unsigned long long *bytes) {
    bytes[0] = gpu->mib << 20;
    bytes[1] = bytes[2] = 0;
    return 0;
}
int nvmlDeviceGetCudaComputeCapability(struct gpu *gpu, int *major, int *minor) {
    int t4 = !!strstr(gpu->name, "T4");
    *major = t4 ? 7 : 8;
    *minor = t4 ? 5 : 0;
    return 0;
}
static struct gpu *slice_of(struct gpu *gpu, unsigned index) {
    for (struct gpu *next = gpu + 1; next < gpus + total && next->slice; next++)
        if (!index--) return next;
    return 0;
}
int nvmlDeviceGetMigMode(struct gpu *gpu, unsigned *current, unsigned *pending) {
    if (!strstr(gpu->name, "A100")) return 3;
    *current = *pending = !!slice_of(gpu, 0);
    return 0;
}
int nvmlDeviceGetMaxMigDeviceCount(struct gpu *gpu, unsigned *count) { *count = 7; return 0; }
int nvmlDeviceGetMigDeviceHandleByIndex(struct gpu *gpu, unsigned index, struct gpu **handle) {
    *handle = index ? slice_of(gpu, index - 1) : 0;  /* the first number has no slice */
    return *handle ? 0 : 6;
}
"""
A100 = (40960, "GPU-ab12cd34-0000", "NVIDIA A100-SXM4-40GB")
OTHER_A100 = (40960, "GPU-ab99ffff-0000", "NVIDIA A100-SXM4-40GB")
T4 = (15360, "GPU-77aa0000-0000", "Tesla T4")


@cache
def library():
    """The path of the library, compiled once per process."""
    folder = Path(mkdtemp(prefix="diffbench-nvml-"))
    (folder / "nvml.c").write_text(SOURCE, encoding="utf-8")
    command = ["cc", "-w", "-shared", "-fPIC", "-o", "libnvidia-ml.so.1", "nvml.c"]
    subprocess.run(command, cwd=folder, check=True)
    return folder / "libnvidia-ml.so.1"


class Driver:
    """A driver in a folder of its own, whose library finds the `gpus`: (MiB, UUID, name), and True for a slice of the one before
    it, or a code with which NVML refuses it. `fails`: a code with which it refuses to start, and how many times."""

    def __init__(self, folder, *gpus, fails=(0, 0)):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.library = self.folder / "libnvidia-ml.so.1"
        self.library.unlink(missing_ok=True)  # this process may have loaded it
        shutil.copy(library(), self.library)
        lines = [f"init {fails[0]} {fails[1]}"]
        for mib, uuid, name, *more in gpus:
            code = more[0] if more and more[0] is not True else 0
            lines.append(f"{'slice' if more == [True] else 'gpu'} {code} {mib} {uuid} {name}")
        (self.folder / "gpus").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def environment(self):
        """Variables with which a new process finds the library as it finds the real one."""
        return {"LD_LIBRARY_PATH": str(self.folder), "FAKE_NVML": str(self.folder / "gpus")}

    def install(self, monkeypatch, visible=None):
        """Have this process find the library; `visible` is CUDA_VISIBLE_DEVICES (None: it is not set)."""
        from diffbench.system import nvml

        monkeypatch.setattr(nvml, "NVML_PATHS", (str(self.library),))
        monkeypatch.setattr(nvml, "PAUSE_S", 0)
        monkeypatch.setenv("FAKE_NVML", str(self.folder / "gpus"))
        nvml.read_visible.cache_clear()
        if visible is None:
            monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        else:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
