#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""programs BUILD [--table FILE] [PATTERN...] - unmodified programs on every stack, by ioth run; remote-STACK is a served one.

Each test starts a server and a client, or whatever its program is, on two stacks of a kind that meet on a switch of their own: 10.0.0.1 and
fd00::1, 10.0.0.2 and fd00::2. Its name is PROGRAM/STACK. --table writes what came of it as the page docs/compatibility.md.

Prints PASS, FAIL or SKIP for each test, then "programs: N passed, N failed, N skipped". Status 1 when something failed. Runs as root
and as an ordinary user.
"""
import contextlib
import hashlib
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, f"{HERE}/../interop")

import harness  # noqa: E402
from harness import TIMEOUT, Skip, Task, check, need, run, run_tests, test, wait_until  # noqa: E402

PYTHON = "/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else sys.executable
STACKS = ("kernel", "vdestack", "lwip", "remote-kernel", "remote-vdestack", "remote-lwip")
SERVER4, CLIENT4, SERVER6, CLIENT6 = "10.0.0.1", "10.0.0.2", "fd00::1", "fd00::2"
RESULTS = {}  # program -> stack -> text of the table


class No(Skip):
    """The stack cannot do it; the text is the reason in the table."""


class World:
    def __init__(self, build):
        self.build = os.path.abspath(build)
        self.ioth = f"{self.build}/tools/ioth/ioth"
        self.dir = tempfile.mkdtemp(prefix="ioth-programs.")
        self.networks = 0
        os.environ["IOTH_PLUGIN_PATH"] = f"{self.build}/plugins"
        os.environ["PATH"] += ":/usr/sbin:/sbin"
        os.environ["LC_ALL"] = "C.UTF-8"
        for proxy in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
            os.environ.pop(proxy, None)
            os.environ.pop(proxy.upper(), None)
        usable = {s["name"]: s["usable"] for s in json.loads(run([self.ioth, "stacks", "--json"]))}
        self.usable = [stack for stack in STACKS if usable.get(stack.removeprefix("remote-"))]
        self.blob = f"{self.dir}/blob"
        with open(self.blob, "wb") as file:
            file.write(os.urandom(8_000_000))
        with open(self.blob, "rb") as file:
            self.hash = hashlib.sha256(file.read()).hexdigest()


class Net:
    """A switch, and the words that run a command on a stack there: as the server, which makes it, and as the client."""

    names = True  # a name server can be given; not to the stack of the host, which has its own

    def __init__(self, world, stay, stack):
        self.world, self.stay = world, stay
        self.remote, self.stack = stack.startswith("remote-"), stack.removeprefix("remote-")
        world.networks += 1
        self.path = f"{world.dir}/{world.networks}"
        os.mkdir(self.path)

    def node(self, network, number, *words):
        stack = ["-s", self.stack, "-n", network, "-a", f"10.0.0.{number}/24", "-a", f"fd00::{number}/64"]
        if self.remote:
            stack = ["-s", f"remote,socket={self.serve(stack, number)}"]
        return [self.world.ioth, "run", *stack, *words]

    def serve(self, stack, number):
        """A stack that another process serves; its socket."""
        socket = f"{self.path}/{number}"
        if not os.path.exists(socket):
            server = Task([self.world.ioth, "serve", *stack, "-l", socket])
            self.stay.callback(end, server)
            wait_until(lambda: os.path.exists(socket) or server.process.poll() is not None, "ioth serve makes no socket")
        return socket

    def background(self, words, **kwargs):
        task = Task(words, **kwargs)
        self.stay.callback(end, task)
        return task

    def server(self, command, ready=None, options=(), **kwargs):
        """A server in the background; ready is a port that it listens on, or a pattern in its output."""
        if not isinstance(ready, int):
            task = self.background(self.node(f"switch://{self.path}/lan", 1, *options, "--", *command), **kwargs)
            if ready:
                task.wait_for(ready)
            return task
        task = self.background(self.node(f"switch://{self.path}/lan", 1, *options, "--", *command),
                               stderr=self.stay.enter_context(open(f"{self.path}/server.log", "wb")), **kwargs)
        self.wait_network()
        probe = self.visitor("connect", SERVER4, str(ready))

        def listens():
            check(task.process.poll() is None, f"{command[0]} ended with status {task.process.returncode}")
            return subprocess.run(probe, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=TIMEOUT).returncode == 0

        wait_until(listens, f"{command[0]} does not listen on {ready}")
        return task

    def wait_network(self):
        """Till the server has made it."""
        wait_until(lambda: os.path.exists(f"{self.path}/lan/ctl"), "the network of the server is not there")

    def visitor(self, subcommand, *words):
        """The words of a subcommand that is on the network by itself."""
        return [self.world.ioth, subcommand, "-s", self.stack, "-n", f"vde://{self.path}/lan", "-a", "10.0.0.250/24", *words]

    def client(self, *command, options=(), number=2, **kwargs):
        return run(self.node(f"vde://{self.path}/lan", number, *options, "--", *command), **kwargs)

    def alone(self, *command, options=(), **kwargs):
        """A command on a stack that nobody else is with."""
        return run(self.node(f"switch://{self.path}/alone", 1, *options, "--", *command), **kwargs)


class KernelNet(Net):
    """The stack of the host, in namespaces with a bridge between them instead of a switch, since there is one in each. Only root can say what is in them."""

    BRIDGE = "ip link add lan type bridge && ip link set lan up && echo ready && exec cat"

    def __init__(self, world, stay, stack):
        super().__init__(world, stay, stack)
        if os.geteuid() != 0:
            raise Skip("only root can move the stack of the host to a network of its own")
        need("ip", "nsenter", "unshare")
        self.names = self.remote
        self.places = {}
        self.hub = self.namespace(self.BRIDGE)

    def namespace(self, script):
        task = self.background(["unshare", "-n", "sh", "-c", script])
        task.wait_for("ready")
        return str(task.process.pid)

    def place(self, number):
        """The words before a command that is to run in a namespace of the network."""
        if number not in self.places:
            pid = self.namespace("ip link set lo up && echo ready && exec cat")
            run(["nsenter", "-t", self.hub, "-n", "sh", "-ec", f"""
                ip link add port{number} type veth peer name vde0 netns {pid}
                ip link set port{number} master lan up"""])
            run(["nsenter", "-t", pid, "-n", "sh", "-ec", f"""
                ip link set vde0 up
                ip addr add 10.0.0.{number}/24 dev vde0
                ip addr add fd00::{number:x}/64 dev vde0 nodad"""])
            self.places[number] = ["nsenter", "-t", pid, "-n"]
        return self.places[number]

    def node(self, network, number, *words):
        place = self.place(number)
        if self.remote:
            return [self.world.ioth, "run", "-s", f"remote,socket={self.serve(['-s', 'kernel'], number)}", *words]
        return [*place, self.world.ioth, "run", "-s", "kernel", *words]

    def serve(self, stack, number):
        socket = f"{self.path}/{number}"
        if not os.path.exists(socket):
            server = self.background([*self.place(number), self.world.ioth, "serve", *stack, "-l", socket])
            wait_until(lambda: os.path.exists(socket) or server.process.poll() is not None, "ioth serve makes no socket")
        return socket

    def wait_network(self):
        pass

    def visitor(self, subcommand, *words):
        return [*self.place(250), self.world.ioth, subcommand, "-s", "kernel", *words]


def end(task):
    """Terminate a program as a user would, and everything with it."""
    if task.process.poll() is None:
        task.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            task.process.wait(10)
    task.kill()


def program(name, stacks=STACKS):
    """Register a test of a program, once for each stack."""

    def register(function):
        for stack in STACKS:
            def one(world, stay, stack=stack):
                row = RESULTS.setdefault(name, {})
                row[stack] = "failed"
                if stack not in world.usable:
                    row[stack] = "not tried"
                    raise Skip(f"{stack} cannot be used here")
                try:
                    result = function((KernelNet if stack.endswith("kernel") else Net)(world, stay, stack))
                except No as reason:
                    row[stack] = f"no: {reason}"
                    raise
                except Skip as reason:
                    row[stack] = f"not tried: {reason}"
                    raise
                row[stack] = "yes"
                return result

            one.__name__ = f"{name.replace(' ', '_')}/{stack}"
            test(one)
        return function

    return register


def python(script, *arguments):
    """The words that run one of our scripts."""
    return [PYTHON, "-u", "-c", script, *arguments]


# ---------------------------------------------------------------------------------------------------------- the web


def web(net):
    return net.server([PYTHON, "-m", "http.server", "-d", net.world.dir, "80"], 80)


def same(net, path):
    with open(path, "rb") as file:
        check(hashlib.sha256(file.read()).hexdigest() == net.world.hash, "what was fetched is not what is there")


@program("curl")
def curl(net):
    need("curl")
    web(net)
    net.client("curl", "-sS", "-o", f"{net.path}/got", f"http://{SERVER4}/blob")
    same(net, f"{net.path}/got")


# A gigabyte takes a minute and more for each stack.
LARGE, LARGE_TEXT = (1 << 30, "1 GB") if os.environ.get("FULL") == "1" else (64 << 20, "64 MB")


@program(f"curl, {LARGE_TEXT}")
def curl_large(net):
    """From nginx, by sendfile; the hash is made of what comes."""
    need("curl", "nginx", "sha256sum")
    large, block, sha = f"{net.world.dir}/large", os.urandom(1 << 20), hashlib.sha256()
    with open(large, "wb") as file:
        for number in range(LARGE // len(block)):
            block = number.to_bytes(8, "big") + block[8:]
            file.write(block)
            sha.update(block)
    net.stay.callback(os.unlink, large)
    net.stay.callback(setattr, harness, "TIMEOUT", harness.TIMEOUT)
    harness.TIMEOUT = 600
    nginx_server(net)
    got = net.client("sh", "-c", f"curl -sS http://{SERVER4}/large | sha256sum")
    check(got.split()[0] == sha.hexdigest(), "what was fetched is not what is there")


@program("curl HTTPS")
def curl_https(net):
    """With nginx, by HTTP/2, and a certificate of a CA of our own."""
    need("curl", "openssl", "nginx")
    nginx_server(net, tls=True)
    version = net.client("curl", "-sS", "--http2", "--cacert", f"{net.path}/ca.pem", "-o", f"{net.path}/got", "-w", "%{http_version}\n",
                         "--resolve", f"www.example:443:{SERVER4}", "https://www.example/blob")
    check(version == "2\n", f"HTTP/{version}")
    same(net, f"{net.path}/got")
    refused = net.node(f"vde://{net.path}/lan", 2, "--", "curl", "-sS", "--resolve", f"www.example:443:{SERVER4}", "https://www.example/blob")
    check(subprocess.run(refused, capture_output=True, check=False, timeout=TIMEOUT).returncode == 60, "a stranger's certificate is accepted")


@program("wget")
def wget(net):
    need("wget")
    web(net)
    net.client("wget", "-q", "-O", f"{net.path}/got", f"http://{SERVER4}/blob")
    same(net, f"{net.path}/got")


def nginx_server(net, tls=False):
    user = f"user {'root' if os.geteuid() == 0 else 'nobody'};" if os.geteuid() == 0 else ""
    listen = "listen 80; listen [::]:80;"
    if tls:
        run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=www.example", "-addext",
             "subjectAltName=DNS:www.example", "-keyout", f"{net.path}/key.pem", "-out", f"{net.path}/ca.pem"])
        listen += f"listen 443 ssl http2; ssl_certificate {net.path}/ca.pem; ssl_certificate_key {net.path}/key.pem;"
    temporary = "".join(f"{kind}_temp_path {net.path}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    with open(f"{net.path}/nginx.conf", "w", encoding="ascii") as file:
        file.write(f"""{user} worker_processes 2; pid {net.path}/nginx.pid; error_log {net.path}/error.log; daemon off;
            events {{ worker_connections 64; }}
            http {{ access_log off; sendfile on; {temporary}
                server {{ {listen} root {net.world.dir}; }} }}""")
    return net.server(["nginx", "-p", net.path, "-e", f"{net.path}/error.log", "-c", f"{net.path}/nginx.conf"], 80)


@program("nginx")
def nginx(net):
    """Two workers; a file by sendfile; new workers while a transfer is under way."""
    need("nginx", "curl")
    nginx_server(net)
    net.client("curl", "-sS", "-o", f"{net.path}/got", f"http://{SERVER4}/blob")
    same(net, f"{net.path}/got")
    net.client("curl", "-sS", "-g", "-o", f"{net.path}/got6", f"http://[{SERVER6}]/blob")
    same(net, f"{net.path}/got6")
    slow = net.background(net.node(f"vde://{net.path}/lan", 2, "--", "curl", "-sS", "--limit-rate", "8M", "-o", f"{net.path}/slow", f"http://{SERVER4}/blob"))
    wait_until(lambda: os.path.exists(f"{net.path}/slow"), "the slow transfer does not begin")
    with open(f"{net.path}/nginx.pid", encoding="ascii") as file:
        os.kill(int(file.read()), signal.SIGHUP)
    slow.finish()
    same(net, f"{net.path}/slow")
    net.client("curl", "-sS", "-o", f"{net.path}/after", f"http://{SERVER4}/blob", number=3)
    same(net, f"{net.path}/after")


# ----------------------------------------------------------------------------------------------------- throughput


@program("iperf3")
def iperf3(net):
    """TCP and UDP, both ways, several at a time, IPv4 and IPv6."""
    need("iperf3")
    net.server(["iperf3", "-s", "--forceflush"], "Server listening")
    for server, options in ((SERVER4, ()), (SERVER4, ("-R",)), (SERVER4, ("-P", "3")), (SERVER6, ()),
                            (SERVER4, ("-u", "-b", "10M")), (SERVER4, ("-u", "-b", "10M", "-R")), (SERVER6, ("-u", "-b", "10M"))):
        result = json.loads(net.client("iperf3", "-J", "-t", "1", "-c", server, *options))
        total = result["end"].get("sum_received", result["end"].get("sum"))
        check(total is not None, f"{options}: {result.get('error', 'no sum')}")
        least = 20_000 if "-u" in options else 500_000  # datagrams get lost on a loaded machine
        check(total["bytes"] > least, f"{options}: {total['bytes']} bytes")


@program("redis")
def redis(net):
    need("redis-server", "redis-cli", "redis-benchmark")
    net.server(["redis-server", "--bind", "0.0.0.0", "--protected-mode", "no", "--save", "", "--dir", net.path], 6379)
    check(net.client("redis-cli", "-h", SERVER4, "SET", "key", "value") == "OK\n", "SET")
    check(net.client("redis-cli", "-h", SERVER4, "GET", "key") == "value\n", "GET")
    output = net.client("redis-benchmark", "-h", SERVER4, "-n", "2000", "-c", "20", "-t", "set,get", "-q")
    check(output.count("requests per second") >= 2, output)


# ----------------------------------------------------------------------------------------------------------- shells


@program("OpenSSH")
def openssh(net):
    """sshd without root serves its own user; a command, its status, and a file by standard input."""
    need("ssh", "sshd", "ssh-keygen")
    # The account's directories, and the address of the peer, are in the environment of a session.
    for key in ("host", "user"):
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{net.path}/{key}"])
    shutil.copy(f"{net.path}/user.pub", f"{net.path}/authorized")
    if os.geteuid() == 0:
        os.makedirs("/run/sshd", exist_ok=True)
    elif subprocess.run(["getent", "passwd", str(os.geteuid())], capture_output=True, text=True, check=False).stdout.strip().endswith(("nologin", "false")):
        raise Skip("the user of this test may not log in")
    user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    with open(f"{net.path}/sshd_config", "w", encoding="ascii") as file:
        file.write(f"Port 22\nHostKey {net.path}/host\nPidFile none\nAuthorizedKeysFile {net.path}/authorized\nStrictModes no\n"
                   "UsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\n")
    net.server([shutil.which("sshd"), "-D", "-e", "-f", f"{net.path}/sshd_config"], 22)
    ssh = ["ssh", "-F", "none", "-i", f"{net.path}/user", "-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={net.path}/known",
           "-o", "BatchMode=yes", f"{user}@{SERVER4}"]
    check(net.client(*ssh, "echo from $SSH_CONNECTION; exit 3", status=3).startswith(f"from {CLIENT4} "), "another connection")
    with open(net.world.blob, "rb") as blob:
        command = net.node(f"vde://{net.path}/lan", 2, "--", *ssh, "sha256sum")
        done = subprocess.run(command, stdin=blob, capture_output=True, text=True, check=False, timeout=TIMEOUT)
    check(done.stdout.startswith(net.world.hash), f"{done.stdout}{done.stderr}")


@program("bash")
def bash(net):
    """Pipes, children, exec, /dev/tcp, an inetd of three lines."""
    web(net)
    script = f"""set -e
        exec 3<>/dev/tcp/{SERVER4}/80
        printf 'GET /blob HTTP/1.0\\r\\n\\r\\n' >&3
        cat <&3 | tail -c 8000000 | sha256sum
        env -i sh -c 'exec /usr/bin/env -i {PYTHON} -c "import socket; print(socket.create_connection((\\"{SERVER4}\\", 80)).getsockname()[0])"'"""
    output = net.client("bash", "-c", script)
    check(net.world.hash in output and CLIENT4 in output, output)


# ---------------------------------------------------------------------------------------------------------- Python

ASYNC_SERVER = """
import asyncio
async def serve(reader, writer):
    while data := await reader.read(65536):
        writer.write(data); await writer.drain()
    writer.close()
