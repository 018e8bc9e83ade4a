"""A throw-away Slurm on one machine: three nodes with a GPU type each, all on loopback, gone when the tests are over.

Needs root and Debian's slurmctld, slurmd, slurm-client and munge. Slurm 22.05 was seen to work.
"""

import os
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from pathlib import Path

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "munged")
ETC = Path("/etc/slurm")
NODES = {"node-a": ("a100", 2), "node-t": ("t4", 1), "node-v": ("v100", 1)}  # node: (GPU type, how many)
FEATURES = {"node-a": "a100_sxm_40gb", "node-t": "t4", "node-v": "v100_sxm_16gb"}
TIMEOUT_S = 60
CONFIG = """\
ClusterName=diffbench-tests
SlurmctldHost={host}(127.0.0.1)
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmctldPort={ctld_port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
# nodes are larger than this machine
SlurmdParameters=config_overrides
# no cgroups: they need more of a machine than a container may have
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=bf_interval=1,sched_interval=1
GresTypes=gpu
ReturnToService=2
SlurmdTimeout=10
KillWait=2
# no job is forgotten while the tests run: there is no accounting, and Snakemake and the tests ask later
MinJobAge=14400
AccountingStorageType=accounting_storage/none
MailProg=/bin/true
{nodes}
PartitionName=gpu Nodes=ALL Default=YES MaxTime=60 DefMemPerCPU=500
"""


def reason_not_to():
    """Why a Slurm of one's own cannot be started here, in one line; None where it can."""
    if os.geteuid() != 0:
        return "a Slurm of one's own needs root"
    missing = [program for program in PROGRAMS if not shutil.which(program)]
    if missing:
        return f"{', '.join(missing)} missing: apt install slurmctld slurmd slurm-client munge"
    for name in ("slurm.conf", "gres.conf"):
        found = ETC / name
        if found.exists() and not found.is_symlink():
            return f"{found} exists: this machine has a Slurm that is not the tests'"
    try:
        with tempfile.TemporaryDirectory() as folder:
            os.mknod(Path(folder) / "device", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    except OSError as error:
        return f"device files cannot be made: {error.strerror}"
    return None


def free_ports(count):
    """Ports that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def run(*command):
    return subprocess.run([*map(str, command)], capture_output=True, text=True, check=True).stdout


def wait_for(condition, what, timeout_s=TIMEOUT_S):
    """Wait until `condition()` is true. Raises TimeoutError that says what did not come."""
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        try:
            if condition():
                return
        except subprocess.CalledProcessError:
            pass
        time.sleep(0.2)
    raise TimeoutError(f"waited {timeout_s} s for {what}")


class Cluster:
    """A running Slurm; `folder` holds all that it writes. Munge wants one that everybody may enter."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="diffbench-slurm-"))

    def start(self):
        for name in ("state", "munge", "devices", *(f"spool.{node}" for node in NODES)):
            (self.folder / name).mkdir(parents=True)
        self.folder.chmod(0o755)
        self.write_config()
        self.start_munge()
        self.start_controller()
        for node in NODES:
            self.start_node(node)

    def write_config(self):
        """Write slurm.conf and gres.conf, and link them where Slurm looks by itself: the plugin removes SLURM_CONF."""
        host = socket.gethostname().split(".")[0]
        ctld_port, *ports = free_ports(1 + len(NODES))
        nodes, gres = [], ["AutoDetect=off"]
        for (node, (kind, count)), port in zip(NODES.items(), ports):
            for number in range(count):
                # a GPU must be a character device, or Slurm sets no CUDA_VISIBLE_DEVICES: this one is /dev/null's double
                os.mknod(self.folder / "devices" / f"{kind}_{number}", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
            files = f"{self.folder}/devices/{kind}_[0-{count - 1}]"
            gres.append(f"NodeName={node} Name=gpu Type={kind} File={files}")
            address = f"NodeHostname={host} NodeAddr=127.0.0.1 Port={port}"
            nodes.append(
                f"NodeName={node} {address} CPUs=8 RealMemory=64000 Gres=gpu:{kind}:{count} Feature={FEATURES[node]}"
            )
        text = CONFIG.format(host=host, ctld_port=ctld_port, folder=self.folder, nodes="\n".join(nodes))
        (self.folder / "slurm.conf").write_text(text)
        (self.folder / "gres.conf").write_text("\n".join(gres) + "\n")
        ETC.mkdir(exist_ok=True)
        for name in ("slurm.conf", "gres.conf"):
            (ETC / name).unlink(missing_ok=True)
            (ETC / name).symlink_to(self.folder / name)

    def start_munge(self):
        munge = self.folder / "munge"
        (munge / "key").write_bytes(os.urandom(1024))
        (munge / "key").chmod(0o400)
        files = {"socket": "socket", "key-file": "key", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
        run("munged", *(f"--{option}={munge / name}" for option, name in files.items()))

    def start_controller(self):
        run("slurmctld")
        wait_for(lambda: "is UP" in run("scontrol", "ping"), "slurmctld")

    def start_node(self, node):
        run("slurmd", "-N", node)
        wait_for(lambda: run("sinfo", "-h", "-n", node, "-o", "%T").split() == ["idle"], f"{node} to be idle")

    def kill(self, name):
        """Kill slurmctld or slurmd.<node> as a power cut would."""
        os.kill(int((self.folder / f"{name}.pid").read_text()), signal.SIGKILL)

    def kill_node(self, node):
        """Kill a node with all that runs on it."""
        self.kill(f"slurmd.{node}")
        for job in self.jobs("RUNNING"):
            if job["NodeList"] == node:
                kill_job_processes(job["JobId"])

    def scancel(self, jobs):
        run("scancel", *(job["JobId"] for job in jobs))

    def job_ids(self):
        return {job["JobId"] for job in self.jobs()}

    def jobs(self, state=None, after=()):
        """What `scontrol show job` says of every job, as dictionaries: only of those in `state`, without the ids `after`."""
        command = ["scontrol", "show", "job", "--details", "--oneliner"]
        blocks = subprocess.run(command, capture_output=True, text=True).stdout.splitlines()  # no job: exit code 1
        jobs = [dict(word.split("=", 1) for word in block.split() if "=" in word) for block in blocks]
        jobs = [job for job in jobs if "JobId" in job and job["JobId"] not in after]
        return [job for job in jobs if state in (None, job["JobState"])]

    def stop(self):
        for job in self.jobs("RUNNING"):
            kill_job_processes(job["JobId"])
        for path in [*self.folder.glob("slurmd.*.pid"), self.folder / "slurmctld.pid", self.folder / "munge/pid"]:
            try:
                os.kill(int(path.read_text()), signal.SIGTERM)
            except (OSError, ValueError):
                continue
        for name in ("slurm.conf", "gres.conf"):
            (ETC / name).unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)


def kill_job_processes(job_id):
    """Kill the stepd of a job and every process that has its id in the environment."""
    mark = f"SLURM_JOB_ID={job_id}\0".encode()
    for entry in Path("/proc").iterdir():
        try:
            if not entry.name.isdigit():
                continue
            stepd = (entry / "cmdline").read_bytes().startswith(f"slurmstepd: [{job_id}.".encode())
            if stepd or mark in (entry / "environ").read_bytes():
                os.kill(int(entry.name), signal.SIGKILL)
        except OSError:
            continue
