/*
 * copage/copage.h - all of Copage in one include
 *
 * Shared memory for Linux that people can operate: processes that share nothing else work on the
 * same pages. Each module's header is its manual; begin with pub.h and sub.h.
 *
 *   error.h   how calls fail: negative errno and one sentence
 *   topic.h   names, roots; create, look into, list, remove, clean up
 *   pub.h     publish messages into a topic
 *   sub.h     receive them
 *
 * Rules that hold everywhere. No call starts a thread, installs a signal handler, logs, or exits.
 * A handle may be used by one thread at a time; different handles are independent. A handle is of
 * use to the process that opened it: after fork, the child gets -ECHILD and opens its own.
 */
#ifndef COPAGE_COPAGE_H
#define COPAGE_COPAGE_H

#include <copage/error.h>
#include <copage/pub.h>
#include <copage/sub.h>
#include <copage/topic.h>
#include <copage/version.h>

#endif
