# SPDX-License-Identifier: LGPL-2.1-or-later
"""harness - programs started, watched and judged: what the drivers in this directory share."""
import contextlib
import os
import re
import shutil
import signal
import subprocess
import time

# A script that puts us into the background has us ignore ^C, and so would all that we start.
signal.signal(signal.SIGINT, signal.default_int_handler)

TIMEOUT = 90  # seconds for one command; only a hang takes that long
TESTS = []


class Skip(Exception):
    """The test cannot run here; the text says why."""


class Failed(Exception):
    """Something went wrong; the text says what."""


def test(function):
    TESTS.append(function)
    return function


def need(*programs):
    """The programs are there, or the test is skipped."""
    for program in programs:
        if shutil.which(program) is None:
            raise Skip(f"{program} is not installed")


def check(condition, text):
    if not condition:
        raise Failed(text)


def vdeplugin_path(build):
    """VDEPLUGIN_PATH by which libvdeplug finds the modules of a build; it replaces the directory of its own, which has to be named."""
    library = subprocess.check_output(["cc", "-print-file-name=libvdeplug.so"], text=True).strip()
    return f"{build}/src/shm:{os.path.dirname(library)}/vdeplug"


def wait_until(condition, text):
    """Look again and again at something that no event announces."""
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        check(time.monotonic() < deadline, text)
        time.sleep(0.01)


def text_of(command):
    """The words of a command, those that are programs themselves not in full."""
    return " ".join(word if "\n" not in word else "..." for word in command)


class Task:
    """A program in the background: it says "ready", works, and prints its result."""

    def __init__(self, command, **kwargs):
        self.command = command
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **kwargs)

    def wait_for(self, pattern):
        """Read lines until one matches."""
        for line in self.process.stdout:
            if re.search(pattern, line):
                return line
        self.process.wait()
        raise Failed(f"{text_of(self.command)} ended with status {self.process.returncode} before it was ready")

    def finish(self):
        """Let it end by itself; its remaining output."""
        try:
            output, _ = self.process.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failed(f"{text_of(self.command)} hangs") from None
        check(self.process.returncode == 0, f"{text_of(self.command)} ended with status {self.process.returncode}")
        return output

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()


def run(command, status=0, **kwargs):
    """Run a command to its end; its output."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False, **kwargs)
    except subprocess.TimeoutExpired:
        raise Failed(f"{text_of(command)} hangs") from None
    if done.returncode != status:
        raise Failed(f"{text_of(command)} ended with status {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def run_tests(title, world, pattern):
    """Run the registered tests whose name contains one of pattern (all if it is empty); the status of the program."""
    count = {"passed": 0, "failed": 0, "skipped": 0}

    def report(verdict, name, text):
        count[{"PASS": "passed", "FAIL": "failed", "SKIP": "skipped"}[verdict]] += 1
        seconds = time.monotonic() - began
        print(f"{verdict} {name}{': ' if text else ''}{text or ''} ({seconds:.1f} s)", flush=True)

    for function in TESTS:
        if pattern and not any(p in function.__name__ for p in pattern):
            continue
        began = time.monotonic()
        with contextlib.ExitStack() as stay:
            try:
                report("PASS", function.__name__, function(world, stay))
            except Skip as reason:
                report("SKIP", function.__name__, reason)
            except (Failed, OSError, subprocess.SubprocessError, ValueError, KeyError) as reason:
                report("FAIL", function.__name__, reason if isinstance(reason, Failed) else repr(reason))
    print("{}: {passed} passed, {failed} failed, {skipped} skipped".format(title, **count))
    return 1 if count["failed"] or not any(count.values()) else 0
