/*
 * help.c - the help texts, and guesses at what was meant
 */
#include "report.h"
#include "verb.h"

#include <copage/topic.h>
#include <copage/version.h>

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define HELP_WIDTH 80
#define HELP_COLUMN 27 /* where the words of an option begin */

/* Print text from column on, broken between words; the cursor is at column at already. */
static void print_wrapped(const char *text, size_t at, size_t column)
{
	for (const char *word = text; *word;) {
		size_t length = strcspn(word, " ");

		if (at > column && at + 1 + length > HELP_WIDTH) {
			putchar('\n');
			at = 0;
		}
		if (at < column)
			at += (size_t)printf("%*s", (int)(column - at), "");
		else if (at > column)
			at += (size_t)printf(" ");
		at += (size_t)printf("%.*s", (int)length, word);
		word += length;
		word += strspn(word, " ");
	}
	putchar('\n');
}

static void print_option(char letter, const char *name, const char *value, const char *help)
{
	char form[80];
	char letters[5] = "    ";
	size_t width;

	if (letter)
		snprintf(letters, sizeof(letters), "-%c, ", letter);
	width = (size_t)snprintf(form, sizeof(form), "  %s--%s%s%s", letters, name,
				 value ? " " : "", value ? value : "");
	printf("%s", form);
	if (width >= HELP_COLUMN) {
		putchar('\n');
		width = 0;
	}
	print_wrapped(help, width, HELP_COLUMN);
}

void help_verb(const struct verb *verb)
{
	printf("Usage: copage %s %s\n\n%c%s.\n", verb->name, verb->operands,
	       toupper((unsigned char)*verb->summary), verb->summary + 1);
	if (verb->text)
		print_wrapped(verb->text, 0, 0);
	puts("\nOptions:");
	for (const struct option_spec *spec = verb->specs; spec->name; spec++)
		print_option(spec->id < 256 ? (char)spec->id : '\0', spec->name, spec->value,
			     spec->help);
	print_option('h', "help", NULL, "this text");
	printf("\nExamples:\n%s", verb->examples);
}

void help_overview(void)
{
	char root[PATH_MAX];

	puts("Usage: copage VERB [OPTION]... [OPERAND]...\n\n"
	     "Shared memory that you can operate: processes publish and subscribe to topics,\n"
	     "in place, with no daemon.\n\nVerbs:");
	for (size_t i = 0; verbs[i]; i++)
		printf("  %-8s %s\n", verbs[i]->name, verbs[i]->summary);
	puts("\n'copage VERB --help' explains a verb; 'copage help exit-codes' and\n"
	     "'copage help formats' explain what scripts rely on; 'copage --version' tells the\n"
	     "version.\n\n"
	     "A topic is NAME, in the default root, or DIR/NAME. The default root is the\n"
	     "directory in the environment variable COPAGE_ROOT, else /dev/shm/copage where the\n"
	     "administrator made it, else /dev/shm/copage-UID.");
	if (cop_root(root, sizeof(root)) == 0)
		printf("Here and now it is %s.\n", root);
	puts("\nTry it, in two terminals:\n"
	     "  copage sub prices\n"
	     "  copage pub prices");
}

static const char formats[] =
	"How 'pub' cuts its input into messages and 'sub' puts them together\n\n"
	"  pub --lines   a message is a line with its newline; a last line may lack it\n"
	"  pub --strip   the same without the newline\n"
	"  pub --chunk   a message is so many bytes; the last one is what remains\n"
	"  pub --framed  a message is what a frame holds\n\n"
	"  sub           every message, and a newline where the message does not end in one\n"
	"  sub --raw     every message, nothing added\n"
	"  sub --framed  every message in a frame\n"
	"  sub --json    a line of JSON for every message\n\n"
	"'pub' in lines or chunks to one 'sub --raw' gives back the input byte for byte, and so\n"
	"does --framed at both ends.\n\n"
	"A frame:\n\n"
	"    byte 0      1      2      3      4                4 + size\n"
	"      +------+------+------+------+----------- - - ---+\n"
	"      | size, little-endian       | the message       |  next frame ...\n"
	"      +------+------+------+------+----------- - - ---+\n\n"
	"The message's size does not count the four bytes themselves, and may be 0.\n\n"
	"A line of JSON, with \"data\" where the message is UTF-8 and \"base64\" where not:\n\n"
	"  {\"publisher\":\"feed\",\"sequence\":1,\"size\":6,\"data\":\"hello\\n\"}\n"
	"  {\"publisher\":\"feed\",\"sequence\":2,\"size\":3,\"base64\":\"/wD/\"}\n";

static enum exit_status run_help(int argc, char **argv)
{
	struct options options;
	const struct verb *verb;
	const char *word;

	options_begin(&options, &verb_help, argc, argv);
	while (options_next(&options))
		;
	if (!options_done(&options))
		return options.status;
	word = options_operand(&options, 0);
	verb = word ? verb_find(word) : NULL;
	if (!word)
		help_overview();
	else if (verb)
		help_verb(verb);
	else if (strcmp(word, "exit-codes") == 0)
		exit_status_print();
	else if (strcmp(word, "formats") == 0)
		fputs(formats, stdout);
	else
		return fail(STATUS_USAGE,
			    "no help on '%s'; there is help on verbs, 'exit-codes' "
			    "and 'formats'",
			    word);
	return STATUS_OK;
}

static const struct option_spec specs[] = { { 0 } };

const struct verb verb_help = {
	.name = "help",
	.operands = "[VERB | exit-codes | formats]",
	.operands_max = 1,
	.summary = "explain the command, a verb, the exit codes, or the formats",
	.examples = "  copage help pub "
		    "  copage help exit-codes\n",
	.specs = specs,
	.run = run_help,
};

#define WORD_MAX 32

/* How many letters must be put in, taken out, changed or swapped to make one word the other. */
static size_t distance(const char *a, const char *b)
{
	size_t rows[3][WORD_MAX + 1];
	size_t *before = rows[0], *last = rows[1], *row = rows[2];
	size_t width = strlen(b);

	for (size_t j = 0; j <= width; j++)
		last[j] = j;
	for (size_t i = 0; a[i]; i++) {
		size_t *free_row = before;

		row[0] = i + 1;
		for (size_t j = 0; j < width; j++) {
			size_t best = last[j] + (a[i] != b[j]);

			if (last[j + 1] + 1 < best)
				best = last[j + 1] + 1;
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (i && j && a[i] == b[j - 1] && a[i - 1] == b[j] &&
			    before[j - 1] + 1 < best)
				best = before[j - 1] + 1;
			row[j + 1] = best;
		}
		before = last;
		last = row;
		row = free_row;
	}
	return last[width];
}

const char *nearest(const char *word, const char *(*next)(const void *arg, size_t i),
		    const void *arg)
{
	const char *best = NULL;
	size_t best_distance = strlen(word) < 4 ? 2 : 3; /* as many wrong letters are no typo */
	const char *name;

	if (strlen(word) > WORD_MAX)
		return NULL;
	for (size_t i = 0; (name = next(arg, i)) && strlen(name) <= WORD_MAX; i++) {
		size_t d = distance(word, name);

		if (d < best_distance) {
			best = name;
			best_distance = d;
		}
	}
	return best;
}
