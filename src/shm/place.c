/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * place.c - the directory of a network: its files, its locks, and who is alive.
 *
 * Who may come in is what the directory's mode and owner say: to join, a process creates sockets there. With mode=
 * everybody whom the mode lets read and write gets the right to search as well, and a group is passed on to the files
 * (S_ISGID). Without it the directory is its creator's alone.
 *
 * The directory is made by the first port and removed with the last one. A directory with anything else in it is not
 * ours, and left alone. It may vanish between being opened and being locked, so its lock file is looked at again under
 * the lock (-ESTALE).
 *
 * No lock is waited for without a limit: somebody who was stopped, or means harm, may hold it.
 */
#include "net.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LOCK "lock"
#define MODE 0600
#define PAUSE_NS 500000 /* between attempts to take a lock */

/** files_mode - of what is in the directory */
static mode_t files_mode(mode_t mode)
{
	return (mode ? mode & 0666 : MODE) | 0600;
}

/** is_ours - is it a name of a file of a network? */
static bool is_ours(const char *name)
{
	return strcmp(name, LOCK) == 0 || ((name[0] == 'm' || name[0] == 'p') && name[1] != '\0' &&
	                                   name[1 + strspn(name + 1, "0123456789")] == '\0');
}

/** each - call @what with the name of every file in the directory until it returns other than 0, which is returned */
static int each(int dirfd, int (*what)(int dirfd, const char *name))
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), result = 0;
	struct dirent *entry;
	DIR *dir;

	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	while (result == 0 && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			result = what(dirfd, entry->d_name);
	closedir(dir);
	return result;
}

static int refuse_strangers(int dirfd, const char *name)
{
	(void)dirfd;
	return is_ours(name) ? 0 : -ENOTEMPTY;
}

static int unlink_ours(int dirfd, const char *name)
{
	if (is_ours(name) && strcmp(name, LOCK) != 0)
		unlinkat(dirfd, name, 0);
	return 0;
}

int shm_place_open(const struct shm_options *options)
{
	mode_t mode = files_mode(options->mode);
	bool made = mkdir(options->path, 0700) == 0;
	int fd, err;

	if (!made && errno != EEXIST)
		return -errno;
	fd = open(options->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		err = errno == ENOENT ? -ESTALE : -errno;
		if (made)
			rmdir(options->path);
		return err;
	}
	if (!made) {
		err = faccessat(fd, LOCK, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ? 0 : each(fd, refuse_strangers);
		if (err)
			close(fd);
		return err ? err : fd;
	}
	/* Whoever reads and writes has to search. */
	mode |= (mode & 0600) == 0600 ? 0100 : 0;
	mode |= (mode & 0060) == 0060 ? 0010 : 0;
	mode |= (mode & 0006) == 0006 ? 0001 : 0;
	if ((options->group != (gid_t)-1 && fchown(fd, (uid_t)-1, options->group) != 0) ||
	    fchmod(fd, mode | (options->group != (gid_t)-1 ? S_ISGID : 0)) != 0) {
		err = -errno;
		rmdir(options->path);
		close(fd);
		return err;
	}
	return fd;
}

/* ----------------------------------------------------------------------------------------------------- locks */

/** lock_range - a command of fcntl(2) about a range of bytes of the lock file; 0 or a negative errno */
static int lock_range(int fd, int command, short type, uint32_t first, uint32_t count)
{
	struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = first, .l_len = count};

	if (fcntl(fd, command, &lock) != 0)
		return errno == EACCES ? -EAGAIN : -errno;
	return command == F_OFD_GETLK && lock.l_type != F_UNLCK ? -EAGAIN : 0;
}

int shm_place_relock(int lockfd, int ms)
{
	const struct timespec pause = {.tv_nsec = PAUSE_NS};
	int64_t attempts = (int64_t)ms * 1000000 / PAUSE_NS;
	int err;

	/* Not by the clock: where the processor is not ours for that long, the lock may be free most of the time. */
	while ((err = lock_range(lockfd, F_OFD_SETLK, F_WRLCK, 0, 1)) == -EAGAIN) {
		if (attempts-- == 0)
			return -ETIMEDOUT;
		nanosleep(&pause, NULL);
	}
	return err;
}

