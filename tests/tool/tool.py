#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""tool BUILD [PATTERN...] - the command ioth: what it says, and how programs start and end under it.

Prints PASS, FAIL or SKIP for each test, then "tool: N passed, N failed, N skipped". Status 1 when something failed. Runs as
root and as an ordinary user. Which programs work on which stacks is programs.py's question.
"""
import contextlib
import hashlib
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, f"{HERE}/../interop")

from harness import TIMEOUT, Skip, Task, check, run, run_tests, test, vdeplugin_path, wait_until  # noqa: E402


# The interpreter that runs this file may lie where another user cannot reach it.
PYTHON = "/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else sys.executable


class World:
    """The built command, and names for networks."""

    def __init__(self, build):
        self.build = os.path.abspath(build)
        self.ioth = f"{self.build}/tools/ioth/ioth"
        self.dir = tempfile.mkdtemp(prefix="ioth-tool.")
        self.networks = 0
        os.environ["IOTH_PLUGIN_PATH"] = f"{self.build}/plugins"
        os.environ.setdefault("VDEPLUGIN_PATH", vdeplugin_path(self.build))
        os.environ["PATH"] += ":/usr/sbin:/sbin"
        self.namespaces = subprocess.run([self.ioth, "run", "-s", "vdestack", "true"], capture_output=True, check=False).returncode == 0

    def network(self):
        """A switch that nobody has used before: how to make it, how to join it."""
        self.networks += 1
        return f"switch://{self.dir}/{self.networks}", f"vde://{self.dir}/{self.networks}"

    def inside(self, *words):
        """The words that run a command on a stack with a namespace."""
        if not self.namespaces:
            raise Skip("network namespaces are forbidden here")
        return [self.ioth, "run", "-s", "vdestack", *words]


def refuse(command, status, *texts):
    """The command fails with this status, and says these things."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False, stdin=subprocess.DEVNULL)
    check(done.returncode == status, f"{' '.join(command)} ended with status {done.returncode}, not {status}: {done.stderr}")
    for text in texts:
        check(text in done.stderr, f"{' '.join(command)} says: {done.stderr}")


