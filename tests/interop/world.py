# SPDX-License-Identifier: LGPL-2.1-or-later
"""world - a Linux namespace, a stack of libioth, and the VDE network between them."""
import contextlib
import os
import shutil
import sys
import tempfile

from harness import Failed, Skip, Task, run, wait_until

# The interpreter that runs this file may lie where another user cannot reach it.
PYTHON = "/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else sys.executable

HERE = os.path.dirname(os.path.abspath(__file__))
LINUX4, STACK4 = "10.77.0.1", "10.77.0.2"
LINUX6, STACK6 = "fd77::1", "fd77::2"


class World:
    """The two sides and the network between them."""

    def __init__(self, build, stack):
        self.build = os.path.abspath(build)
        self.stack = stack
        self.stay = contextlib.ExitStack()
        self.dir = tempfile.mkdtemp(prefix="ioth-interop.")
        self.stay.callback(shutil.rmtree, self.dir, ignore_errors=True)
        self.vnl = f"vde://{self.dir}/switch"  # for all but the one that is the switch
        os.environ["IOTH_PLUGIN_PATH"] = f"{self.build}/plugins"
        os.environ["PATH"] += ":/usr/sbin:/sbin"
        self.enter = self.make_namespace()
        self.kind = self.make_link()
        for command in (
            "ip link set lo up",
            f"ip address add {LINUX4}/24 dev lin0",
            f"ip address add {LINUX6}/64 dev lin0 nodad",
        ):
            self.linux(*command.split())

    def background(self, command, test_stay=None, **kwargs):
        task = Task(command, **kwargs)
        (test_stay or self.stay).callback(task.kill)
        return task

    def make_namespace(self):
        """A process that only holds the namespace; the words that run a command in it."""
        new, enter = ["unshare", "-n"], ["nsenter", "-n"]
        if os.geteuid() != 0:
            new, enter = ["unshare", "-r", "-n"], ["nsenter", "-U", "--preserve-credentials", "-n"]
        holder = self.background([*new, "sh", "-c", "echo ready; exec cat"])
        try:
            holder.wait_for("ready")
        except Failed:
            self.stay.close()
            raise Skip("no network namespace can be made here") from None
        return [*enter, "-t", str(holder.process.pid), "--"]

    def make_link(self):
        """The interface lin0 of the Linux side."""
        if shutil.which("vde_plug") and os.access("/dev/net/tun", os.R_OK | os.W_OK):
            try:
                self.linux("ip", "tuntap", "add", "lin0", "mode", "tap")
                self.linux("ip", "link", "set", "lin0", "up")
                self.background([*self.enter, "vde_plug", "tap://lin0", f"switch://{self.dir}/switch"])
                wait_until(lambda: os.path.exists(f"{self.dir}/switch/ctl"), "vde_plug does not start")
                return "TAP"
            except Failed as reason:
                print(f"no TAP ({reason}); a veth pair instead")
        self.linux(*"ip link add lin0 type veth peer name plug".split())
        self.linux("ip", "link", "set", "lin0", "up")
        self.linux("ip", "link", "set", "plug", "up")
        bridge = [PYTHON, f"{HERE}/bridge.py", "lin0", "plug", f"switch://{self.dir}/switch"]
        self.background([*self.enter, *bridge]).wait_for("ready")
        return "veth pair"

    def linux(self, *command, **kwargs):
        """Run a command on the Linux side; its output."""
        return run([*self.enter, *command], **kwargs)

    def forget_stacks(self):
        """The next stack has the address of the one before and another MAC, which Linux must not remember."""
        self.linux("ip", "neighbour", "flush", "dev", "lin0")

    def on_stack(self, *command, address=f"{STACK4}/24"):
        """The words that run an unmodified program on a stack."""
        self.forget_stacks()
        return [f"{self.build}/tools/ioth/ioth", "run", "-s", self.stack, "-n", self.vnl, "-a", address, "--", *command]

    def peer(self, *task, address=f"{STACK4}/24", options="", vnl=None):
        """The words that run a task of the libioth side."""
        self.forget_stacks()
        return [f"{self.build}/tests/interop/peer", self.stack + options, vnl or self.vnl, address, *map(str, task)]


def words(line):
    """"bytes 5 sha256 abc" as a dictionary."""
    parts = line.split()
    return dict(zip(parts[::2], parts[1::2]))
