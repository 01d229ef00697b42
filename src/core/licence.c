/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * licence.c - which plugin may be loaded in which program.
 *
 * A plugin and the program that loads it are one work in one address space. The rule:
 *
 *  - a plugin that states no licence, or a permissive one, or the LGPL or MPL, is admitted in any program;
 *  - a plugin under the GPL is admitted when the program has declared a GPL too and the two have a version in common:
 *
 *        plugin \ program     2.0-only  2.0-or-later  3.0-only  3.0-or-later  2.0-only OR 3.0-only  nothing, other
 *        GPL-2.0-only           yes        yes          no         no                yes                 no
 *        GPL-2.0-or-later       yes        yes          yes        yes               yes                 no
 *        GPL-3.0-only           no         yes          yes        yes               yes                 no
 *        GPL-3.0-or-later       no         yes          yes        yes               yes                 no
 *
 *  - anything else (an unknown licence, an expression that cannot be read) is refused: in doubt, no.
 *
 * Licences are SPDX expressions. Each is reduced to a set of terms under which the work may be passed on; OR unites two sets; AND keeps what
 * both allow, where permissive terms give way to the GPL's; an exception (WITH) only adds permissions and is passed over. Stateless, hence thread-safe.
 */
#include "plugin.h"

#include <string.h>
#include <strings.h>

enum { GPL2 = 1, GPL3 = 2, ANY = 4 };

/* Tags that end in '*' match by prefix. The deprecated forms of the GPL tags are understood as well. */
static const struct {
	const char *tag;
	unsigned int terms;
} known[] = {
        {"GPL-2.0-only", GPL2},
        {"GPL-2.0", GPL2},
        {"GPL-2.0-or-later", GPL2 | GPL3},
        {"GPL-2.0+", GPL2 | GPL3},
        {"GPL-3.0-only", GPL3},
        {"GPL-3.0", GPL3},
        {"GPL-3.0-or-later", GPL3},
        {"GPL-3.0+", GPL3},
        {"LGPL-*", ANY},
        {"MIT*", ANY},
        {"BSD-*", ANY},
        {"0BSD", ANY},
        {"ISC", ANY},
        {"Zlib", ANY},
        {"Unlicense", ANY},
        {"CC0-1.0", ANY},
        {"BSL-1.0", ANY},
        {"MPL-2.0", ANY},
        {"Apache-2.0", ANY},
};

/** struct reader - an SPDX expression being read */
struct reader {
	const char *next;
	int depth;
	bool malformed;
};

#define MAX_DEPTH 32 /* of parentheses */

/** word - length of the word at the reader's place; parentheses are words of one byte */
static size_t word(struct reader *r)
{
	r->next += strspn(r->next, " \t\n");
	if (*r->next == '(' || *r->next == ')')
		return 1;
	return strcspn(r->next, " \t\n()");
}

/** take - consume the next word if it is @text */
static bool take(struct reader *r, const char *text)
{
	size_t len = word(r);

	if (len != strlen(text) || strncasecmp(r->next, text, len) != 0)
		return false;
	r->next += len;
	return true;
}

static unsigned int tag_terms(const char *tag, size_t len)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		size_t known_len = strlen(known[i].tag);

		if (known[i].tag[known_len - 1] == '*') {
			if (len >= known_len - 1 && strncasecmp(tag, known[i].tag, known_len - 1) == 0)
				return known[i].terms;
		} else if (len == known_len && strncasecmp(tag, known[i].tag, len) == 0) {
			return known[i].terms;
		}
	}
	return 0;
}

static unsigned int read_or(struct reader *r);

static unsigned int read_tag(struct reader *r)
{
	unsigned int terms;
	size_t len;

	if (take(r, "(")) {
		if (++r->depth > MAX_DEPTH) {
			r->malformed = true;
			return 0;
		}
		terms = read_or(r);
		r->depth--;
		r->malformed |= !take(r, ")");
		return terms;
	}
	len = word(r);
	if (len == 0 || *r->next == ')') {
		r->malformed = true;
		return 0;
	}
	terms = tag_terms(r->next, len);
	r->next += len;
	if (take(r, "WITH")) {
		len = word(r);
		r->malformed |= len == 0;
		r->next += len;
	}
	return terms;
}

static unsigned int read_and(struct reader *r)
{
	unsigned int terms = read_tag(r);

	while (!r->malformed && take(r, "AND")) {
		unsigned int more = read_tag(r);

		terms = (terms & more) | (terms & ANY ? more : 0) | (more & ANY ? terms : 0);
	}
	return terms;
}

static unsigned int read_or(struct reader *r)
{
	unsigned int terms = read_and(r);

	while (!r->malformed && take(r, "OR"))
		terms |= read_and(r);
	return terms;
}

/** licence_terms - the set of terms of an expression; empty when it cannot be read */
static unsigned int licence_terms(const char *expression)
{
	struct reader r = {.next = expression};
	unsigned int terms = read_or(&r);

	if (word(&r) != 0)
		r.malformed = true;
	return r.malformed ? 0 : terms;
}

bool ioth__licence_admits(const char *plugin, const char *program)
{
	unsigned int offered, declared;

	if (plugin == NULL)
		return true;
	offered = licence_terms(plugin);
	if (offered & ANY)
		return true;
	declared = program == NULL ? 0 : licence_terms(program);
	return (offered & declared) != 0;
}