@contextlib.contextmanager
def on_terminal(command):
    """A command that leads a session with a terminal of its own: its pid, and our end of the terminal."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp(command[0], command)
    try:
        yield pid, terminal
    finally:
        os.close(terminal)
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def read_until(terminal, text):
    """What the terminal shows, up to a text that has to come within half a minute."""
    shown = b""
    while text not in shown:
        some = b""
        with contextlib.suppress(OSError):
            if select.select([terminal], [], [], 30)[0]:
                some = os.read(terminal, 1000)
        check(some, f"the terminal shows {shown!r} and no {text!r}")
        shown += some
    return shown


# ------------------------------------------------------------------------------------------------ the command


@test
def help_everywhere(world, stay):
    overview = run([world.ioth, "--help"])
    commands = [line.split()[0] for line in overview.splitlines() if line.startswith("  ") and not line.startswith("  ioth")]
    check("run" in commands and "stacks" in commands, overview)
    for command in commands:
        text = run([world.ioth, command, "--help"])
        check(text.startswith(f"usage: ioth {command}") and "--help" in text, f"{command} --help: {text}")
        refuse([world.ioth, command, "--no-such-option"], 125 if command == "run" else 2, f"ioth {command}: ", "option", "--help")
    check(run([world.ioth, "--version"]).startswith("ioth "), "no version")
    refuse([world.ioth], 2, "usage: ioth")
    refuse([world.ioth, "nonsense"], 2, "there is no command 'nonsense'")


@test
def networks_in_memory_are_shown(world, stay):
    where = f"{world.dir}/memory"
    holder = Task([*world.inside("-n", f"shm://{where}", "-a", "10.0.0.1/24", "--"), "sh", "-c", "echo ready; exec cat"])
    stay.callback(holder.kill)
    holder.wait_for("ready")
    check(where in run([world.ioth, "net", "list"]), "net list")
    network = json.loads(run([world.ioth, "net", "show", "--json", f"shm://{where}"]))
    check(len(network["used"]) == 1 and network["used"][0]["alive"], f"{network}")
    holder.process.stdin.close()
    holder.process.wait()
    refuse([world.ioth, "net", "show", where], 1, "ioth net: ", where)


def frames_of(path):
    """The frames in a pcap file."""
    with open(path, "rb") as file:
        data = file.read()
    magic, major, minor, _, _, _, link = struct.unpack_from("=IHHIIII", data)
    check((magic, major, minor, link) == (0xA1B23C4D, 2, 4, 1), f"not a pcap file: {data[:24]!r}")
    frames, at = [], 24
    while at < len(data):
        _, _, kept, length = struct.unpack_from("=IIII", data, at)
        check(kept == length, "a frame was cut")
        frames.append(data[at + 16:at + 16 + kept])
        at += 16 + kept
    return frames


@test
def what_passes_in_memory_is_captured(world, stay):
    where = f"{world.dir}/captured"
    file = f"{world.dir}/captured.pcap"
    refuse([world.ioth, "net", "capture", where, file], 1, "ioth net: ", "there is no network")
    check(not os.path.exists(where), "capture has made a network")
    holder = Task([*world.inside("-n", f"shm://{where}", "-a", "10.0.0.1/24", "--"), "sh", "-c", "echo ready; exec cat"])
    stay.callback(holder.kill)
    holder.wait_for("ready")
    capture = Task([world.ioth, "net", "capture", f"shm://{where}", file])
    stay.callback(capture.kill)
    wait_until(lambda: "ioth net capture" in run([world.ioth, "net", "show", where]), "the capture does not begin")
    run([world.ioth, "ping", "-s", "vdestack", "-n", f"shm://{where}", "-a", "10.0.0.2/24", "-c", "2", "-i", "0.01", "10.0.0.1"])
    capture.process.send_signal(signal.SIGINT)
    capture.finish()
    echoes = [f[34] for f in frames_of(file) if f[12:14] == b"\x08\x00" and f[23] == 1 and f[34] in (0, 8)]
    # Two senders: on a busy machine a request may be sent before the answer to the one before it, and seen out of its turn.
    check(sorted(echoes) == [0, 0, 8, 8], f"requests (8) and answers (0) that were captured: {echoes}")
    holder.process.stdin.close()
    holder.process.wait()


@test
def stacks_are_listed(world, stay):
    stacks = {s["name"]: s for s in json.loads(run([world.ioth, "stacks", "--json"]))}
    check(stacks["kernel"]["usable"] and stacks["kernel"]["kind"] == "host", f"{stacks['kernel']}")
    check(stacks["kernel"]["licence"] == "LGPL-2.1-or-later", f"{stacks['kernel']}")
    if world.namespaces:
        check(stacks["vdestack"]["kind"] == "namespace", f"{stacks['vdestack']}")
    if "lwip" in stacks:
        check(stacks["lwip"]["kind"] == "process", f"{stacks['lwip']}")
    check(stacks["kernel"]["file"] in run([world.ioth, "stacks"]), "the list for people has no file")


@test
def stacks_that_cannot_be_used(world, stay):
    """Plugins of the tests that are broken in several ways, and one that is hidden by another."""
    hidden = f"{world.dir}/hidden"
    os.makedirs(hidden, exist_ok=True)
    shutil.copy(f"{world.build}/plugins/ioth_kernel-r.so", f"{hidden}/ioth_kernel.so")
    env = {**os.environ, "IOTH_PLUGIN_PATH": f"{world.build}/plugins:{world.build}/tests/plugins:{hidden}"}
    stacks = {s["file"].rsplit("/", 1)[1]: s for s in json.loads(run([world.ioth, "stacks", "--json"], env=env))}
    for file, reason in (
        ("ioth_garbage-r.so", "file too short"),
        ("ioth_noentry.so", "no function ioth_noentry_newstack"),
        ("ioth_gpl2only-r.so", None),
        ("ioth_kernel.so", "comes before it"),
    ):
        stack = stacks[file]
        if reason is None:
            check(stack["licence"] == "GPL-2.0-only", f"{stack}")
        else:
            check(not stack["usable"] and reason in stack["reason"], f"{stack}")


# ----------------------------------------------------------------------------------------------------- ioth run


@test
def run_has_its_own_network(world, stay):
    make, _ = world.network()
    output = run([*world.inside("-n", make, "-a", "10.0.0.5/24", "-a", "fd00::5/64", "-g", "10.0.0.1", "--mtu", "1400"), "ip", "address"])
    check("10.0.0.5/24" in output and "fd00::5/64" in output and "mtu 1400" in output, output)
    route = run([*world.inside("-n", "eth7=" + world.network()[0], "-a", "10.0.0.5/24", "-g", "10.0.0.1"), "ip", "route"])
    check("default via 10.0.0.1 dev eth7" in route, route)


@test
def run_keeps_the_user(world, stay):
    """The user, his files and all rights over the network; interfaces in /sys where it can be mounted."""
    output = run([*world.inside(), "sh", "-c", "id -u; cat; ip link set lo down && ip link set lo up"], input="text\n")
    check(output == f"{os.geteuid()}\ntext\n", output)


@test
def run_names(world, stay):
    hosts = f"{world.dir}/hosts"
    with open(hosts, "w", encoding="ascii") as file:
        file.write("10.1.2.3 somewhere.example\n")
    output = run([*world.inside("--dns", "10.0.0.9", "--dns", "fd00::9", "--search", "a.example b.example", "--hosts", hosts),
                  "sh", "-c", "cat /etc/resolv.conf; getent hosts somewhere.example"])
    for text in ("nameserver 10.0.0.9\nnameserver fd00::9\nsearch a.example b.example\n", "10.1.2.3"):
        check(text in output, output)
    check("nameserver" not in run([*world.inside(), "cat", "/etc/resolv.conf"]), "a name server that nobody has named")
    left = [name for name in os.listdir(tempfile.gettempdir()) if name.startswith("ioth-resolv.") and
            os.stat(f"{tempfile.gettempdir()}/{name}").st_uid == os.geteuid()]
    check(not left, f"{left} were left")


@test
def run_config(world, stay):
    config = f"{world.dir}/node.ini"
    with open(config, "w", encoding="ascii") as file:
        file.write(f"# a node\n[network]\nstack = vdestack\nnetwork = eth0={world.network()[0]}\n\naddress = 10.0.0.7/24\ndns=10.0.0.9\n")
    world.inside()
    output = run([world.ioth, "run", "--config", config, "-a", "10.0.0.8/24", "sh", "-c", "ip address; cat /etc/resolv.conf"])
    for text in ("10.0.0.7/24", "10.0.0.8/24", "eth0", "nameserver 10.0.0.9"):
        check(text in output, output)
    with open(config, "w", encoding="ascii") as file:
        file.write("stack = vdestack\nadress = 10.0.0.7/24\n")
    refuse([world.ioth, "run", "--config", config, "true"], 125, "adress", "line 2")


@test
def run_says_what_is_wrong(world, stay):
    ioth = [world.ioth, "run"]
    refuse([*ioth, "true"], 125, "on which stack?", "ioth stacks")
    refuse([*ioth, "-s", "vdestack"], 125, "which program?")
    refuse([*ioth, "-s", "vdestack", "-a", "10.0.0.1", "true"], 125, "10.0.0.5/24")
    refuse([*ioth, "-s", "nosuch", "true"], 125, "there is no stack nosuch", "ioth stacks")
    refuse([*ioth, "-s", "kernel", "-a", "10.0.0.1/24", "true"], 125, "network of this machine")
    refuse([*ioth, "-s", "vdestack", "--dns", "ns.example", "true"], 125, "not the address of a name server")
    refuse([*world.inside("-n", f"vde://{world.dir}/nowhere"), "true"], 125, "switch:///PATH")
    refuse([*world.inside(), "/no/such/program"], 127, "/no/such/program")
    refuse([*world.inside(), "/etc/passwd"], 126, "/etc/passwd cannot be executed")


@test
def run_refuses_go(world, stay):
    """Also when it is linked dynamically, and without its build id; started by us or by the program that we have started."""
    if shutil.which("go") is None or shutil.which("gcc") is None:
        raise Skip("go or gcc is not installed")
    with open(f"{world.dir}/hello.go", "w", encoding="ascii") as file:
        file.write('package main\nimport "C"\nimport "fmt"\nfunc main() { fmt.Println("hello") }\n')
    env = {**os.environ, "CGO_ENABLED": "1", "GOCACHE": f"{world.dir}/gocache", "GOPATH": f"{world.dir}/gopath", "GOFLAGS": "-mod=mod", "HOME": world.dir}
    for flags in ("", "-buildid="):
        run(["go", "build", "-ldflags", flags, "-o", f"{world.dir}/hello", f"{world.dir}/hello.go"], env=env)
        with open(f"{world.dir}/hello", "rb") as file:
            check(b"ld-linux" in file.read(), "it is no dynamically linked program")
        refuse([world.ioth, "run", "-s", "lwip", f"{world.dir}/hello"], 126, "hello is written in Go", "-s vdestack")
        refuse([world.ioth, "run", "-s", "lwip", "sh", "-c", f"{world.dir}/hello; exit 5"], 5, "hello is written in Go")
        if world.namespaces:
            check(run([*world.inside(), f"{world.dir}/hello"]) == "hello\n", "not on a stack with a namespace")


@test
def serve_says_what_is_wrong(world, stay):
    serve, socket_path = [world.ioth, "serve"], f"{world.dir}/wrong"
    refuse([*serve, "-l", socket_path], 2, "on which stack?", "ioth stacks")
    refuse([*serve, "-s", "lwip"], 2, "where?", "-l PATH")
    refuse([*serve, "-s"], 2, "-s needs a value")
    refuse([*serve, "-s", "lwip", "-a", "10.0.0.1", "-l", socket_path], 2, "10.0.0.5/24")
    refuse([*serve, "-s", "lwip", "-l", socket_path, "--mode", "rw"], 2, "write 0660")
    refuse([*serve, "-s", "nosuch", "-l", socket_path], 1, "there is no stack nosuch")
    refuse([*serve, "-s", "lwip", "-n", f"vde://{world.dir}/nowhere", "-l", socket_path], 1, "Nobody offers that network")
    refuse([*serve, "-s", "lwip", "-l", "/etc/passwd"], 1, "cannot listen on /etc/passwd", "choose another path")


@test
def run_status(world, stay):
    for stack in ([world.ioth, "run", "-s", "kernel"], world.inside()):
        refuse([*stack, "sh", "-c", "exit 7"], 7)
        refuse([*stack, "sh", "-c", "kill -USR1 $$"], -signal.SIGUSR1)


@test
def run_passes_signals_on(world, stay):
    script = "trap 'echo caught; exit 3' TERM; echo ready; while :; do read line || exit 4; done"
    task = Task([*world.inside(), "sh", "-c", script])
    stay.callback(task.kill)
    task.wait_for("ready")
    task.process.terminate()
    task.process.stdin.write("wake\n")
    task.process.stdin.flush()
    task.wait_for("caught")
    check(task.process.wait(TIMEOUT) == 3, f"status {task.process.returncode}")


@test
def run_ends_with_what_the_program_left(world, stay):
    """A daemon keeps its network, and ioth, till it ends; the status is the program's."""
    make, _ = world.network()
    script = "(read line; ip -4 -brief address show vde0) <&3 & exit 5"
    task = Task(["sh", "-c", 'exec 3<&0; exec "$@"', "sh", *world.inside("-n", make, "-a", "10.0.0.6/24"), "bash", "-c", script])
    stay.callback(task.kill)
    task.process.stdin.write("go\n")
    task.process.stdin.flush()
    check("10.0.0.6/24" in task.process.stdout.read(), "the network of the daemon is gone")
    check(task.process.wait(TIMEOUT) == 5, f"status {task.process.returncode}")


