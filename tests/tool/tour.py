#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""tour BUILD - every line of the tour in README.md, in its order, in a directory of its own instead of /tmp.

A line that ends with & is started, and what the next ones need of it is waited for: the network of switch://, the socket of ioth serve, a
listener. All others have to succeed. Prints PASS, FAIL or SKIP for each line. Status 1 when something failed.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, f"{HERE}/../interop")

from harness import TIMEOUT, Task, check, run_tests, test, wait_until  # noqa: E402

README = f"{HERE}/../../README.md"


class World:
    def __init__(self, build):
        build = os.path.abspath(build)
        self.dir = tempfile.mkdtemp(prefix="ioth-tour.")
        self.background = []
        os.environ["IOTH_PLUGIN_PATH"] = f"{build}/plugins"
        os.environ["PATH"] = f"{build}/tools/ioth:{os.environ['PATH']}:/usr/sbin:/sbin"

    def close(self):
        for task in self.background:
            task.process.terminate()
            task.kill()
        shutil.rmtree(self.dir, ignore_errors=True)


def lines():
    with open(README, encoding="utf-8") as file:
        return [line for block in re.findall(r"```tour\n(.*?)```", file.read(), re.S) for line in block.splitlines()]


def start(world, line):
    """A line of the background, till others can use it."""
    task = Task(["sh", "-c", f"exec {line} 2>&1"], cwd=world.dir)
    world.background.append(task)
    if " listen " in line:
        task.wait_for("listening on")
    for path in re.findall(r"switch://(\S+)", line):
        wait_until(lambda: os.path.exists(f"{path}/ctl"), f"no network {path}")
    for path in re.findall(r" -l (\S+)", line):
        wait_until(lambda: os.path.exists(path), f"no socket {path}")
    if "http.server" in line:
        network = re.search(r"switch://(\S+)", line).group(1)
        probe = ["ioth", "connect", "-s", "vdestack", "-n", f"vde://{network}", "-a", "10.0.0.250/24", "10.0.0.1", "80"]
        wait_until(lambda: subprocess.run(probe, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=TIMEOUT).returncode == 0,
                   "the web server does not listen")


def register(number, line):
    def one(world, stay):
        here = line.replace("/tmp/", f"{world.dir}/")
        if here.endswith("&"):
            start(world, here[:-1].strip())
            return line
        done = subprocess.run(["bash", "-o", "pipefail", "-c", here], cwd=world.dir, capture_output=True, text=True, check=False, timeout=TIMEOUT)
        check(done.returncode == 0, f"{line}: status {done.returncode}: {done.stderr.strip()}")
        if "curl" in line and "wc" not in line:
            check("Directory listing" in done.stdout, f"{line}: {done.stdout}")
        return line

    one.__name__ = f"line{number:02}"
    test(one)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    world = World(sys.argv[1])
    tour = lines()
    if not tour:
        sys.exit("README.md has no tour")
    for number, line in enumerate(tour):
        register(number, line)
    try:
        if subprocess.run(["ioth", "run", "-s", "vdestack", "true"], capture_output=True, check=False).returncode != 0:
            print("SKIP tour: it shows vdestack, and namespaces are forbidden here")
            return 0
        return run_tests("tour", world, [])
    finally:
        world.close()


if __name__ == "__main__":
    sys.exit(main())