async def main():
    server = await asyncio.start_server(serve, ["0.0.0.0", "::"], 7)
    print("ready", flush=True)
    await server.serve_forever()
asyncio.run(main())
"""
ASYNC_CLIENT = """
import asyncio, os, sys
async def one(host, n):
    reader, writer = await asyncio.open_connection(host, 7)
    data = os.urandom(100000 + n)
    writer.write(data); writer.write_eof()
    assert await reader.read() == data
    writer.close(); await writer.wait_closed()
async def main():
    await asyncio.gather(*(one(host, n) for host in sys.argv[1:] for n in range(20)))
asyncio.run(main())
"""


@program("Python asyncio")
def python_asyncio(net):
    net.server(python(ASYNC_SERVER), "ready")
    net.client(*python(ASYNC_CLIENT, SERVER4, SERVER6))


SOCKETS_SERVER = """
import array, os, select, socket, socketserver, threading
class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile: self.wfile.write(line)
class Server(socketserver.ForkingMixIn, socketserver.TCPServer): allow_reuse_address = True
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("", 7))
def echo():
    while True:
        data, control, flags, peer = udp.recvmsg(2000, 100)
        udp.sendmsg([data], [], 0, peer)
threading.Thread(target=echo, daemon=True).start()
with Server(("", 7), Echo) as server:
    print("ready", flush=True)
    server.serve_forever()