@test
def run_dies_with_its_program(world, stay):
    task = Task([*world.inside(), "sh", "-c", "echo $$; read line"])
    stay.callback(task.kill)
    program = int(task.wait_for(r"\d+"))
    task.process.kill()
    wait_until(lambda: not alive(program), "the program lives without its network")


@test
def run_leaves_its_networks(world, stay):
    """No socket file of a network is left, however the program has ended, or when it could not be started."""
    directory = f"{world.dir}/left"
    os.mkdir(directory)
    for stack in stacks(world):
        for module in ("switch", "ptp", "shm"):
            words = [world.ioth, "run", "-s", stack, "-n", f"{module}://{directory}/net", "-a", "10.0.0.1/24", "--"]
            for program, status in ((["true"], 0), (["sh", "-c", "exit 3"], 3), (["/no/such/program"], 127)):
                run([*words, *program], status)
                check(os.listdir(directory) == [], f"{stack}: {module} leaves {os.listdir(directory)} after {program}")


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(") ", 1)[1][0] != "Z"
    except FileNotFoundError:
        return False


@test
def run_nat(world, stay):
    """By way of slirp to a web server on the loopback of this machine, which is its 10.0.2.2."""
    with open(f"{world.dir}/page", "w", encoding="ascii") as file:
        file.write("from the host")
    server = Task([PYTHON, "-u", "-m", "http.server", "-b", "127.0.0.1", "-d", world.dir, "0"], stderr=subprocess.DEVNULL)
    stay.callback(server.kill)
    port = re.search(r"port (\d+)", server.wait_for("port")).group(1)
    fetch = f"import urllib.request; print(urllib.request.urlopen('http://10.0.2.2:{port}/page').read().decode(), end='')"
    for stack in stacks(world):
        command = [world.ioth, "run", "-s", stack, "--nat", "--", PYTHON, "-c", fetch]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT)
        if done.returncode == 125 and "libvdeplug-slirp" in done.stderr:
            raise Skip("libvdeplug-slirp is not installed")
        check(done.stdout == "from the host", f"{stack}: {done.stderr}")


