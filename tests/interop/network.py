#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""network BUILD [-s STACK] [--full] [PATTERN...] - a libioth stack against Linux on networks as they really are.

Frames are lost, late, doubled and out of order; the other side dies; there are ten thousand connections. What the qdisc
netem does where the kernel has it is done by the program wire here, the same in every run: the stack and Linux sit at the ends of a
cable that it spoils, each way. --full moves a gigabyte, sends pings of every size and more of everything.

Prints PASS, FAIL or SKIP for each test, then "network: N passed, N failed, N skipped". Status 1 when something failed.
"""
import argparse
import contextlib
import re
import resource
import sys
import time

import harness
from harness import Skip, check, need, run, run_tests, test
from world import LINUX4, LINUX6, PYTHON, STACK4, STACK6, World, words

NEAR4, FAR4 = "10.78.0.1", "10.78.0.2"
NEAR6, FAR6 = "fd78::1", "fd78::2"


class Wire:
    """A cable of its own between Linux and a stack, spoiled as the options say (see wire.c)."""

    count = 0

    def __init__(self, world, stay, *options):
        self.world = world
        Wire.count += 1
        self.vnl = f"vde://{world.dir}/wire{Wire.count}"
        world.linux(*"ip link add lin1 type veth peer name plug1".split())
        stay.callback(world.linux, "ip", "link", "del", "lin1")
        for command in (
            "ip link set lin1 up",
            "ip link set plug1 up",
            f"ip address add {NEAR4}/24 dev lin1",
            f"ip address add {NEAR6}/64 dev lin1 nodad",
        ):
            world.linux(*command.split())
        wire = [f"{world.build}/tests/interop/wire", "lin1", "plug1", self.vnl.replace("vde", "switch", 1), *options]
        self.task = world.background([*world.enter, *wire], stay)
        self.task.wait_for("ready")

    def peer(self, *task, six=False):
        """The words that run a task at the far end."""
        return self.world.peer(*task, address=f"{FAR6}/64" if six else f"{FAR4}/24", vnl=self.vnl)

    def finish(self):
        """What it did, added up over both ways."""
        lines = [words(line) for line in self.task.finish().splitlines()]
        return {name: sum(int(line[name]) for line in lines) for name in ("lost", "duplicated", "reordered")}


LINUX_SIDE = """
import hashlib, os, resource, socket, sys
task, host, port, size = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
family = socket.AF_INET6 if ":" in host else socket.AF_INET
sha, count = hashlib.sha256(), 0
def descriptors():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
def exactly(sock):
    data = b""
    while len(data) < 4:
        more = sock.recv(4 - len(data))
        assert more, "a connection broke"
        data += more
    return data
def receive(sock):
    global count
    while data := sock.recv(1 << 18):
        sha.update(data)
        count += len(data)
def send(sock):
    global count
    noise = os.urandom(1 << 18)
    while count < size:
        data = noise[:size - count]
        sock.sendall(data)
        sha.update(data)
        count += len(data)
    sock.shutdown(socket.SHUT_WR)
    assert sock.recv(1) == b""
if task in ("sink", "hold"):
    listener = socket.create_server((host, port), family=family)
    print("ready", flush=True)
    sock = listener.accept()[0]
    if task == "sink":
        receive(sock)
    elif size:  # say something from time to time
        while sock.send(bytes(65536)):
            pass
    else:
        while sock.recv(1 << 18):
            pass
elif task == "source":
    send(socket.create_connection((host, port)))
elif task == "accept":
    descriptors()
    listener = socket.create_server((host, port), family=family, backlog=1000)
    print("ready", flush=True)
    socks = [listener.accept()[0] for _ in range(size)]
    for sock in socks:
        sock.sendall(exactly(sock))
    for sock in socks:
        assert sock.recv(1) == b""
    count = size
elif task == "connect":
    descriptors()
    socks = [socket.create_connection((host, port)) for _ in range(size)]
    for number, sock in enumerate(socks):
        sock.sendall(number.to_bytes(4, sys.byteorder))
    for number, sock in enumerate(socks):
        assert exactly(sock) == number.to_bytes(4, sys.byteorder), "the answer of another connection"
    count = size
elif task == "echo":
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.bind((host, port))
    print("ready", flush=True)
    while True:
        data, peer = sock.recvfrom(65536)
        sock.sendto(data, peer)
