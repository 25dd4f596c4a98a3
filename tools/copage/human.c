/*
 * human.c - numbers, times and tables as people read them
 */
#include "human.h"

#include "report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct table_cell {
	enum tint tint;
	char *text;
};

void *need_memory(void *old, size_t size_bytes)
{
	void *new = realloc(old, size_bytes ? size_bytes : 1);

	if (!new)
		exit((int)fail(STATUS_LIMIT, "out of memory"));
	return new;
}

/* Three digits are what a reader takes in, so the number of decimals follows the size. */
static char *scaled(char *text, double number, double step, const char *const *units)
{
	size_t unit = 0;

	while (number >= step * 0.9995 && units[unit + 1]) {
		number /= step;
		unit++;
	}
	snprintf(text, HUMAN_MAX, "%.*f%s%s", unit == 0 || number >= 99.95 ? 0 : 1, number,
		 *units[unit] ? " " : "", units[unit]);
	return text;
}

char *human_bytes(char *text, double bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", NULL };

	return scaled(text, bytes, 1024, units);
}

char *human_count(char *text, double count)
{
	static const char *const units[] = { "", "k", "M", "G", "T", "P", NULL };

	return scaled(text, count, 1000, units);
}

char *human_digits(char *text, uint64_t number)
{
	char digits[HUMAN_MAX];
	int length = snprintf(digits, sizeof(digits), "%" PRIu64, number);
	char *to = text;

	for (int i = 0; i < length; i++) {
		if (i > 0 && (length - i) % 3 == 0)
			*to++ = ',';
		*to++ = digits[i];
	}
	*to = '\0';
	return text;
}

char *human_time(char *text, int64_t realtime_ns)
{
	time_t seconds = (time_t)(realtime_ns / 1000000000);
	struct tm parts;

	if (realtime_ns <= 0 || !localtime_r(&seconds, &parts) ||
	    strftime(text, HUMAN_MAX, "%Y-%m-%d %H:%M:%S", &parts) == 0)
		snprintf(text, HUMAN_MAX, "-");
	return text;
}

char *human_time_iso(char *text, int64_t realtime_ns)
{
	time_t seconds = (time_t)(realtime_ns / 1000000000);
	struct tm parts;
	size_t used = 0;

	if (realtime_ns > 0 && gmtime_r(&seconds, &parts))
		used = strftime(text, HUMAN_MAX, "%Y-%m-%dT%H:%M:%S", &parts);
	if (used)
		snprintf(text + used, HUMAN_MAX - used, ".%09dZ", (int)(realtime_ns % 1000000000));
	else
		*text = '\0';
	return text;
}

bool colour_wanted(void)
{
	const char *no_color = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(no_color && *no_color) &&
	       !(term && strcmp(term, "dumb") == 0);
}

static void add(struct table *table, enum tint tint, char *text)
{
	if (table->cells == table->room) {
		table->room = table->room ? table->room * 2 : 64;
		table->cell = need_memory(table->cell, table->room * sizeof(*table->cell));
	}
	table->cell[table->cells++] = (struct table_cell){ tint, text };
}

void table_begin(struct table *table, size_t columns, const char *const *heads, const bool *right)
{
	*table = (struct table){ .columns = columns, .right = right };
	for (size_t i = 0; i < columns; i++)
		table_add(table, TINT_HEAD, "%s", heads[i]);
}

void table_add(struct table *table, enum tint tint, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		exit((int)fail(STATUS_LIMIT, "out of memory"));
	va_end(args);
	add(table, tint, text);
}

static size_t column_width(const struct table *table, size_t column)
{
	size_t width = 0;

	for (size_t i = column; i < table->cells; i += table->columns)
		if (strlen(table->cell[i].text) > width)
			width = strlen(table->cell[i].text);
	return width;
}

/* The blanks are printed outside the colour, so that widths stay what they are without it. */
static void print_cell(const struct table_cell *cell, size_t width, bool right, bool colour)
{
	static const char *const codes[] = { "", "\033[1m", "\033[32m", "\033[33m", "\033[31m" };
	size_t length = strlen(cell->text);
	int blanks = length < width ? (int)(width - length) : 0;
	bool tinted = colour && cell->tint != TINT_NONE;

	if (right)
		printf("%*s", blanks, "");
	printf("%s%s%s", tinted ? codes[cell->tint] : "", cell->text, tinted ? "\033[0m" : "");
	if (!right)
		printf("%*s", blanks, "");
}

void table_end(struct table *table)
{
	bool colour = colour_wanted();
	size_t *width = need_memory(NULL, table->columns * sizeof(*width));

	for (size_t column = 0; column < table->columns; column++)
		width[column] = column_width(table, column);
	/* Nothing is aligned behind the last column of words: no blanks at the end of a line. */
	if (!table->right[table->columns - 1])
		width[table->columns - 1] = 0;
	for (size_t row = 0; row < table->cells; row += table->columns) {
		for (size_t column = 0; column < table->columns; column++) {
			print_cell(&table->cell[row + column], width[column], table->right[column],
				   colour);
			fputs(column + 1 < table->columns ? "  " : "\n", stdout);
		}
	}
	for (size_t i = 0; i < table->cells; i++)
		free(table->cell[i].text);
	free(table->cell);
	free(width);
}