# In the stack: what comes up to the end of a stream is answered with its hash; "abort" with a reset, "quit" ends it.
HASHES = """
import hashlib, os, socket, struct, sys, threading
def one(c):
    text = bytearray()
    while some := c.recv(65536):
        text += some
    if text == b'abort':
        c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    elif text == b'quit':
        c.sendall(bytes(5_000_000))
        os._exit(6)
    else:
        c.sendall(hashlib.sha256(text).digest())
    c.close()
s = socket.create_server(('::', 80), family=socket.AF_INET6, dualstack_ipv6=True, backlog=300)
print('ready', flush=True)
while True:
    threading.Thread(target=one, args=(s.accept()[0],), daemon=True).start()
"""


def also_host(world, stay, words, script=HASHES):
    """A program on a stack, and the port of this machine that leads to its port 80."""
    task = Task(["sh", "-c", 'exec "$@" 2>&1', "sh", *words, "--", PYTHON, "-c", script])
    stay.callback(task.kill)
    port = int(re.search(r"port (\d+) of this machine leads to port 80", task.wait_for("leads to")).group(1))
    task.wait_for("ready")
    return task, port


def say(address, port, text):
    """What the other side answers to a text and the end of it."""
    with socket.create_connection((address, port), TIMEOUT) as s:
        s.sendall(text)
        s.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: s.recv(65536), b""))


