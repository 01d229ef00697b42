/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An object for test_lwip_plt: its functions call each other through its linkage table. */
#if defined(__GNUC__) && !defined(__clang__)
#define EXPORT __attribute__((visibility("default"), noipa))
#else
#define EXPORT __attribute__((visibility("default"), noinline))
#endif

EXPORT int plt_inner(int value);
EXPORT int plt_by_value(int value);
EXPORT int plt_outer(int value);
EXPORT int (*plt_address(void))(int);

EXPORT int plt_inner(int value)
{
	return value + 1;
}

EXPORT int plt_by_value(int value)
{
	return value + 2;
}

EXPORT int plt_outer(int value)
{
	return plt_inner(value) * 10;
}

EXPORT int (*plt_address(void))(int)
{
	return plt_by_value;
}
