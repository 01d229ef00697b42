#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""qemu.py BUILD KERNEL [MODULES] - a virtual machine on a shm:// network, and a stack of libioth on the same.

QEMU knows nothing of shm://; it joins by libvdeplug (-netdev vde). KERNEL is the image of a Linux kernel with virtio_net, MODULES
the directory where its modules are, if it has that as a module. Debian's need not be installed:

    apt-get download linux-image-cloud-amd64 ...; dpkg-deb -x linux-image-*.deb k
    tests/interop/qemu.py build k/boot/vmlinuz-* k/lib/modules/*

The machine consists of busybox. It pings the stack and fetches a file from it, whose hash has to be right. Without KVM that
takes a minute. Exit status 77: QEMU, busybox or the kernel is missing.
"""
import contextlib
import glob
import gzip
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile

import harness

SECONDS = 300
DRIVERS = ("virtio", "virtio_ring", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci", "failover", "net_failover", "virtio_net")
INIT = """#!/bin/busybox sh
alias b=/bin/busybox
b mount -t proc none /proc
b mount -t devtmpfs none /dev
for round in 1 2 3 4 5; do for m in /modules/*.ko; do b insmod $m 2>/dev/null; done; done
b ip link set eth0 up
b ip addr add 10.9.0.2/24 dev eth0
b ping -c 5 10.9.0.1
b wget -q -O /file http://10.9.0.1:8080/file && b sha256sum /file
b poweroff -f
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


def initramfs(path, busybox, modules):
    entries = [(name, 0o040755, b"", (0, 0)) for name in ("bin", "dev", "modules", "proc")]
    entries += [("dev/console", 0o020600, b"", (5, 1)), ("init", 0o100755, INIT.encode(), (0, 0)),
                ("bin/busybox", 0o100755, content_of(busybox), (0, 0))]
    for file in glob.glob(f"{modules}/kernel/**/*.ko", recursive=True) if modules else []:
        if os.path.basename(file)[:-3] in DRIVERS:
            entries.append((f"modules/{os.path.basename(file)}", 0o100644, content_of(file), (0, 0)))
    with gzip.open(path, "wb", 1) as file:
        file.write(archive(entries))


def virtual_machine(build, kernel, modules, stack):
    """What the machine says."""
    with tempfile.TemporaryDirectory() as place, contextlib.ExitStack() as stay:
        environment = dict(os.environ, VDEPLUGIN_PATH=harness.vdeplugin_path(build), IOTH_PLUGIN_PATH=f"{build}/plugins")
        data = os.urandom(300000)
        os.mkdir(f"{place}/www")
        with open(f"{place}/www/file", "wb") as file:
            file.write(data)
        initramfs(f"{place}/initrd", shutil.which("busybox"), modules)
        server = subprocess.Popen([f"{build}/tools/ioth/ioth", "run", "-s", stack, "-n", f"shm://{place}/net", "-a", "10.9.0.1/24", "--",
                                   sys.executable, "-m", "http.server", "-d", f"{place}/www", "8080"],
                                  env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        stay.callback(server.wait)
        stay.callback(server.terminate)
        said = subprocess.run(["qemu-system-x86_64", "-m", "256", "-nographic", "-no-reboot", "-kernel", kernel, "-initrd", f"{place}/initrd",
                               "-append", "console=ttyS0 quiet panic=-1", "-netdev", f"vde,id=n,sock=shm://{place}/net",
                               "-device", "virtio-net-pci,netdev=n,romfile="],
                              env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=SECONDS, check=False)
        harness.check("5 packets received" in said.stdout, f"pings are missing: {said.stdout[-500:]}{said.stderr[-500:]}")
        harness.check(hashlib.sha256(data).hexdigest() in said.stdout, f"the file is not the same: {said.stdout[-500:]}")
        return re.search("[0-9]+ packets received", said.stdout).group()


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    build, kernel, modules = os.path.abspath(sys.argv[1]), sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else None
    for program in ("qemu-system-x86_64", "busybox"):
        if shutil.which(program) is None:
            print(f"{program} is not installed")
            return 77
    for stack in ("lwip", "vdestack"):
        try:
            print(f"PASS a virtual machine and {stack}: {virtual_machine(build, kernel, modules, stack)}", flush=True)
        except (harness.Failed, OSError, subprocess.SubprocessError) as reason:
            print(f"FAIL a virtual machine and {stack}: {reason}", flush=True)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