@test
def run_also_host(world, stay):
    """Both families, many at a time, more than the buffers take, ends and resets both ways; what was sent arrives before the end."""
    for stack in stacks(world):
        make, _ = world.network()
        served = f"{world.dir}/{stack}.served"
        server = Task([world.ioth, "serve", "-s", stack, "-n", make, "-a", "10.0.0.1/24", "-a", "fd00::1/64", "-l", served])
        stay.callback(server.kill)
        wait_until(lambda served=served: os.path.exists(served), "ioth serve makes no socket")
        for words in (["-s", stack, "-n", world.network()[0], "-a", "10.0.0.1/24", "-a", "fd00::1/64"],
                      ["-s", stack], ["-s", f"remote,socket={served}"]):
            task, port = also_host(world, stay, [world.ioth, "run", *words, "--also-host", "0:80"])
            large, small = os.urandom(10_000_000), os.urandom(5000)
            for address in ("127.0.0.1", "::1"):
                check(say(address, port, large) == hashlib.sha256(large).digest(), f"{words} {address}: another hash")
            for chunks in range(40):  # an end at every place in a turn of the forwarding thread
                text = bytes(65536 * (chunks % 10))
                check(say("127.0.0.1", port, text) == hashlib.sha256(text).digest(), f"{words}: {chunks % 10} chunks")
            opened = [socket.create_connection(("127.0.0.1", port), TIMEOUT) for _ in range(200)]
            for s in opened:
                s.sendall(small)
                s.shutdown(socket.SHUT_WR)
            for s in opened:
                check(s.recv(32, socket.MSG_WAITALL) == hashlib.sha256(small).digest() and s.recv(1) == b"", f"{words}: one of many")
                s.close()
            with contextlib.suppress(ConnectionResetError):
                say("127.0.0.1", port, b"abort")
                check(False, f"{words}: a reset is taken for an end")
            check(len(say("127.0.0.1", port, b"quit")) == 5_000_000, f"{words}: what was sent before the end is lost")
            check(task.process.wait(TIMEOUT) == 6, f"{words}: status {task.process.returncode}")


