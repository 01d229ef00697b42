#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""lwip_seeds OUTPUT CAPTURE... - inputs for fuzz_lwip, made of captures (pcap, Ethernet) of real traffic.

Each connection of a capture becomes inputs of up to 24 steps: what fuzz_lwip calls "adopt", a packet whose sequence numbers are counted
from those of the packet before it in the same direction, and now and then a step of the program's side. Packets that belong to no
connection go together, by protocol. Payloads are cut to what a step can carry. Names are hashes, so the same capture makes the same files.

    build/tests/interop/... with pcap=FILE makes captures of the interop tests: scripts/test-all interop does the same traffic
"""
import hashlib
import os
import struct
import sys

ROOM = 255  # bytes of a packet in one step
STEPS = 24
RECORD, RECEIVE, AGAIN, ADOPT = 6, 2, 3, 10


def packets(path):
    """The IP packets of a capture."""
    with open(path, "rb") as file:
        data = file.read()
    if len(data) < 24:
        return
    order = {0xA1B2C3D4: "<", 0xA1B23C4D: "<"}.get(struct.unpack("<I", data[:4])[0], ">")
    at = 24
    while at + 16 <= len(data):
        length = struct.unpack(order + "I", data[at + 8 : at + 12])[0]
        frame = data[at + 16 : at + 16 + length]
        at += 16 + length
        if frame[12:14] in (b"\x08\x00", b"\x86\xdd"):
            yield frame[14:]


def header_of(packet):
    """Family, protocol, length of the IP header."""
    if packet[0] >> 4 == 4:
        return 4, packet[9], (packet[0] & 15) * 4
    return 6, packet[6], 40


def cut(packet):
    """At most ROOM bytes, with the length that they have."""
    if len(packet) <= ROOM:
        return packet
    packet = packet[:ROOM]
    if packet[0] >> 4 == 4:
        return packet[:2] + struct.pack(">H", ROOM) + packet[4:]
    return packet[:4] + struct.pack(">H", ROOM - 40) + packet[6:]


def step(packet, answer, which=0):
    packet = cut(packet)
    return bytes((ADOPT, len(packet), which, answer)) + packet


def relative(packet, header, state):
    """A segment with numbers that are counted from where the one before it in its direction ended; was it an answer?"""
    tcp = packet[header:]
    ports, seq, ack = tcp[:4], *struct.unpack(">II", tcp[4:12])
    first = state.setdefault("ports", ports)
    size = len(tcp) - (tcp[12] >> 4) * 4 + bool(tcp[13] & 2) + bool(tcp[13] & 1)
    near = (seq - state.get(ports, seq)) & 0xFFFFFFFF
    far = (ack - state.get(ports[2:] + ports[:2], ack)) & 0xFFFFFFFF
    state[ports] = (seq + size) & 0xFFFFFFFF
    changed = packet[: header + 4] + struct.pack(">II", near, far) + packet[header + 12 :]
    return changed, ports != first


def flows(path):
    """What belongs together: lists of steps."""
    state, lists = {}, {}
    for packet in packets(path):
        if len(packet) < 28:
            continue
        family, protocol, header = header_of(packet)
        if protocol == 6 and family == 4 and len(packet) >= header + 20:
            key = frozenset((packet[header : header + 2], packet[header + 2 : header + 4]))
            packet, answer = relative(packet, header, state.setdefault(key, {}))
        else:
            key, answer = (family, protocol), False
        steps = lists.setdefault(key, [])
        steps.append(step(packet, answer))
        if len(steps) % 4 == 3:
            steps.append(bytes((RECORD, 0, 0, 0)))
        if len(steps) % 8 == 5:
            steps.append(bytes((RECEIVE, 0, 0, len(steps) >> 3 & 1)))
    return lists.values()


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    output, made = sys.argv[1], set()
    os.makedirs(output, exist_ok=True)
    for path in sys.argv[2:]:
        for steps in flows(path):
            for at in range(0, min(len(steps), 8 * STEPS), STEPS):
                data = bytes((RECORD, 0, 0, 0)) + b"".join(steps[at : at + STEPS])
                name = hashlib.sha256(data).hexdigest()[:16]
                if name not in made:
                    made.add(name)
                    with open(f"{output}/{name}", "wb") as file:
                        file.write(data)
    print(f"{len(made)} inputs in {output}")


if __name__ == "__main__":
    main()