"""
SOCKETS_CLIENT = """
import array, errno, os, select, socket, subprocess, sys
host = sys.argv[1]
s = socket.create_connection((host, 7))
assert s.getpeername() == (host, 7) and s.getsockname()[0] == "10.0.0.2" and s.family == socket.AF_INET
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1); assert s.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
with s.makefile("rw") as f:
    print("by stdio", file=f, flush=True); assert f.readline() == "by stdio\\n"
s.setblocking(False)
try: s.recv(1); raise AssertionError
except BlockingIOError: pass
s.send(b"ready?\\n"); assert select.select([s], [], [], 30)[0]; assert s.recv(100, socket.MSG_PEEK) == s.recv(100)
s.setblocking(True)
# a copy, a child that inherits it as its standard streams, a descriptor in a message
out = subprocess.run(["sh", "-c", "echo from a child; read line; echo $line >&2"], stdin=os.dup(s.fileno()), stdout=s.fileno(), stderr=subprocess.PIPE, check=True)
assert out.stderr == b"from a child\\n", out
a, b = socket.socketpair()
socket.send_fds(a, [b"x"], [s.fileno()])
_, fds, _, _ = socket.recv_fds(b, 1, 1)
t = socket.socket(fileno=fds[0]); s.close()
t.sendall(b"moved\\n"); assert t.recv(100) == b"moved\\n" and t.getpeername() == (host, 7)
t.shutdown(socket.SHUT_WR); assert t.recv(1) == b""; t.close()
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.connect((host, 7))
os.write(u.fileno(), b"datagram"); assert os.read(u.fileno(), 100) == b"datagram"
u.sendto(b"two", (host, 7)); data, peer = u.recvfrom(100); assert (data, peer) == (b"two", (host, 7))
try: socket.create_connection((host, 9)); raise AssertionError
except ConnectionRefusedError: pass
assert "vde0" in [name for _, name in socket.if_nameindex()] and socket.if_nametoindex("vde0") > 0
l = socket.create_server(("", 0)); port = l.getsockname()[1]
if os.fork() == 0:
    c = socket.create_connection(("127.0.0.1", port)); c.sendall(b"child"); os._exit(0)