@test
def run_also_host_slow_reader(world, stay):
    """Who does not read stops the writer in the stack, and gets all of it later."""
    script = """
import select, socket
s = socket.create_server(('0.0.0.0', 80))
print('ready', flush=True)
c = s.accept()[0]
c.setblocking(False)
sent = 0
while True:
    if not select.select([], [c], [], 0.5)[1]:
        break
    try:
        sent += c.send(bytes(65536))
    except BlockingIOError:
        pass
    if sent > 200_000_000:
        break
print('stopped', sent, flush=True)
c.close()
"""
    for stack in stacks(world):
        task, port = also_host(world, stay, [world.ioth, "run", "-s", stack, "--also-host", "127.0.0.1:0:80"], script)
        with socket.create_connection(("127.0.0.1", port), TIMEOUT) as s:
            sent = int(task.wait_for("stopped").split()[1])
            check(0 < sent < 200_000_000, f"{stack}: {sent} bytes and nobody reads")
            got = sum(map(len, iter(lambda: s.recv(1 << 20), b"")))
            check(got == sent, f"{stack}: {got} of {sent} bytes")
        check(task.process.wait(TIMEOUT) == 0, "another status")


@test
def run_also_host_late_reader(world, stay):
    """What a program has sent arrives, though nobody reads until long after it, and the command, have ended."""
    script = """
import socket
s = socket.create_server(('0.0.0.0', 80))
print('ready', flush=True)
c = s.accept()[0]
c.sendall(bytes(500_000))
"""
    for stack in stacks(world):
        task, port = also_host(world, stay, [world.ioth, "run", "-s", stack, "--also-host", "127.0.0.1:0:80"], script)
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # the rest is with the sender
            s.settimeout(TIMEOUT)
            s.connect(("127.0.0.1", port))
            check(task.process.wait(TIMEOUT) == 0, "another status")
            got = sum(map(len, iter(lambda: s.recv(1 << 20), b"")))
            check(got == 500_000, f"{stack}: {got} of 500000 bytes")


@test
def run_also_host_says_what_is_wrong(world, stay):
    taken = stay.enter_context(socket.create_server(("127.0.0.1", 0)))
    port = taken.getsockname()[1]
    for stack in stacks(world):
        ioth = [world.ioth, "run", "-s", stack]
        refuse([*ioth, "--also-host", f"{port}:80", "true"], 125, f"127.0.0.1:{port}: Address already in use", "choose another port")
        refuse([*ioth, "--also-host", "192.0.2.1:8080:80", "true"], 125, "192.0.2.1:8080", "no interface of this machine")
        nobody = also_host(world, stay, [*ioth, "--also-host", "0:80"], "print('ready', flush=True); input()")
        with contextlib.suppress(ConnectionResetError):
            say("127.0.0.1", nobody[1], b"")
            check(False, f"{stack}: nobody listens, and there was no reset")
    for wrong in ("80", "8080:", "8080:0", ":8080:80", "x:8080:80", "::1:8080:80", "[::1]8080:80", "8080:65536", "[*]:1:2"):
        refuse([world.ioth, "run", "-s", "vdestack", "--also-host", wrong, "true"], 125, wrong, "write 8080:80")
    refuse([world.ioth, "run", "-s", "kernel", "--also-host", "8080:80", "true"], 125, "network of this machine")
    try:
        socket.create_server(("127.0.0.1", 7)).close()
    except PermissionError:
        refuse([world.ioth, "run", "-s", "lwip", "--also-host", "7:80", "true"], 125, "127.0.0.1:7", "Permission denied", "below 1024")


@test
def run_also_host_by_config(world, stay):
    config = f"{world.dir}/also-host.ini"
    with open(config, "w", encoding="ascii") as file:
        file.write("also-host = [::1]:0:80\n")
    for stack in stacks(world):
        task, port = also_host(world, stay, [world.ioth, "run", "-s", stack, "--config", config])
        check(say("::1", port, b"text") == hashlib.sha256(b"text").digest(), f"{stack}: another hash")
        task.kill()


