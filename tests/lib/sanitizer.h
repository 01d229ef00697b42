/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sanitizer.h - what tests cannot do under a sanitizer.
 */
#ifndef TESTS_LIB_SANITIZER_H
#define TESTS_LIB_SANITIZER_H

#ifndef __has_feature
#define __has_feature(feature) 0
#endif

/* ThreadSanitizer takes the threads of a child for those of its parent: there a child starts none. And it has a thread of
 * its own in each process. */
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define CHILD_MAY_START_THREADS false
#define PROCESS_HAS_ONE_THREAD false
#else
#define CHILD_MAY_START_THREADS true
#define PROCESS_HAS_ONE_THREAD true
#endif

#endif