c, _ = l.accept(); assert c.recv(5) == b"child"; os.wait()
print("all well")
"""


@program("Python socket")
def python_socket(net):
    net.server(python(SOCKETS_SERVER), "ready")
    check(net.client(*python(SOCKETS_CLIENT, SERVER4)) == "all well\n", "not all well")


# ------------------------------------------------------------------------------------------------------- small tools


@program("socat")
def socat(net):
    need("socat")
    net.server(["socat", "TCP4-LISTEN:7,fork", "EXEC:cat"], 7)
    check(net.client("socat", "-t30", "-", f"TCP4:{SERVER4}:7", input="through socat") == "through socat", "another text")


@program("ncat")
def ncat(net):
    need("ncat")
    server = net.background(net.node(f"switch://{net.path}/lan", 1, "--", "ncat", "-v", "-l", "7"), stderr=subprocess.STDOUT)
    server.wait_for("Listening on 0.0.0.0:7")
    net.client("ncat", SERVER4, "7", input="through ncat\n")
    server.wait_for("through ncat")


@program("ping")
def ping(net):
    need("ping")
    net.server(["cat"])
    net.wait_network()
    for address, options in ((SERVER4, ()), (SERVER6, ()), (SERVER4, ("-s", "3000"))):
        output = net.client("ping", "-c", "2", "-i", "0.2", "-W", "30", *options, address)
        check(", 0% packet loss" in output, output)


@program("tcpdump")
def tcpdump(net):
    need("tcpdump", "ping")
    if net.stack == "lwip":
        raise No("libpcap wants packet sockets with rings (PACKET_RX_RING); `--pcap FILE` captures on every stack")
    dump = net.background(net.node(f"switch://{net.path}/lan", 1, "--", "tcpdump", "-n", "-l", "-i", "vde0", "-c", "2", "icmp"), stderr=subprocess.STDOUT)
    dump.wait_for("listening on vde0")
    net.client("ping", "-c", "1", SERVER4)
    output = dump.finish()
    check(f"{CLIENT4} > {SERVER4}: ICMP echo request" in output and "echo reply" in output, output)


@program("tshark")
def tshark(net):
    need("tshark", "ping")
    if net.stack == "lwip":
        raise No("as tcpdump")
    dump = net.background(net.node(f"switch://{net.path}/lan", 1, "--", "tshark", "-n", "-l", "-i", "vde0", "-c", "2", "-f", "icmp",
                                   "-T", "fields", "-e", "ip.src", "-e", "icmp.type"), stderr=subprocess.PIPE)
    for line in dump.process.stderr:
        if "Capturing on" in line:
            break
    # The file of the capture is there before it is being filled, and nothing is said about the latter.
    for _ in range(50):
        net.client("ping", "-c", "1", SERVER4, number=2)
        if dump.process.poll() is not None or select.select([dump.process.stdout], [], [], 1)[0]:
            break
    output = dump.finish()
    check(f"{CLIENT4}\t8" in output and f"{SERVER4}\t0" in output, output)


@program("ip")
def ip(net):
    """Showing and changing: links, addresses, routes, neighbours; a monitor."""
    need("ip")
    output = net.alone("sh", "-ec", """
        ip monitor address & monitor=$!
        ip link set vde0 down; ip link set vde0 address 02:00:00:00:00:09; ip link set vde0 up
        ip address add fd00::9/64 dev vde0
        ip address add 192.0.2.1/24 dev vde0; ip address del 10.0.0.1/24 dev vde0
        ip route add 198.51.100.0/24 via 192.0.2.9; ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:08 dev vde0
        ip -json link show vde0; ip -4 route; ip neigh; ip -6 address show dev vde0
        kill $monitor; wait $monitor || true""")
    for text in ("02:00:00:00:00:09", "198.51.100.0/24 via 192.0.2.9", "192.0.2.9 dev vde0 lladdr 02:00:00:00:00:08", "fd00::9/64", "192.0.2.1/24"):
        check(text in output, f"no {text}: {output}")


@program("ss")
def ss(net):
    need("ss")
    if net.stack == "lwip":
        raise No("the stack does not answer sock_diag(7)")
    output = net.alone("sh", "-c", f"{PYTHON} -c 'import socket, subprocess; s = socket.create_server((\"\", 4321)); subprocess.run([\"ss\", \"-tln\"])'")
    check(":4321" in output, output)


# ------------------------------------------------------------------------------------------------------------ names

DNS_SERVER = """
import socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("10.0.0.1", 53)); print("ready", flush=True)
NAMES = {b"www.example": ("192.0.2.80", "2001:db8::80")}
while True:
    q, peer = s.recvfrom(1000)
    at, labels = 12, []
    while q[at]: labels.append(q[at + 1:at + 1 + q[at]]); at += 1 + q[at]
    name, (kind,) = b".".join(labels).lower(), struct.unpack("!H", q[at + 1:at + 3])
    question, answer = q[12:at + 5], b""
    if name in NAMES and kind in (1, 28):
        data = socket.inet_pton(socket.AF_INET if kind == 1 else socket.AF_INET6, NAMES[name][kind == 28])
        answer = b"\\xc0\\x0c" + struct.pack("!HHIH", kind, 1, 60, len(data)) + data
    if name == b"80.2.0.192.in-addr.arpa" and kind == 12:
        data = b"\\x03www\\x07example\\0"; answer = b"\\xc0\\x0c" + struct.pack("!HHIH", 12, 1, 60, len(data)) + data
    known = name in NAMES or answer
    s.sendto(q[:2] + struct.pack("!HHHHH", 0x8580 | (0 if known else 3), 1, 1 if answer else 0, 0, 0) + question + answer, peer)
