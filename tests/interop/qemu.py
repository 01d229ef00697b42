#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""qemu.py BUILD KERNEL [PATTERN...] - a virtual machine and stacks of libioth on one shm:// network.

QEMU knows nothing of shm://; it joins by libvdeplug (-netdev vde). KERNEL is a directory with a Linux kernel, vmlinuz, and the
modules for virtio_net, which are loaded in the order of their names, in modules; scripts/kernel-image makes one:

    scripts/kernel-image build/kernel && tests/interop/qemu.py build build/kernel

The machine consists of that kernel and busybox. It is started once, pings each stack and fetches a file from it, whose hash
has to be right; then each stack is a test that looks for its part in what the machine said. That is emulated, which
takes some seconds: KVM cannot run the kernel wherever there is one (in a virtual machine it stopped at a cmpxchg16b, and QEMU waited).

Prints PASS, FAIL or SKIP for each test, then "qemu: N passed, N failed, N skipped". Status 1 when something failed, 77 when
QEMU, busybox or the kernel is missing.
"""
import argparse
import contextlib
import gzip
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile

from harness import Failed, Skip, Task, check, need, run_tests, test, vdeplugin_path
from world import PYTHON

PATIENCE = 900  # seconds for a machine that is emulated where much else happens
SIZE = 1_000_000
PINGS = 3
STACKS = {"lwip": "10.9.0.1", "vdestack": "10.9.0.2"}
INIT = """#!/bin/busybox sh
alias b=/bin/busybox
b mount -t proc none /proc
b mount -t devtmpfs none /dev
for module in /modules/*; do b insmod $module; done
b ip link set eth0 up
b ip addr add 10.9.0.9/24 dev eth0
"""
VISIT = """
echo at {address}
b ping -c {pings} -W {patience} {address}
b wget -q -O /file http://{address}:8080/file && b sha256sum /file
"""


def archive(entries):
    """A cpio archive (newc) of (name, mode, content, device)."""
    out = bytearray()
    for number, (name, mode, content, device) in enumerate([*entries, ("TRAILER!!!", 0, b"", (0, 0))], 1):
        text = name.encode() + b"\0"
        fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(text), 0)
        out += b"070701" + b"".join(b"%08X" % field for field in fields) + text
        out += b"\0" * (-len(out) % 4) + content
        out += b"\0" * (-len(out) % 4)
    return bytes(out)


def content_of(path):
    with open(path, "rb") as file:
        return file.read()


def initramfs(path, modules, addresses):
    """What the machine has instead of a disk: busybox, the drivers, and what it is to do."""
    visits = "".join(VISIT.format(address=address, pings=PINGS, patience=PATIENCE) for address in addresses)
    script = f"{INIT}{visits}b poweroff -f\n"
    entries = [(name, 0o040755, b"", (0, 0)) for name in ("bin", "dev", "modules", "proc")]
    entries += [("dev/console", 0o020600, b"", (5, 1)), ("init", 0o100755, script.encode(), (0, 0)),
                ("bin/busybox", 0o100755, content_of(shutil.which("busybox")), (0, 0))]
    entries += [(f"modules/{name}", 0o100644, content_of(f"{modules}/{name}"), (0, 0)) for name in sorted(os.listdir(modules))]
    with gzip.open(path, "wb", 1) as file:
        file.write(archive(entries))


class Network:
    """The stacks that could be started, each with a web server, and what a machine that visits them says."""

    def __init__(self, build, kernel, stay):
        self.build = os.path.abspath(build)
        self.stay = stay
        self.dir = tempfile.mkdtemp(prefix="ioth-qemu.")
        self.stay.callback(shutil.rmtree, self.dir, ignore_errors=True)
        os.mkdir(f"{self.dir}/www")
        data = os.urandom(SIZE)
        self.hash = hashlib.sha256(data).hexdigest()
        with open(f"{self.dir}/www/file", "wb") as file:
            file.write(data)
        self.broken = {}
        for stack, address in STACKS.items():
            try:
                self.serve(stack, address)
            except Failed as reason:
                self.broken[stack] = reason
        self.said = self.visit(kernel, [address for stack, address in STACKS.items() if stack not in self.broken])

    def serve(self, stack, address):
        """A web server on a stack of the network; on return it listens."""
        server = Task([f"{self.build}/tools/ioth/ioth", "run", "-s", stack, "-n", f"shm://{self.dir}/net", "-a", f"{address}/24", "--",
                       PYTHON, "-u", "-m", "http.server", "-d", f"{self.dir}/www", "8080"], stderr=subprocess.DEVNULL)
        self.stay.callback(server.kill)
        server.wait_for("Serving HTTP")

    def visit(self, kernel, addresses):
        """Let a machine visit these addresses; all that came to its console, and what QEMU had to say of it."""
        initramfs(f"{self.dir}/initrd", f"{kernel}/modules", addresses)
        command = ["qemu-system-x86_64", "-nodefaults", "-no-reboot", "-m", "256", "-accel", "tcg",
                   "-display", "none", "-serial", "stdio", "-kernel", f"{kernel}/vmlinuz", "-initrd", f"{self.dir}/initrd",
                   # where the host is busy the kernel would take the interrupts of its timer for broken
                   "-append", "console=ttyS0 quiet panic=-1 no_timer_check mitigations=off",
                   "-netdev", f"vde,id=n,sock=shm://{self.dir}/net", "-device", "virtio-net-pci,netdev=n,romfile="]
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  errors="replace", timeout=PATIENCE, check=False)
        except subprocess.TimeoutExpired as late:
            return (late.stdout or b"").decode(errors="replace") + f"\n(not done after {PATIENCE} s)"
        return done.stdout

    def about(self, stack):
        """What the machine said of its visit at a stack; the end of everything if it said nothing of that."""
        address = STACKS[stack]
        if stack in self.broken:
            raise Failed(f"there was no stack to visit: {self.broken[stack]}")
        found = re.search(f"^at {re.escape(address)}\r?\n(.*?)(?=^at |\\Z)", self.said, re.MULTILINE | re.DOTALL)
        check(found, f"the machine does not get there: {' | '.join(self.said.split(chr(10))[-10:])}")
        return " | ".join(line.strip() for line in found.group(1).splitlines() if line.strip())


def visited(network, stack):
    said = network.about(stack)
    check(f"{PINGS} packets received" in said, f"pings are missing: {said}")
    check(network.hash in said, f"the file is not the same: {said}")
    return re.search("round-trip.*? ms", said).group()


@test
def virtual_machine_and_lwip(network, _):
    return visited(network, "lwip")


@test
def virtual_machine_and_vdestack(network, _):
    if subprocess.run(["unshare", *(["-r"] if os.geteuid() else []), "-n", "true"], capture_output=True, check=False).returncode != 0:
        raise Skip("no network namespace can be made here")
    return visited(network, "vdestack")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build")
    parser.add_argument("kernel")
    parser.add_argument("pattern", nargs="*", help="run only the tests whose name contains one of these")
    args = parser.parse_args()
    os.environ["VDEPLUGIN_PATH"] = vdeplugin_path(os.path.abspath(args.build))
    os.environ["IOTH_PLUGIN_PATH"] = f"{os.path.abspath(args.build)}/plugins"
    try:
        need("qemu-system-x86_64", "busybox")
        if not os.path.exists(f"{args.kernel}/vmlinuz"):
            raise Skip(f"there is no kernel in {args.kernel}; scripts/kernel-image {args.kernel} gets one")
    except Skip as reason:
        print(f"SKIP virtual_machine: {reason}\nqemu: 0 passed, 0 failed, 1 skipped")
        return 77
    with contextlib.ExitStack() as stay:
        return run_tests("qemu", Network(args.build, args.kernel, stay), args.pattern)


if __name__ == "__main__":
    sys.exit(main())