@test
def run_delivers_what_was_sent(world, stay):
    """A program that writes and ends, without waiting for anybody."""
    said = "".join(f"{i} said\n" for i in range(300000))
    with open(f"{world.dir}/said", "w", encoding="ascii") as file:
        file.write(said)
    for stack in stacks(world):
        make, join = world.network()
        server = listener(world, stay, stack, make, "-a", "10.0.0.1/24", "7")
        server.process.stdin.close()
        client = subprocess.Popen(on_stack(world, "run", stack, join, "-a", "10.0.0.2/24", "--", "bash", "-c",
                                           f"cat {world.dir}/said >/dev/tcp/10.0.0.1/7"))
        heard = server.process.stderr.read()
        check(client.wait(TIMEOUT) == 0, f"{stack}: status {client.returncode}")
        check(heard == said, f"{stack}: {len(heard)} of {len(said)} bytes arrived")


@test
def run_on_a_terminal(world, stay):
    """^C is the program's, ^Z stops the job, and a shell in it has job control."""
    with on_terminal([*world.inside(), "sh", "-c", "trap 'echo interrupted; exit 9' INT; echo ready; read line"]) as (pid, terminal):
        read_until(terminal, b"ready")
        os.write(terminal, b"\x03")
        read_until(terminal, b"interrupted")
        _, status = os.waitpid(pid, 0)
        check(os.waitstatus_to_exitcode(status) == 9, f"status {status}")
    with on_terminal(["bash", "--norc", "-i"]) as (pid, terminal):
        os.write(terminal, " ".join([*world.inside(), "sh", "-c", "'echo rea''dy; read line; echo $line'", "\n"]).encode())
        read_until(terminal, b"ready\r\n")
        os.write(terminal, b"\x1a")
        read_until(terminal, b"Stopped")
        os.write(terminal, b"fg\n")
        read_until(terminal, b"fg\r\n")
        os.write(terminal, b"wo'r'ds\n")
        read_until(terminal, b"\r\nwo'r'ds\r\n")


# -------------------------------------------------------------------------------------------------- other commands


def stacks(world):
    return [s for s in ("vdestack", "lwip") if s != "vdestack" or world.namespaces]


def on_stack(world, command, stack, network, *words):
    return [world.ioth, command, "-s", stack, "-n", network, *words]


def listener(world, stay, stack, network, *words):
    """A listener in the background, once it listens."""
    task = Task(["sh", "-c", 'exec "$@" 3>&1 1>&2 2>&3', "sh", *on_stack(world, "listen", stack, network, *words)], stderr=subprocess.PIPE)
    stay.callback(task.kill)
    task.wait_for("listening on")
    return task


@test
def listen_and_connect(world, stay):
    """Both directions, both ends, more than the buffers take; IPv4 and IPv6."""
    for stack in stacks(world):
        for address, mine, theirs in (("10.0.0.1", "10.0.0.1/24", "10.0.0.2/24"), ("fd00::1", "fd00::1/64", "fd00::2/64")):
            make, join = world.network()
            server = listener(world, stay, stack, make, "-a", mine, "7")
            said = "".join(f"{i} said\n" for i in range(100000))
            server.process.stdin.write("an answer\n")
            server.process.stdin.close()
            with open(f"{world.dir}/said", "w+", encoding="ascii") as file:
                file.write(said)
                file.seek(0)
                client = subprocess.Popen(on_stack(world, "connect", stack, join, "-a", theirs, address, "7"), text=True,
                                          stdin=file, stdout=subprocess.PIPE)
            heard = server.process.stderr.read()
            check(heard == said, f"{stack}: {len(heard)} of {len(said)} bytes arrived")
            check(client.stdout.read() == "an answer\n", f"{stack}: no answer")
            check(client.wait(TIMEOUT) == 0 and server.process.wait(TIMEOUT) == 0, f"{stack}: another status")


@test
def listen_and_connect_udp(world, stay):
    for stack in stacks(world):
        make, join = world.network()
        server = listener(world, stay, stack, make, "-a", "10.0.0.1/24", "-u", "7")
        server.process.stdin.close()
        run(on_stack(world, "connect", stack, join, "-a", "10.0.0.2/24", "-u", "10.0.0.1", "7"), input="a datagram")
        check(server.process.stderr.read() == "a datagram", "no datagram")


@test
def connect_says_what_is_wrong(world, stay):
    for stack in stacks(world):
        make, _ = world.network()
        refuse(on_stack(world, "connect", stack, make, "-a", "10.0.0.2/24", "10.0.0.2", "7"), 1, "no connection to 10.0.0.2:7: Connection refused")
    refuse([world.ioth, "connect", "-s", "kernel", "localhost", "7"], 2, "names are not looked up")
    refuse([world.ioth, "connect", "-s", "kernel", "127.0.0.1", "70000"], 2, "not a port")
    refuse([world.ioth, "connect", "127.0.0.1", "7"], 1, "on which stack?")
    refuse([world.ioth, "listen", "-s", "kernel", "-u", "-k", "7"], 2, "--udp or --keep")


