/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* left.c - accounts: what a piece of code left behind; see left.h. */
#include "left.h"
#include "wait.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/** each - call @found for every numbered entry of a directory of /proc; how many there are, or negative errno */
static int each(const char *path, void (*found)(int number, void *arg), void *arg)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int count = 0;

	if (dir == NULL)
		return -errno;
	while ((entry = readdir(dir)) != NULL) {
		int number;

		if (entry->d_name[0] == '.')
			continue;
		number = atoi(entry->d_name);
		if (found != NULL) {
			if (number == dirfd(dir))
				continue;
			found(number, arg);
		}
		count++;
	}
	closedir(dir);
	return count;
}

static void note_fd(int fd, void *arg)
{
	struct left *out = arg;

	if (fd < LEFT_FDS)
		out->open[fd / 8] |= (unsigned char)(1 << fd % 8);
}

#ifdef __SANITIZE_THREAD__
static void *nothing(void *arg)
{
	return arg;
}

/** sanitizer_thread - ThreadSanitizer starts a thread of its own with the first one of the program: not one that is left behind */
static void sanitizer_thread(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, nothing, NULL) == 0)
		pthread_join(thread, NULL);
}
#else
static void sanitizer_thread(void)
{
}
#endif

int left_count(struct left *out)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, sanitizer_thread);
	memset(out, 0, sizeof(*out));
	out->fds = each("/proc/self/fd", note_fd, out);
	out->threads = each("/proc/self/task", NULL, NULL);
	return out->fds < 0 ? out->fds : out->threads < 0 ? out->threads : 0;
}

/** struct page - text being written, cut at the end of its room */
struct page {
	char *text;
	size_t size, len;
};

__attribute__((format(printf, 2, 3))) static void say(struct page *page, const char *format, ...)
{
	va_list args;
	int n;

	if (page->len >= page->size)
		return;
	va_start(args, format);
	n = vsnprintf(page->text + page->len, page->size - page->len, format, args);
	va_end(args);
	if (n > 0)
		page->len += (size_t)n;
}

/** say_fds - name the descriptors that are in @now and not in @before */
static int say_fds(struct page *page, const struct left *before, const struct left *now)
{
	int count = 0;

	for (int fd = 0; fd < LEFT_FDS; fd++) {
		unsigned char bit = (unsigned char)(1 << fd % 8);
		char path[64], target[128];
		ssize_t len;

		if (!(now->open[fd / 8] & bit) || (before->open[fd / 8] & bit))
			continue;
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		len = readlink(path, target, sizeof(target) - 1);
		target[len < 0 ? 0 : len] = '\0';
		say(page, "%sfd %d %s", page->len ? ", " : "", fd, target);
		count++;
	}
	return count;
}

int left_since_but(const struct left *before, int kept, char *text, size_t size)
{
	long deadline = wait_now_ms() + 2000;
	struct left *now = malloc(sizeof(*now));
	struct page page = {text, size, 0};
	siginfo_t child;
	int count = 0;
	int ret;

	text[0] = '\0';
	if (now == NULL)
		return -ENOMEM;
	do {
		ret = left_count(now);
	} while (ret == 0 && (now->threads > before->threads || now->fds > before->fds + kept) && wait_again(deadline));
	if (ret == 0) {
		count = say_fds(&page, before, now);
		if (now->fds > before->fds && count == 0) {
			count = now->fds - before->fds;
			say(&page, "%d descriptors", count);
		}
		if (now->threads > before->threads) {
			say(&page, "%s%d threads", page.len ? ", " : "", now->threads - before->threads);
			count += now->threads - before->threads;
		}
		memset(&child, 0, sizeof(child));
		if (waitid(P_ALL, 0, &child, WEXITED | WNOHANG | WNOWAIT) == 0) {
			say(&page, "%sa child%s %d", page.len ? ", " : "", child.si_pid ? ", ended," : "",
			    (int)child.si_pid);
			count++;
		}
	}
	free(now);
	return ret < 0 ? ret : count;
}

int left_since(const struct left *before, char *text, size_t size)
{
	return left_since_but(before, 0, text, size);
}