"""


@program("getent")
def getent(net):
    """getaddrinfo, gethostbyname2, gethostbyaddr: a name server, a search list, a hosts file, and nobody to ask."""
    if not net.names:
        check(net.client("getent", "ahosts", "localhost") == run(["getent", "ahosts", "localhost"]), "not the names of this machine")
        return
    net.server(python(DNS_SERVER), "ready")
    dns = ("--dns", SERVER4)
    output = net.client("getent", "ahosts", "www.example", options=dns)
    check("192.0.2.80" in output and "2001:db8::80" in output, output)
    check("192.0.2.80" in net.client("getent", "ahostsv4", "www", options=(*dns, "--search", "example")), "no search")
    check("2001:db8::80" in net.client("getent", "hosts", "www.example", options=dns), "gethostbyname2")
    check("www.example" in net.client("getent", "hosts", "192.0.2.80", options=dns), "gethostbyaddr")
    with open(f"{net.path}/hosts", "w", encoding="ascii") as file:
        file.write("192.0.2.7 seven.example\n")
    check("192.0.2.7" in net.client("getent", "ahosts", "seven.example", options=("--hosts", f"{net.path}/hosts")), "no hosts file")
    net.client("getent", "hosts", "nowhere.example", options=dns, status=2)
    net.client("getent", "hosts", "www.example", status=2)
    service = "http" if os.path.exists("/etc/services") else "80"  # a machine may do without the list (package netbase)
    output = net.client(*python(f"import socket; print(socket.getnameinfo(('192.0.2.80', 80), 0), socket.getaddrinfo('www.example', '{service}', "
                                "socket.AF_INET, socket.SOCK_STREAM, 0, socket.AI_CANONNAME))"), options=dns)
    script = ("import ctypes; libc = ctypes.CDLL(None); buf = ctypes.create_string_buffer(512); n = libc.res_query(b'www.example', 1, 1, buf, 512); "
              "print(n > 0 and bytes((192, 0, 2, 80)) in buf.raw, libc.res_query(b'nowhere.example', 1, 1, buf, 512))")
    check(net.client(*python(script), options=dns) == "True -1\n", "res_query")
    check(f"('www.example', '{service}')" in output and "'www.example', ('192.0.2.80', 80)" in output, output)


@program("dig")
def dig(net):
    need("dig")
    net.server(python(DNS_SERVER), "ready")
    check(net.client("dig", "+short", "+noedns", f"@{SERVER4}", "www.example", "A") == "192.0.2.80\n", "by address")
    if not net.names:
        return
    check(net.client("dig", "+short", "+noedns", "www.example", "AAAA", options=("--dns", SERVER4)) == "2001:db8::80\n", "by resolv.conf")


# -------------------------------------------------------------------------------------------------- static programs


@program("static (busybox)")
def static(net):
    need("busybox")
    if net.stack == "lwip":
        command = net.node(f"switch://{net.path}/lan", 1, "--", "busybox", "true")
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT)
        check(done.returncode == 126 and done.stderr.count("\n") == 1 and "vdestack" in done.stderr, done.stderr)
        child = net.alone("sh", "-c", "busybox true 2>&1; echo $?")
        check("vdestack" in child and child.endswith("126\n"), child)
        raise No("refused with one line that names the alternative; a library cannot be loaded into it")
    web(net)
    net.client("busybox", "wget", "-q", "-O", f"{net.path}/got", f"http://{SERVER4}/blob")
    same(net, f"{net.path}/got")


GO = """package main
import ("fmt"; "io"; "net"; "net/http"; "os")
func main() {
	answer, err := http.Get(os.Args[1])
	if err != nil { fmt.Println(err); os.Exit(1) }
	body, _ := io.ReadAll(answer.Body)
	interfaces, _ := net.Interfaces()
	fmt.Println(len(body), interfaces[1].Name)
}
"""


@program("Go")
def go(net):
    need("go")
    if net.stack == "lwip":
        raise No("Go programs make system calls without the C library")
    with open(f"{net.path}/main.go", "w", encoding="ascii") as file:
        file.write(GO)
    env = {**os.environ, "CGO_ENABLED": "0", "GOCACHE": f"{net.world.dir}/go-cache", "GOPATH": f"{net.path}/go", "GOFLAGS": "-mod=mod", "HOME": net.path}
    net.stay.callback(setattr, harness, "TIMEOUT", harness.TIMEOUT)
    harness.TIMEOUT = 600  # all of the HTTP client is compiled
    run(["go", "build", "-o", f"{net.path}/fetch", f"{net.path}/main.go"], env=env)
    web(net)
    check(net.client(f"{net.path}/fetch", f"http://{SERVER4}/blob") == "8000000 vde0\n", "another answer")


# ------------------------------------------------------------------------------------------------------------ table


def write_table(path):
    """docs/compatibility.md: the text between the two marks is what this run found."""
    rows = ["| program | " + " | ".join(STACKS) + " |", "|---" * (len(STACKS) + 1) + "|"]
    for name, row in RESULTS.items():
        rows.append(f"| {name} | " + " | ".join(row.get(stack, "") for stack in STACKS) + " |")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    new = re.sub(r"(<!-- table -->\n).*?(<!-- end -->)", lambda m: m.group(1) + "\n".join(rows) + "\n" + m.group(2), text, flags=re.S)
    with open(path, "w", encoding="utf-8") as file:
        file.write(new)


def main():
    arguments = sys.argv[1:]
    table = None
    if "--table" in arguments:
        at = arguments.index("--table")
        table = os.path.abspath(arguments[at + 1])
        del arguments[at:at + 2]
    if not arguments:
        sys.exit(__doc__)
    harness.TIMEOUT = 60
    world = World(arguments[0])
    try:
        status = run_tests("programs", world, arguments[1:])
        if table:
            write_table(table)
        return status
    finally:
        shutil.rmtree(world.dir, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
