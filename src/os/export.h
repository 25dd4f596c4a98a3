/*
 * os/export.h - marks the definitions that leave the library; all else is hidden
 */
#ifndef COP_OS_EXPORT_H
#define COP_OS_EXPORT_H

#define COP_EXPORT __attribute__((visibility("default")))

#endif
