/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * secure_probe.c - can a plugin be loaded from the directory in IOTH_PLUGIN_PATH? Run by test_plugins, also
 * set-user-ID.
 *
 * Exit status: 0 yes, 1 no, 2 an error that should not be; 16 more in secure-execution mode (getauxval(3), AT_SECURE).
 */
#include <errno.h>
#include <ioth.h>
#include <sys/auxv.h>

int main(void)
{
	int secure = getauxval(AT_SECURE) ? 16 : 0;
	struct ioth *stack = ioth_newstack("permissive", NULL);

	if (!stack)
		return secure + (errno == ENOTSUP ? 1 : 2);
	return secure + (ioth_delstack(stack) == 0 ? 0 : 2);
}
