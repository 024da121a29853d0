/* mantables.c: prints the part of a section-7 manual page that the class records know: names, briefs,
 * references and option tables of a family's members, or the keys of a configuration, in mdoc.
 * Run by man-tables.sh; never needed to build or install.
 *
 *     mantables FAMILY|config
 * SPDX-License-Identifier: BSD-3-Clause */
#include <scorefield.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 76 };

/* Whether `word` ends a sentence and another one follows: "al." and "eq." do not. */
static int ends_sentence(const char *word, size_t len, const char *rest)
{
	rest += strspn(rest, " \n");
	return len > 2 && word[len - 1] == '.' && islower((unsigned char)word[len - 2]) &&
	       strcmp(word, "al.") != 0 && strcmp(word, "eq.") != 0 && isupper((unsigned char)*rest);
}

/* Running text, filled, with what roff would take for its own escaped. `stop` ends it with a full
 * stop. A sentence's end is a line's end, as mdoc wants it. */
static void text(const char *s, int stop)
{
	char word[256];
	size_t column = 0, i, n;

	while (*s) {
		n = strcspn(s, " \n");
		if (n > 0) {
			size_t len = 0;

			for (i = 0; i < n && len < sizeof word - 4; i++) {
				if (s[i] == '\\')
					word[len++] = '\\', word[len++] = 'e';
				else
					word[len++] = s[i];
			}
			word[len] = '\0';
			if (column > 0 && column + len + 1 > WIDTH) {
				putchar('\n');
				column = 0;
			} else if (column > 0) {
				putchar(' ');
				column++;
			}
			if (column == 0 && (word[0] == '.' || word[0] == '\''))
				fputs("\\&", stdout);
			fputs(word, stdout);
			column += len;
			if (ends_sentence(word, len, s + n)) {
				putchar('\n');
				column = 0;
			}
		}
		s += n;
		s += strspn(s, " \n");
	}
	if (stop && column > 0)
		putchar('.');
	if (column > 0)
		putchar('\n');
}

static void sentence(const char *s)
{
	size_t n = strlen(s);
	char *copy = malloc(n + 1);

	if (!copy)
		exit(EXIT_FAILURE);
	memcpy(copy, s, n + 1);
	/* a symbol such as x_t keeps its case; a word gets a capital */
	if (n > 1 && islower((unsigned char)copy[1]))
		copy[0] = (char)toupper((unsigned char)copy[0]);
	text(copy, n > 0 && !strchr(".!?", s[n - 1]));
	free(copy);
}

static void option(const sf_opt *o)
{
	static const char *const types[] = {"number", "integer", "boolean", "choice", "text", "list"};

	printf(".It Cm %s Ns = Ns Ar %s\n", o->name, types[o->type]);
	sentence(o->help);
	if (o->type == SF_OPT_CHOICE) {
		const char *c = o->choices;

		printf("One of\n");
		while (*c) {
			int len = (int)strcspn(c, "|");

			printf(".Ql %.*s %c\n", len, c, c[len] ? ',' : '.');
			c += c[len] ? len + 1 : len;
		}
	} else if (o->min < o->max) {
		if (o->min < -1e300 && o->max > 1e300)
			printf("Any number.\n");
		else
			printf("From %.15g to %.15g.\n", o->min, o->max);
	}
	if (o->def && *o->def)
		printf("The default is\n.Ql %s .\n", o->def);
}

static int family(const char *name)
{
	const sf_class *const *m = sf_members(name);

	if (!m) {
		fprintf(stderr, "mantables: no family '%s'\n", name);
		return EXIT_FAILURE;
	}
	for (; *m; m++) {
		const sf_opt *o = (*m)->opts;

		printf(".Ss %s\n", (*m)->name);
		sentence((*m)->brief);
		if ((*m)->ref && *(*m)->ref) {
			printf(".Pp\nReference:\n");
			text((*m)->ref, 1);
		}
		if (!o || !o->name) {
			printf(".Pp\nIt has no options.\n");
			continue;
		}
		printf(".Bl -tag -width Ds\n");
		for (; o->name; o++)
			option(o);
		printf(".El\n");
	}
	return EXIT_SUCCESS;
}

/* "a|b" becomes "a | b", which mdoc sets as alternatives. */
static void alternatives(const char *s)
{
	for (; *s; s++)
		if (*s == '|')
			fputs(" | ", stdout);
		else
			putchar(*s);
	putchar('\n');
}

static int config(void)
{
	const char *section = "";
	sf_config_key k;
	int i;

	for (i = 0; sf_config_key_at(i, &k) == 0; i++) {
		if (strcmp(section, k.section) != 0) {
			if (*section)
				printf(".El\n");
			printf(".Ss Section %s\n.Bl -tag -width Ds\n", k.section);
			section = k.section;
		}
		printf(".It Cm %s Ns = Ns Ar ", k.key);
		alternatives(k.type);
		sentence(k.help);
		if (k.def && *k.def)
			printf("The default is\n.Ql %s .\n", k.def);
	}
	if (*section)
		printf(".El\n");
	return *section ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: mantables FAMILY|config\n");
		return EXIT_FAILURE;
	}
	return strcmp(argv[1], "config") == 0 ? config() : family(argv[1]);
}
