#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""bridge NEAR FAR VNL - join the veth pair NEAR-FAR of this namespace to a VDE network.

For machines where /dev/net/tun may not be opened, so that a TAP is impossible. Frames that leave NEAR are read from FAR by a
packet socket and handed to libvdeplug, frames from there are sent out of FAR. Prints "ready" once joined.
"""
import ctypes
import errno
import fcntl
import os
import select
import socket
import struct
import sys

FRAME_MAX = 9234
ETH_P_ALL = 3
SOL_PACKET = 263
PACKET_IGNORE_OUTGOING = 23
SIOCETHTOOL = 0x8946
ETHTOOL_OFF = {"checksums": 0x17, "tcp segmentation": 0x1F, "generic segmentation": 0x24}


def finish_frames(ifname):
    """Nobody behind a packet socket cuts large segments or fills in checksums: let the kernel do both beforehand."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for command in ETHTOOL_OFF.values():
            value = ctypes.create_string_buffer(struct.pack("II", command, 0))
            fcntl.ioctl(sock, SIOCETHTOOL, struct.pack("16sP", ifname.encode(), ctypes.addressof(value)) + bytes(16))


def join(vnl):
    """The library, the connection, and its descriptor."""
    lib = ctypes.CDLL("libvdeplug.so.2", use_errno=True)
    lib.vde_open_real.restype = ctypes.c_void_p
    lib.vde_open_real.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p]
    lib.vde_recv.restype = lib.vde_send.restype = ctypes.c_ssize_t
    lib.vde_recv.argtypes = lib.vde_send.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int]
    lib.vde_datafd.argtypes = [ctypes.c_void_p]
    conn = lib.vde_open_real(vnl.encode(), b"bridge", 1, None)
    if not conn:
        sys.exit(f"bridge: cannot join {vnl}: {os.strerror(ctypes.get_errno())}")
    return lib, conn, lib.vde_datafd(conn)


def main():
    near, far, vnl = sys.argv[1:4]
    finish_frames(near)
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sock.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    sock.bind((far, ETH_P_ALL))
    lib, conn, fd = join(vnl)
    buf = ctypes.create_string_buffer(FRAME_MAX)
    print("ready", flush=True)
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    poll.register(fd, select.POLLIN)
    while True:
        for ready, _ in poll.poll():
            if ready == fd:
                size = lib.vde_recv(conn, buf, FRAME_MAX, 0)
                if size < 0 and ctypes.get_errno() not in (errno.EAGAIN, errno.EINTR):
                    sys.exit("bridge: the network has gone")
                # a size of 1 is a management message of the switch
                if size > 14:
                    try:
                        sock.send(buf.raw[:size])
                    except OSError:  # interface down, or the frame is too long: lost, as on a cable
                        pass
            else:
                frame = sock.recv(65536)
                if len(frame) <= FRAME_MAX:
                    lib.vde_send(conn, frame, len(frame), 0)


main()
