/*
 * os/error.c - the last failure of each thread, as a sentence
 */
#include "os/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "copage/error.h"
#include "copage/version.h"
#include "os/export.h"

/* Paths are long; what does not fit is cut, never overrun. */
static _Thread_local char last_text[1024];

COP_EXPORT const char *cop_error_text(void)
{
	return last_text;
}

COP_EXPORT const char *cop_version(void)
{
	return COP_VERSION;
}

__attribute__((format(printf, 1, 0))) static size_t keep(const char *format, va_list args)
{
	/* Built aside, because an argument may be the text that is being replaced. */
	char text[sizeof(last_text)];
	int len = vsnprintf(text, sizeof(text), format, args);

	if (len < 0)
		len = 0;
	if ((size_t)len >= sizeof(text))
		len = sizeof(text) - 1;
	/* One line, whatever names strangers give to their files, and no words to a terminal. */
	for (int i = 0; i < len; i++)
		last_text[i] = (unsigned char)text[i] < ' ' || text[i] == 0x7f ? '?' : text[i];
	last_text[len] = '\0';
	return (size_t)len;
}

int cop__fail(int rc, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	keep(format, args);
	va_end(args);
	return rc;
}

int cop__fail_os(int rc, const char *format, ...)
{
	va_list args;
	const char *words = strerrordesc_np(-rc);

	va_start(args, format);
	size_t len = keep(format, args);
	va_end(args);
	snprintf(last_text + len, sizeof(last_text) - len, ": %s", words ? words : "unknown error");
	return rc;
}