@test
def ping(world, stay):
    for stack in stacks(world):
        make, join = world.network()
        listener(world, stay, stack, make, "-a", "10.0.0.1/24", "-a", "fd00::1/64", "7")
        for other in stacks(world):
            for address, mine in (("10.0.0.1", "10.0.0.2/24"), ("fd00::1", "fd00::2/64")):
                words = on_stack(world, "ping", other, join, "-a", mine, "-c", "2", "-i", "0.01", "--size", "2000", address)
                result = json.loads(run([*words, "--json"]))
                check(result["received"] == 2 and 0 < result["min_ms"] <= result["max_ms"], f"{other} to {stack}: {result}")
        output = run(on_stack(world, "ping", stack, join, "-a", "10.0.0.2/24", "-c", "1", "10.0.0.1"))
        check("64 bytes from 10.0.0.1: sequence 1" in output and "1 sent, 1 received" in output, output)
        nobody = on_stack(world, "ping", stack, join, "-a", "10.0.0.2/24", "-c", "1", "-W", "0.01", "10.0.0.3")
        check("1 sent, 0 received" in run(nobody, status=1), "somebody answers")


@test
def ip(world, stay):
    make, _ = world.network()
    world.inside()
    output = run(on_stack(world, "ip", "vdestack", make, "-a", "10.0.0.2/24", "--", "-json", "address", "show", "vde0"))
    check(any(a["local"] == "10.0.0.2" for a in json.loads(output)[0]["addr_info"]), output)


@test
def demo(world, stay):
    for stack in stacks(world):
        output = run([world.ioth, "demo", "-s", stack])
        for text in ("10.0.0.1", "10.0.0.2", "and hears       'Hello from a thread with its own network'"):
            check(text in output, output)


@test
def bench(world, stay):
    """Not how fast, but that every figure is one."""
    for stack in stacks(world):
        result = json.loads(run([world.ioth, "bench", "-s", stack, "-t", "0.1", "--json"]))
        check(result["gbits"] > 0 and 0 < result["p50_us"] <= result["p99_us"] and result["connections"] > 0, f"{result}")
    before = set(os.listdir("/tmp"))
    refuse([world.ioth, "bench", "-s", "nosuch"], 1, "there is no stack nosuch")
    check(not [name for name in set(os.listdir("/tmp")) - before if name.startswith("ioth-bench.")], "a directory was left")


def complete(world, *words):
    """What bash offers for the last of these words."""
    script = f"""source {HERE}/../../tools/ioth/completion/ioth.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _ioth; printf '%s\\n' "${{COMPREPLY[@]}}\""""
    env = {**os.environ, "PATH": f"{os.path.dirname(world.ioth)}:{os.environ['PATH']}"}
    return run(["bash", "-c", script, "bash", *words], env=env).split()


@test
def bash_completes(world, stay):
    check({"run", "stacks", "ping"} <= set(complete(world, "ioth", "")), "no commands")
    check(complete(world, "ioth", "sta") == ["stacks"], "no command")
    check("kernel" in complete(world, "ioth", "run", "-s", ""), "no stacks")
    check(complete(world, "ioth", "ping", "--cou") == ["--count"], "no options")
    check(complete(world, "ioth", "run", "--also") == ["--also-host"], "no --also-host")
    check("sleep" in complete(world, "ioth", "run", "-s", "lwip", "--also-host", "8080:80", "--nat", "--", "slee"), "no programs")


@test
def zsh_completes(world, stay):
    """As far as it can be seen without a terminal: the file is a completion that zsh can read."""
    if shutil.which("zsh") is None:
        raise Skip("zsh is not installed")
    run(["zsh", "-fc", f"fpath=({HERE}/../../tools/ioth/completion $fpath); autoload -Uz compinit; compinit -D -u; autoload +X _ioth; [[ $_comps[ioth] == _ioth ]]"],
        env={**os.environ, "HOME": world.dir})


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    world = World(sys.argv[1])
    try:
        return run_tests("tool", world, sys.argv[2:])
    finally:
        shutil.rmtree(world.dir, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
