/*
 * copage/version.h - the version of these headers, and of the library in use
 *
 * The library follows semantic versioning; while MAJOR is 0 a MINOR step may change the API. The
 * layout of shared memory has a version of its own (docs/formats.md): processes with different
 * library versions meet as long as that agrees, and get -EPROTO with both numbers when not.
 */
#ifndef COPAGE_VERSION_H
#define COPAGE_VERSION_H

#define COP_VERSION_MAJOR 0
#define COP_VERSION_MINOR 1
#define COP_VERSION_PATCH 0
#define COP_VERSION "0.1.0"

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the library that the program runs with, as "MAJOR.MINOR.PATCH"; static. */
const char *cop_version(void);

#ifdef __cplusplus
}
#endif
#endif
