"""A program in a jail: no network, no files but an empty folder of its own, few resources, nobody left behind.

A script, which `benchmark.cases.code.passes` starts with Python alone, in an empty folder with one file: in its first
line the word that is written to standard output when the program has run to its end, and behind it the program. Where
the system does not let it build the jail, it fails, with the reason on standard output, and does not run the program.

The jail is made of Linux namespaces, for which no privilege is needed: of users, so that it has none; of networks, in
which nothing is connected; of mounts, all of them read-only; of processes, which end when the first one does.
"""

import ctypes
import os
import resource
import signal
import sys
from pathlib import Path

PROGRAM = "program.py"
FILE_BYTES = 1024**2
FOLDER_BYTES = 16 * FILE_BYTES
_NEW_USER, _NEW_NET, _NEW_PID, _NEW_MOUNTS, _NEW_IPC = 0x10000000, 0x40000000, 0x20000000, 0x00020000, 0x08000000
_MOUNT_SETATTR, _HERE, _RECURSIVE = 442, -100, 0x8000
_READ_ONLY, _NO_SUID, _NO_DEVICES = 1, 2, 4
_NO_SUID_NO_DEVICES = 2 | 4
_PARENT_DEATH_SIGNAL = 1
_STARTS = ("os.fork", "os.forkpty", "os.posix_spawn", "os.exec", "os.system", "subprocess.Popen", "ctypes.")
"""What the interpreter reports, by how it begins, when a program starts another one or reaches around it."""


class _MountAttributes(ctypes.Structure):
    _fields_ = (
        ("set", ctypes.c_uint64),
        ("clear", ctypes.c_uint64),
        ("shared", ctypes.c_uint64),
        ("user", ctypes.c_uint64),
    )


def main() -> None:
    """Build the jail, run the program in it, and say whether it came to its end."""
    memory, seconds = map(int, sys.argv[1:])
    word, _, program = Path(PROGRAM).read_bytes().partition(b"\n")
    report, nowhere = os.dup(1), os.open(os.devnull, os.O_RDWR)
    try:
        _isolate()
        end_with_parent()  # not before: it is forgotten where privileges change
        first = os.fork()
    except (OSError, AttributeError) as error:
        os.write(report, str(error).encode())
        os._exit(1)
    if first:  # the program is the first process of its namespace, and this one waits for it outside
        os.waitpid(first, 0)
        os._exit(0)
    end_with_parent()
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    _limit(memory, seconds)
    exec(compile(program, "answer", "exec"), {"__name__": "answer"})  # noqa: S102 - what all of this is for
    os.write(report, word)
    os._exit(0)


def _isolate() -> None:
    """Leave all that a program might reach.

    Raises:
        OSError: the system does not allow it.
    """
    libc = ctypes.CDLL(None, use_errno=True)

    def call(what: str, code: int) -> None:
        if code != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"{what}: {os.strerror(number)}")

    user, group, folder = os.getuid(), os.getgid(), os.fsencode(Path.cwd())
    call("unshare", libc.unshare(_NEW_USER | _NEW_NET | _NEW_PID | _NEW_MOUNTS | _NEW_IPC))
    for file, text in (("uid_map", f"{user} {user} 1"), ("setgroups", "deny"), ("gid_map", f"{group} {group} 1")):
        Path("/proc/self", file).write_text(text)
    attributes = _MountAttributes(set=_READ_ONLY | _NO_SUID | _NO_DEVICES)
    size = ctypes.sizeof(attributes)
    call("mount_setattr", libc.syscall(_MOUNT_SETATTR, _HERE, b"/", _RECURSIVE, ctypes.byref(attributes), size))
    options = f"size={FOLDER_BYTES}".encode()
    call("mount", libc.mount(b"none", folder, b"tmpfs", _NO_SUID_NO_DEVICES, options))
    os.chdir(folder)


def end_with_parent() -> None:
    """Let the system kill this process when the one that started it dies."""
    ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)


def _limit(memory: int, seconds: int) -> None:
    """Bound what this process can take, and let it start no other: root has no limit of processes."""
    limits = {
        resource.RLIMIT_AS: memory,
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_FSIZE: FILE_BYTES,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NPROC: 1,
    }
    for kind, most in limits.items():
        resource.setrlimit(kind, (most, most))

    def refuse(event: str, _: object) -> None:
        if event.startswith(_STARTS):
            raise PermissionError(f"{event} is not allowed here")

    sys.addaudithook(refuse)


if __name__ == "__main__":
    main()
