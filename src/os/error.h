/*
 * os/error.h - how the inside of the library reports a failure
 *
 * A failing function calls cop__fail() once, where most is known, and everybody above passes the
 * number on. The sentence reads "step object: reason; advice".
 */
#ifndef COP_OS_ERROR_H
#define COP_OS_ERROR_H

/* Keep the sentence as this thread's last failure and return rc, which is a negative errno. */
int cop__fail(int rc, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same, with ": " and what the errno of rc means in words behind the sentence. */
int cop__fail_os(int rc, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
