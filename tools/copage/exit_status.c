/*
 * exit_status.c - from the library's errors to exit statuses, and the table in words
 */
#include "exit_status.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum exit_status status_of(int error)
{
	switch (abs(error)) {
	case 0:
		return STATUS_OK;
	case EINVAL:
	case E2BIG:
	case ENAMETOOLONG:
		return STATUS_USAGE;
	case ENOENT:
	case ENOTDIR:
		return STATUS_NOT_FOUND;
	case EEXIST:
		return STATUS_EXISTS;
	case EBUSY:
		return STATUS_BUSY;
	case EAGAIN:
		return STATUS_FULL;
	case ETIMEDOUT:
		return STATUS_TIMED_OUT;
	case EACCES:
	case EPERM:
	case EROFS:
		return STATUS_DENIED;
	case ENOSPC:
	case EDQUOT:
		return STATUS_NO_SPACE;
	case EMSGSIZE:
		return STATUS_TOO_LARGE;
	case EBADMSG:
		return STATUS_CORRUPT;
	case EPROTO:
		return STATUS_VERSION;
	case EOWNERDEAD:
		return STATUS_DIED;
	case EOVERFLOW:
		return STATUS_GAP;
	case ENOMEM:
	case EMFILE:
	case ENFILE:
		return STATUS_LIMIT;
	case ESTALE:
		return STATUS_REPLACED;
	default:
		return STATUS_FAILED;
	}
}

void exit_status_print(void)
{
#define X(name, number, text) printf("%5d  %s\n", number, text);
	EXIT_STATUSES(X)
#undef X
}
