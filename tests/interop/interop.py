#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""interop BUILD [-s STACK] [PATTERN...] - a libioth stack against Linux and its programs, on one VDE network.

The Linux side is a network namespace of its own, joined by a TAP where /dev/net/tun may be opened and by a veth pair and
bridge.py otherwise; its plug is also the switch (switch://). The libioth side is the program peer, a process for each
test, or an unmodified program by ioth run. Everything lives in namespaces and a directory made here, and ends
with this program. Runs as root and as an ordinary user.

Prints PASS, FAIL or SKIP for each test, then "interop: N passed, N failed, N skipped". Status 1 when something failed.
"""
import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys

from harness import TIMEOUT, Skip, check, need, run, run_tests, test, vdeplugin_path, wait_until
from world import LINUX4, LINUX6, PYTHON, STACK4, STACK6, World, words

def page(world, size):
    """A file of noise for the web servers: its path and hash."""
    data = os.urandom(size)
    path = f"{world.dir}/page"
    with open(path, "wb") as file:
        file.write(data)
    os.chmod(path, 0o644)
    return path, hashlib.sha256(data).hexdigest()


# ------------------------------------------------------------------------------------------------------- ping


def ping(world, stay, address, prefix):
    need("ping")
    world.background(world.peer("hold", address=f"{address}/{prefix}"), stay).wait_for("ready")
    # The first answer shows that both sides are joined; the rest may then not be lost.
    world.linux("ping", "-n", "-c", "1", "-w", "20", address)
    for size in (0, 56, 1452, 4000):  # the last one in fragments
        output = world.linux("ping", "-n", "-c", "20", "-i", "0.01", "-s", str(size), address)
        check(" 0% packet loss" in output, f"with {size} bytes: {output.splitlines()[-2]}")


@test
def ping_ipv4(world, stay):
    ping(world, stay, STACK4, 24)


@test
def ping_ipv6(world, stay):
    ping(world, stay, STACK6, 64)


# -------------------------------------------------------------------------------------------------- plain TCP

LINUX_TCP = """
import hashlib, os, socket, sys
task, host, port, size = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
family = socket.AF_INET6 if ":" in host else socket.AF_INET
sha, count = hashlib.sha256(), 0
if task == "sink":
    listener = socket.create_server((host, port), family=family)
    print("ready", flush=True)
    sock = listener.accept()[0]
    while data := sock.recv(65536):
        sha.update(data)
        count += len(data)
else:
    sock = socket.create_connection((host, port))
    while count < size:
        data = os.urandom(min(65536, size - count))
        sock.sendall(data)
        sha.update(data)
        count += len(data)
    sock.shutdown(socket.SHUT_WR)
    assert sock.recv(1) == b""
print("bytes", count, "sha256", sha.hexdigest())
"""
SIZE = 20_000_000


def linux_tcp(world, *arguments):
    return [*world.enter, PYTHON, "-c", LINUX_TCP, *map(str, arguments)]


def same(one, other):
    one, other = words(one), words(other)
    check(one == other and int(one["bytes"]) == SIZE, f"sent {one}, received {other}")


def stack_to_linux(world, stay, linux, stack):
    sink = world.background(linux_tcp(world, "sink", linux, 5001, 0), stay)
    sink.wait_for("ready")
    sent = run(world.peer("source", linux, 5001, SIZE, address=stack))
    same(sent, sink.finish())


def linux_to_stack(world, stay, stack, prefix):
    sink = world.background(world.peer("sink", 5002, address=f"{stack}/{prefix}"), stay)
    sink.wait_for("ready")
    sent = run(linux_tcp(world, "source", stack, 5002, SIZE))
    same(sent, sink.finish())


@test
def tcp_stack_to_linux_ipv4(world, stay):
    stack_to_linux(world, stay, LINUX4, f"{STACK4}/24")


@test
def tcp_stack_to_linux_ipv6(world, stay):
    stack_to_linux(world, stay, LINUX6, f"{STACK6}/64")


@test
def tcp_by_shared_memory(world, stay):
    """A network in shared memory that vde_plug joins to the switch, and the stack on it: segments are cut for the plug."""
    need("vde_plug")
    memory = f"shm://{world.dir}/memory"
    world.background(["vde_plug", memory, world.vnl], stay)
    wait_until(lambda: os.path.exists(f"{world.dir}/memory/p0"), "vde_plug does not join the network")
    sink = world.background(linux_tcp(world, "sink", LINUX4, 5001, 0), stay)
    sink.wait_for("ready")
    sent = run(world.peer("source", LINUX4, 5001, SIZE, vnl=memory))
    same(sent, sink.finish())
    sink = world.background(world.peer("sink", 5002, vnl=memory), stay)
    sink.wait_for("ready")
    sent = run(linux_tcp(world, "source", STACK4, 5002, SIZE))
    same(sent, sink.finish())
    sink = world.background(linux_tcp(world, "sink", LINUX6, 5001, 0), stay)
    sink.wait_for("ready")
    sent = run(world.peer("source", LINUX6, 5001, SIZE, vnl=memory, address=f"{STACK6}/64"))
    same(sent, sink.finish())


@test
def tcp_in_larger_segments(world, stay):
    """A kernel that is told to hands over segments of half a megabyte (BIG TCP) instead of 64 KiB: they are cut like any."""
    if world.stack != "vdestack":
        raise Skip("of a stack that is the kernel's")
    sink = world.background(linux_tcp(world, "sink", LINUX6, 5001, 0), stay)
    sink.wait_for("ready")
    larger = ["sh", "-ec", "ip link set vde0 gso_max_size 524280; exec \"$@\"", "sh"]
    source = [PYTHON, "-c", LINUX_TCP, "source", LINUX6, "5001", str(SIZE)]
    sent = run(world.on_stack(*larger, *source, address=f"{STACK6}/64"))
    same(sent, sink.finish())


@test
def tcp_linux_to_stack_ipv4(world, stay):
    linux_to_stack(world, stay, STACK4, 24)


@test
def tcp_linux_to_stack_ipv6(world, stay):
    linux_to_stack(world, stay, STACK6, 64)


# ----------------------------------------------------------------------------------------------------- iperf3


def iperf(world, stay, direction):
    need("iperf3")
    world.background([*world.enter, "iperf3", "-s", "-1", "--forceflush"], stay).wait_for("listening")
    result = words(run(world.peer("iperf", LINUX4, 5201, 100_000_000, direction)))
    ours, theirs = int(result["bytes"]), int(result["server"])
    # The server stops counting when it hears that the client is done, so up to some buffers may be missing or too many.
    check(ours >= 100_000_000 and abs(ours - theirs) < 0.2 * ours, f"we counted {ours} bytes, iperf3 {theirs}")
    return f"{result['mbits']} Mbit/s"


@test
def iperf3_server_on_linux_stack_sends(world, stay):
    return iperf(world, stay, "up")


@test
def iperf3_server_on_linux_stack_receives(world, stay):
    return iperf(world, stay, "down")


@test
def iperf3_unmodified_on_the_stack(world, stay):
    need("iperf3")
    command = world.on_stack("iperf3", "-s", "-1", "--forceflush")
    world.background(command, stay).wait_for("listening")
    report = json.loads(world.linux("iperf3", "-c", STACK4, "-n", "50M", "-J"))
    received = report["end"]["sum_received"]
    check(received["bytes"] > 40_000_000, f"only {received['bytes']} bytes arrived")
    return f"{received['bits_per_second'] / 1e6:.0f} Mbit/s"


# -------------------------------------------------------------------------------------------------------- web


def nginx(world, stay):
    """nginx on the Linux side, which serves the directory of the world."""
    need("nginx")
    temporary = "".join(
        f"{kind}_temp_path {world.dir}/nginx.{kind}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    with open(f"{world.dir}/nginx.conf", "w", encoding="ascii") as file:
        file.write(
            f"daemon off; master_process off; pid {world.dir}/nginx.pid; error_log stderr notice;\n"
            f"events {{ }}\nhttp {{ {temporary} access_log off; server {{ listen 8080; listen [::]:8080; root {world.dir}; }} }}\n"
        )
    # It must not take itself for root in a user namespace, where there is nobody else to become.
    plain = [] if os.geteuid() == 0 else ["unshare", "-U", "--map-user=1000"]
    command = [*world.enter, *plain, "nginx", "-e", "stderr", "-c", f"{world.dir}/nginx.conf"]
    server = world.background(command, stay, stderr=subprocess.STDOUT)
    # nginx says this when its sockets listen and it begins to serve
    server.wait_for("start worker|OS: Linux")


def fetch_from_nginx(world, stay, host, address):
    path, digest = page(world, 3_000_000)
    nginx(world, stay)
    got = words(run(world.peer("get", host, 8080, "/" + os.path.basename(path), address=address)))
    check(got["status"] == "200" and got["sha256"] == digest, f"the page came back as {got}")
    missing = words(run(world.peer("get", host, 8080, "/missing", address=address)))
    check(missing["status"] == "404", f"a missing page came back as {missing}")


@test
def http_get_from_nginx_ipv4(world, stay):
    fetch_from_nginx(world, stay, LINUX4, f"{STACK4}/24")


@test
def http_get_from_nginx_ipv6(world, stay):
    fetch_from_nginx(world, stay, LINUX6, f"{STACK6}/64")


def curl(world, stay, address, prefix, host):
    need("curl")
    path, digest = page(world, 3_000_000)
    world.background(world.peer("serve", 8081, path, address=f"{address}/{prefix}"), stay).wait_for("ready")
    for _ in range(5):
        world.linux("curl", "-sS", "-g", "--noproxy", "*", "-o", f"{world.dir}/fetched", f"http://{host}:8081/page")
        with open(f"{world.dir}/fetched", "rb") as file:
            check(hashlib.sha256(file.read()).hexdigest() == digest, "curl fetched something else")


@test
def curl_fetches_from_the_stack_ipv4(world, stay):
    curl(world, stay, STACK4, 24, STACK4)


@test
def curl_fetches_from_the_stack_ipv6(world, stay):
    curl(world, stay, STACK6, 64, f"[{STACK6}]")


@test
def curl_unmodified_on_the_stack(world, stay):
    need("curl")
    path, digest = page(world, 1_000_000)
    nginx(world, stay)
    command = world.on_stack(
        "curl", "-sS", "--noproxy", "*", "-o", f"{world.dir}/fetched", f"http://{LINUX4}:8080/{os.path.basename(path)}"
    )
    run(command)
    with open(f"{world.dir}/fetched", "rb") as file:
        check(hashlib.sha256(file.read()).hexdigest() == digest, "curl fetched something else")


# --------------------------------------------------------------------------------------------------------- ip


@test
def ip_shows_the_stack(world, stay):
    """The real ip(8) through a netlink socket of the stack: it sees the stack's interfaces, not the host's."""
    command = world.on_stack("ip", "-j", "address")
    links = {link["ifname"]: link for link in json.loads(run(command))}
    check(set(links) == {"lo", "vde0"}, f"ip shows {sorted(links)}")
    check("UP" in links["vde0"]["flags"], f"vde0 is not up: {links['vde0']['flags']}")
    local = [info["local"] for info in links["vde0"]["addr_info"] if info["family"] == "inet"]
    check(local == [STACK4], f"vde0 has {local}")


@test
def ip_configures_the_stack(world, stay):
    command = world.on_stack("ip", "-b", "-")
    batch = (
        f"route add 10.88.0.0/16 via {LINUX4}\n"
        "address add 10.99.0.1/24 dev vde0\n"
        "link set vde0 mtu 1400\n"
        f"neighbour add {LINUX4} lladdr 02:00:00:00:00:77 dev vde0\n"
        "route show\naddress show dev vde0\nneighbour show\n"
    )
    output = run(command, input=batch)
    for wanted in (f"10.88.0.0/16 via {LINUX4}", "inet 10.99.0.1/24", "mtu 1400", "02:00:00:00:00:77 PERMANENT"):
        check(wanted in output, f"'{wanted}' is not in the answer of ip:\n{output}")


@test
def ip_refusals_arrive(world, stay):
    """What the stack refuses is refused with Linux's own error."""
    command = world.on_stack("ip", "route", "add", "10.88.0.0/16", "via", "192.0.2.1")
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    check(done.returncode == 2 and "Nexthop has invalid gateway" in done.stderr, f"{done.returncode}: {done.stderr}")


# ---------------------------------------------------------------------------------------------------- capture


def capture(path):
    """What tcpdump makes of a file; the last record may be cut short."""
    need("tcpdump")
    done = subprocess.run(["tcpdump", "-n", "-r", path, "icmp"], capture_output=True, text=True, timeout=TIMEOUT, check=False)
    check(done.returncode == 0 or "truncated dump file" in done.stderr, f"tcpdump says: {done.stderr}")
    return done.stdout


def three_pings(text):
    return text.count("echo request") >= 3 and text.count("echo reply") >= 3


@test
def capture_is_read_by_tcpdump(world, stay):
    need("ping")
    path = f"{world.dir}/capture.pcap"
    holder = world.background(world.peer("hold", options=f",pcap={path}"), stay)
    holder.wait_for("ready")
    world.linux("ping", "-n", "-c", "3", "-i", "0.1", "-w", "20", STACK4)
    holder.process.stdin.close()
    check(holder.process.wait(TIMEOUT) == 0, "the peer failed")
    output = capture(path)
    check(three_pings(output), f"tcpdump shows:\n{output}")


@test
def capture_survives_a_killed_program(world, stay):
    """An idle program has everything in the file; one that is killed at work leaves a file that can be read."""
    need("ping")
    path = f"{world.dir}/killed.pcap"
    holder = world.background(world.peer("hold", options=f",pcap={path}"), stay)
    holder.wait_for("ready")
    world.linux("ping", "-n", "-c", "3", "-i", "0.1", "-w", "20", STACK4)
    wait_until(lambda: three_pings(capture(path)), "the capture does not reach the file")
    ping = world.background([*world.enter, "ping", "-n", "-i", "0.001", STACK4], stay)
    for _ in range(50):
        ping.wait_for("icmp_seq")
    holder.process.send_signal(signal.SIGKILL)
    holder.process.wait()
    output = capture(path)
    check(three_pings(output), f"tcpdump shows:\n{output}")


# ------------------------------------------------------------------------------------------------------ vdens


@test
def vdens_pings_the_stack(world, stay):
    need("vdens", "ping")
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        raise Skip("vdens needs /dev/net/tun, which cannot be opened here")
    world.background(world.peer("hold"), stay).wait_for("ready")
    script = f"ip link set vde0 up && ip address add 10.77.0.3/24 dev vde0 && ping -n -c 1 -w 20 {STACK4}"
    run(["vdens", world.vnl, "sh", "-c", script])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build")
    parser.add_argument("-s", "--stack", default="vdestack")
    parser.add_argument("pattern", nargs="*", help="run only the tests whose name contains one of these")
    args = parser.parse_args()
    try:
        os.environ.setdefault("VDEPLUGIN_PATH", vdeplugin_path(args.build))
        world = World(args.build, args.stack)
    except Skip as reason:
        print(f"SKIP interop: {reason}\ninterop: 0 passed, 0 failed, 1 skipped")
        return 77
    with world.stay:
        print(f"Linux side joined by a {world.kind}", flush=True)
        return run_tests("interop", world, args.pattern)


if __name__ == "__main__":
    sys.exit(main())
