#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""examples BUILD [PATTERN...] - every example does what the README says, and make demo too.

Prints PASS, FAIL or SKIP for each test, then "examples: N passed, N failed, N skipped". Status 1 when something failed.
"""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

from harness import TIMEOUT, Task, check, run, run_tests, test

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SERVER = ("10.0.0.1/24", "10.0.0.1")
SERVER6 = ("fd00::1/64", "fd00::1")


class World:
    """The built examples, and names for networks."""

    def __init__(self, build):
        self.build = os.path.abspath(build)
        self.dir = tempfile.mkdtemp(prefix="ioth-examples.")
        self.networks = 0
        os.environ["IOTH_PLUGIN_PATH"] = f"{self.build}/plugins"

    def network(self):
        """A switch that nobody has used before: how to make it, how to join it."""
        self.networks += 1
        return f"switch://{self.dir}/{self.networks}", f"vde://{self.dir}/{self.networks}"

    def program(self, name, *arguments):
        return [f"{self.build}/examples/{name}", *map(str, arguments)]

    def server(self, stay, name, *arguments):
        """A server in the background, once it listens; the port it says."""
        task = Task(self.program(name, *arguments))
        stay.callback(task.kill)
        return re.search(r"(\d+)$", task.wait_for("^listening").strip()).group(1)


def refuse(command, status, *texts):
    """The program fails with this status, and says these things."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    check(done.returncode == status, f"{' '.join(command)} ended with status {done.returncode}, not {status}")
    for text in texts:
        check(text in done.stderr, f"{' '.join(command)} says: {done.stderr}")


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@test
def demo(world, stay):
    output = run([f"{ROOT}/scripts/demo", world.build], cwd=ROOT)
    check("received  'Hello from a process with its own network'" in output, "the demo shows no answer")
    check("10.0.0.1/24" in output and "10.0.0.2/24" in output, "the demo shows no addresses")


@test
def hello(world, stay):
    make, join = world.network()
    world.server(stay, "echo_server", "vdestack", make, SERVER[0], 7)
    check(run(world.program("hello", join)) == "hello, virtual world\n", "another answer than in the README")


def echo(world, stay, network, server, client, text):
    make, join = network
    world.server(stay, "echo_server", "vdestack", make, server[0], 7)
    output = run(world.program("echo_client", "vdestack", join, client, server[1], 7, text))
    check(f"received  '{text}'" in output, output)


@test
def echo_ipv4(world, stay):
    echo(world, stay, world.network(), SERVER, "10.0.0.2/24", "four")


@test
def echo_ipv6(world, stay):
    echo(world, stay, world.network(), SERVER6, "fd00::2/64", "six")


@test
def echo_on_a_cable(world, stay):
    cable = f"ptp://{world.dir}/cable"
    echo(world, stay, (cable, cable), SERVER, "10.0.0.2/24", "x" * 100_000)


@test
def echo_on_the_host(world, stay):
    port = free_port()
    world.server(stay, "echo_server", "kernel", "-", "-", port)
    output = run(world.program("echo_client", "kernel", "-", "-", "127.0.0.1", port, "host"))
    check("received  'host'" in output, output)


@test
def ten_stacks(world, stay):
    output = run(world.program("ten_stacks"))
    check(output.count("heard 9 greetings") == 10, output)


@test
def poll_server(world, stay):
    """Five clients at once, each with more to say than fits a socket buffer."""
    make, join = world.network()
    world.server(stay, "poll_server", "vdestack", make, SERVER[0], 7)
    text = "y" * 120_000
    clients = [
        Task(world.program("echo_client", "vdestack", join, f"10.0.0.{10 + i}/24", SERVER[1], 7, text)) for i in range(5)
    ]
    for client in clients:
        stay.callback(client.kill)
    for client in clients:
        check(f"received  '{text}'" in client.finish(), "a client got another answer")


@test
def side_by_side(world, stay):
    make, join = world.network()
    world.server(stay, "echo_server", "vdestack", make, SERVER[0], 7)
    port = world.server(stay, "side_by_side", "vdestack", join, "10.0.0.3/24", 0, SERVER[1], 7)
    for text in (b"through the door", b"z" * 300_000):
        with socket.create_connection(("127.0.0.1", int(port)), timeout=TIMEOUT) as sock:
            sender = os.fork()
            if sender == 0:
                sock.sendall(text)
                sock.shutdown(socket.SHUT_WR)
                os._exit(0)
            back = b""
            while data := sock.recv(65536):
                back += data
            os.waitpid(sender, 0)
        check(back == text, f"{len(back)} of {len(text)} bytes came back")


@test
def ctrl_c_leaves_nothing(world, stay):
    """A server that is interrupted takes its helper along, and its cable can be used again."""
    for _ in range(3):
        task = Task(world.program("echo_server", "vdestack", f"ptp://{world.dir}/interrupted", SERVER[0], 7))
        stay.callback(task.kill)
        task.wait_for("^listening")
        task.process.send_signal(signal.SIGINT)
        # end of file means that no process holds our pipe any more
        task.process.communicate(timeout=TIMEOUT)
        check(task.process.returncode == -signal.SIGINT, f"status {task.process.returncode}")


@test
def errors_help(world, stay):
    network, _ = world.network()
    refuse(world.program("echo_server"), 2, "usage:")
    refuse(world.program("echo_server", "nosuch", network, SERVER[0], 7), 1, "nosuch", "IOTH_PLUGIN_PATH")
    refuse(world.program("echo_server", "vdestack", network, "10.0.0.1", 7), 1, "bad address '10.0.0.1'", "10.0.0.1/24")
    refuse(world.program("echo_server", "vdestack", network, SERVER[0], "http"), 1, "bad port 'http'")
    refuse(world.program("echo_server", "vdestack", f"vde://{world.dir}/none", SERVER[0], 7), 1, "switch:///PATH")
    os.mkdir(f"{world.dir}/stale")
    refuse(world.program("echo_server", "vdestack", f"switch://{world.dir}/stale", SERVER[0], 7), 1, "vde:///PATH")
    refuse(world.program("echo_client", "kernel", "-", "-", "127.0.0.1", free_port(), "x"), 1, "Is the server running")


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    world = World(sys.argv[1])
    try:
        return run_tests("examples", world, sys.argv[2:])
    finally:
        shutil.rmtree(world.dir, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