void shm_place_unlock(int lockfd)
{
	lock_range(lockfd, F_OFD_SETLK, F_UNLCK, 0, 1);
}

int shm_place_lock(int dirfd, int ms)
{
	int fd = openat(dirfd, LOCK, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, MODE), err;
	struct stat st = {0}, now = {0}, dir = {0};

	if (fd < 0)
		return errno == ENOENT ? -ESTALE : -errno;
	err = shm_place_relock(fd, ms);
	if (!err && (fstat(fd, &st) != 0 || fstat(dirfd, &dir) != 0))
		err = -errno;
	if (!err && (fstatat(dirfd, LOCK, &now, AT_SYMLINK_NOFOLLOW) != 0 || now.st_ino != st.st_ino ||
	             now.st_dev != st.st_dev))
		err = -ESTALE;
	if (!err && st.st_uid == geteuid() && (st.st_mode & 0777) != (dir.st_mode & 0666) &&
	    fchmod(fd, dir.st_mode & 0666) != 0)
		err = -errno;
	if (err)
		close(fd);
	return err ? err : fd;
}

bool shm_place_take(int lockfd, uint32_t port)
{
	return lock_range(lockfd, F_OFD_SETLK, F_WRLCK, 1 + port, 1) == 0;
}

void shm_place_give(int lockfd, uint32_t port)
{
	lock_range(lockfd, F_OFD_SETLK, F_UNLCK, 1 + port, 1);
}

bool shm_place_used(int lockfd, uint32_t first, uint32_t count)
{
	return lock_range(lockfd, F_OFD_GETLK, F_WRLCK, 1 + first, count) != 0;
}

/* --------------------------------------------------------------------------------------------------- sockets */

int shm_place_prefix(struct shm_net *net, const char *path)
{
	net->path = realpath(path, NULL);
	if (!net->path)
		return -errno;
	/* A path that is too long for a socket is reached through our descriptor. */
	if (strlen(net->path) < sizeof(net->prefix))
		snprintf(net->prefix, sizeof(net->prefix), "%s", net->path);
	else
		snprintf(net->prefix, sizeof(net->prefix), "/proc/self/fd/%d", net->dirfd);
	return 0;
}

socklen_t shm_place_address(const struct shm_net *net, char kind, unsigned int number, struct sockaddr_un *out)
{
	out->sun_family = AF_UNIX;
	snprintf(out->sun_path, sizeof(out->sun_path), "%s/%c%u", net->prefix, kind, number);
	return sizeof(*out);
}

void shm_place_remove(const struct shm_net *net, char kind, unsigned int number)
{
	char name[16];

	snprintf(name, sizeof(name), "%c%u", kind, number);
	unlinkat(net->dirfd, name, 0);
}

int shm_place_socket(const struct shm_net *net, int type, char kind, unsigned int number, const struct stat *dir)
{
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	struct sockaddr_un address;
	char name[16];

	if (fd < 0)
		return -errno;
	shm_place_remove(net, kind, number);
	snprintf(name, sizeof(name), "%c%u", kind, number);
	/* Until its mode is set nobody but us can connect. */
	if (fchmod(fd, MODE) != 0 ||
	    bind(fd, (struct sockaddr *)&address, shm_place_address(net, kind, number, &address)) != 0 ||
	    fchmodat(net->dirfd, name, dir->st_mode & 0666, 0) != 0) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

void shm_place_clear(int dirfd, const char *path)
{
	struct stat here, there;

	each(dirfd, unlink_ours);
	unlinkat(dirfd, LOCK, 0);
	if (fstat(dirfd, &here) == 0 && stat(path, &there) == 0 && here.st_ino == there.st_ino &&
	    here.st_dev == there.st_dev)
		rmdir(path);
}