print("bytes", count, "sha256", sha.hexdigest())
"""


def linux_side(world, task, host, port, size=0):
    return [*world.enter, PYTHON, "-c", LINUX_SIDE, task, host, str(port), str(size)]


# ------------------------------------------------------------------------------------------------------- bad cables

# name: options of the wire, what it has to have done for the test to mean something
CABLES = {
    "loss_1": (("loss=10",), ("lost",)),
    "loss_5": (("loss=50",), ("lost",)),
    "reorder": (("reorder=100", "delay=1"), ("reordered",)),
    "duplicate": (("duplicate=200",), ("duplicated",)),
    "delay": (("delay=20", "jitter=1"), ()),
    "everything": (("loss=10", "duplicate=50", "reorder=50", "delay=3", "jitter=1"), ("lost", "duplicated", "reordered")),
}


def transfer(world, sender, receiver, size, stay):
    """Both sides have seen the same bytes."""
    sink = world.background(receiver, stay)
    sink.wait_for("ready")
    began = time.monotonic()
    sent, got = words(run(sender)), words(sink.finish())
    check(sent == got and int(sent["bytes"]) == size, f"sent {sent}, received {got}")
    return size * 8 / (time.monotonic() - began) / 1e6


def over_cable(world, stay, options, spoiled):
    """TCP both ways and UDP with datagrams of all sizes, over IPv4 and IPv6 by turns."""
    size = 20_000_000 if world.full else 500_000
    longest = 8000 if "lost" in spoiled else 65507  # of a hundred fragments each way hardly ever all arrive
    wire = Wire(world, stay, *options)
    up = transfer(world, wire.peer("source", NEAR4, 5001, size), linux_side(world, "sink", NEAR4, 5001), size, stay)
    down = transfer(world, linux_side(world, "source", FAR6, 5002, size), wire.peer("sink", 5002, six=True), size, stay)
    if world.full:
        transfer(world, wire.peer("source", NEAR6, 5003, size, six=True), linux_side(world, "sink", NEAR6, 5003), size, stay)
        transfer(world, linux_side(world, "source", FAR4, 5004, size), wire.peer("sink", 5004), size, stay)
    world.background(linux_side(world, "echo", NEAR4, 5005), stay).wait_for("ready")
    asked = words(run(wire.peer("ask", NEAR4, 5005, 200 if world.full else 12, longest)))
    done = wire.finish()
    for what in spoiled:
        check(done[what] > 3, f"hardly a frame was {what}: {done}")
    return (f"{up:.0f} and {down:.0f} Mbit/s, {done['lost']} frames lost, {done['duplicated']} doubled, {done['reordered']} late, "
            f"{asked['repeated']} of {asked['datagrams']} datagrams asked again")


def cable_test(name, options, spoiled):
    def function(world, stay):
        return over_cable(world, stay, options, spoiled)

    function.__name__ = f"cable_{name}"
    test(function)


for cable in CABLES.items():
    cable_test(cable[0], *cable[1])


# ------------------------------------------------------------------------------------------------------------- ping


def ping_sizes(world, stay, address, prefix):
    """Each size by one echo request, not lost and not changed (ping compares what comes back)."""
    need("ping")
    edges = [size + d for size in (0, 1472, 1452, 2952, 65507) for d in (-1, 0, 1)]
    sizes = range(0, 65508) if world.full else [*range(100, 60000, 9973), *edges]
    sizes = sorted({size for size in sizes if 0 <= size <= 65507})
    world.background(world.peer("hold", address=f"{address}/{prefix}"), stay).wait_for("ready")
    world.linux("ping", "-n", "-c", "1", "-w", "20", address)
    script = "for s; do ping -n -q -c 1 -W 5 -s $s " + address + " >/dev/null || { echo size $s; exit 1; }; done"
    for first in range(0, len(sizes), 2000):
        world.linux("sh", "-c", script, "sh", *map(str, sizes[first:first + 2000]))
    return f"{len(sizes)} sizes"


@test
def ping_sizes_ipv4(world, stay):
    return ping_sizes(world, stay, STACK4, 24)


@test
def ping_sizes_ipv6(world, stay):
    return ping_sizes(world, stay, STACK6, 64)


# -------------------------------------------------------------------------------------------------------------- UDP


def udp(world, stay, linux, stack, prefix):
    """Datagrams of all sizes are echoed by either side."""
    count = 1000 if world.full else 30
    server = world.background(linux_side(world, "echo", linux, 5010), stay)
    server.wait_for("ready")
    asked = words(run(world.peer("ask", linux, 5010, count, 65507, address=f"{stack}/{prefix}")))
    check(int(asked["datagrams"]) == count, f"asked: {asked}")
    holder = world.background(world.peer("echo", 5011, address=f"{stack}/{prefix}"), stay)
    holder.wait_for("ready")
    script = (
        "import os, socket, sys\n"
        "host, count = sys.argv[1], int(sys.argv[2])\n"
        "sock = socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET, socket.SOCK_DGRAM)\n"
        "sock.connect((host, 5011))\nsock.settimeout(0.5)\n"
        "for size in [65507 * i * i // (count - 1) // (count - 1) for i in range(count)]:\n"
        "    data = os.urandom(size)\n"
        "    for tries in range(40):\n"
        "        sock.send(data)\n"
        "        try:\n"
        "            if sock.recv(65536) == data: break\n"
        "        except TimeoutError: pass\n"
        "    else: sys.exit(f'{size} bytes are not echoed')\n"
    )
    world.linux(PYTHON, "-c", script, stack, str(count))


@test
def udp_sizes_ipv4(world, stay):
    udp(world, stay, LINUX4, STACK4, 24)


@test
def udp_sizes_ipv6(world, stay):
    udp(world, stay, LINUX6, STACK6, 64)


# ------------------------------------------------------------------------------------------------------------- much


def much(world, stay, size):
    up = transfer(world, world.peer("source", LINUX4, 5020, size), linux_side(world, "sink", LINUX4, 5020), size, stay)
    down = transfer(
        world, linux_side(world, "source", STACK6, 5021, size), world.peer("sink", 5021, address=f"{STACK6}/64"), size, stay
    )
    return f"{size} bytes, {up:.0f} and {down:.0f} Mbit/s"


@test
def gigabyte(world, stay):
    """One way over IPv4, the other over IPv6; a small one in a quick run."""
    return much(world, stay, 1 << 30 if world.full else 16_000_000)


def connections(world):
    """How many at a time: ten thousand, or what the limit of open files allows (two descriptors each)."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with contextlib.suppress(ValueError, OSError):  # root may have more than it was given
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(limit, 30000), max(limit, 30000)))
        limit = max(limit, 30000)
    count = min(10000 if world.full else 1000, limit // 2 - 200)
    if count < 100:
        raise Skip(f"only {limit} open files are allowed")
    return count


@test
def many_connections_from_the_stack(world, stay):
    count = connections(world)
    server = world.background(linux_side(world, "accept", LINUX4, 5030, count), stay)
    server.wait_for("ready")
    result = words(run(world.peer("many-connect", LINUX4, 5030, count)))
    check(int(result["connections"]) == count == int(words(server.finish())["bytes"]), f"{result}")
    return f"{count} at a time"


@test
def many_connections_to_the_stack(world, stay):
    count = connections(world)
    server = world.background(world.peer("many-accept", 5031, count), stay)
    server.wait_for("ready")
    run(linux_side(world, "connect", STACK4, 5031, count))
    check(int(words(server.finish())["connections"]) == count, "some are missing")
    return f"{count} at a time"


# -------------------------------------------------------------------------------------------------------- multicast

LINUX_MDNS = """
import socket, struct, sys
task, group, label, address, ifname = sys.argv[1:6]
name = bytes([len(label)]) + label.encode() + b"\\5local\\0"
index = socket.if_nametoindex(ifname)
six = ":" in group
sock = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("", 5353))
if six:
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, socket.inet_pton(socket.AF_INET6, group) + struct.pack("I", index))
    to = (group, 5353, 0, index)
else:
    mreqn = socket.inet_aton(group) + socket.inet_aton("0.0.0.0") + struct.pack("i", index)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, mreqn)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, mreqn)
    to = (group, 5353)
print("ready", flush=True)
if task == "answer":
    while True:
        data, peer = sock.recvfrom(9000)
        if not data[2] & 0x80 and data[12:12 + len(name)] == name:
            answer = struct.pack("!6H", 0, 0x8400, 0, 1, 0, 0) + name + struct.pack("!HHIH", 1, 0x8001, 120, 4)
            sock.sendto(answer + socket.inet_aton(address), to)
sock.settimeout(0.5)
for tries in range(40):
    sock.sendto(struct.pack("!6H", 0, 0, 1, 0, 0, 0) + name + struct.pack("!HH", 1, 1), to)
    try:
        while True:
            data = sock.recv(9000)
            if data[2] & 0x80 and data[12:12 + len(name)] == name:
                print("address", socket.inet_ntoa(data[-4:]))
                sys.exit(0)
    except TimeoutError:
        pass
sys.exit("nobody answers")
"""


def mdns(world, stay, group, address):
    linux = [*world.enter, PYTHON, "-c", LINUX_MDNS]
    server = world.background([*linux, "answer", group, "printer", "192.0.2.7", "lin0"], stay)
    server.wait_for("ready")
    got = run(world.peer("mdns-ask", group, "printer", address=address))
    check("address 192.0.2.7" in got, f"the stack asked and got {got}")
    server.kill()
    world.background(world.peer("mdns-answer", group, "thread", "192.0.2.8", address=address), stay).wait_for("ready")
    got = run([*linux, "ask", group, "thread", "-", "lin0"])
    check("address 192.0.2.8" in got, f"Linux asked and got {got}")


@test
def mdns_ipv4(world, stay):
    mdns(world, stay, "224.0.0.251", f"{STACK4}/24")


@test
def mdns_ipv6(world, stay):
    mdns(world, stay, "ff02::fb", f"{STACK6}/64")


# ----------------------------------------------------------------------------------------------------------- faults


def fault(world, stay, task, break_it, wanted):
    """What a transfer ends with when something breaks in the middle of it; it may not hang."""
    wire = Wire(world, stay)
    server = world.background(linux_side(world, "hold", NEAR4, 5040, 1 if task[0] == "pull" else 0), stay)
    server.wait_for("ready")
    peer = world.background(wire.peer(task[0], NEAR4, 5040, *task[1:]), stay)
    peer.wait_for("ready")
    began = time.monotonic()
    break_it(wire, server)
    ended = re.search("ended (.*)", peer.finish()).group(1)
    check(ended in wanted, f"it ended with {ended}, not {' or '.join(wanted)}")
    return f"{ended} after {time.monotonic() - began:.1f} s"


def kill_server(_, server):
    server.process.kill()


def cut_wire(wire, _):
    """The wire is the switch of its network as well: all of it goes."""
    wire.task.process.kill()


def unplug(wire, _):
    wire.world.linux("ip", "link", "set", "plug1", "down")


UNREACHABLE = ("ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH")


@test
def peer_dies_while_we_send(world, stay):
    return fault(world, stay, ("push", 10000), kill_server, ("ECONNRESET", "EPIPE"))


@test
def peer_dies_while_we_receive(world, stay):
    return fault(world, stay, ("pull",), kill_server, ("ECONNRESET", "END"))


@test
def network_vanishes_while_we_send(world, stay):
    return fault(world, stay, ("push", 1000), cut_wire, UNREACHABLE)


@test
def network_vanishes_while_we_receive(world, stay):
    return fault(world, stay, ("pull",), cut_wire, UNREACHABLE)


@test
def cable_is_unplugged_while_we_send(world, stay):
    return fault(world, stay, ("push", 1000), unplug, UNREACHABLE)


@test
def cable_is_unplugged_while_we_receive(world, stay):
    return fault(world, stay, ("pull",), unplug, UNREACHABLE)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build")
    parser.add_argument("-s", "--stack", default="lwip")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("pattern", nargs="*", help="run only the tests whose name contains one of these")
    args = parser.parse_intermixed_args()
    try:
        world = World(args.build, args.stack)
    except Skip as reason:
        print(f"SKIP network: {reason}\nnetwork: 0 passed, 0 failed, 1 skipped")
        return 77
    world.full = args.full
    harness.TIMEOUT *= 10 if args.full else 1
    with world.stay:
        print(f"Linux side joined by a {world.kind}", flush=True)
        return run_tests("network", world, args.pattern)


if __name__ == "__main__":
    sys.exit(main())
