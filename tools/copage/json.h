/*
 * json.h - write JSON, one object a line
 *
 * Text grows in memory and is handed out when a line is complete. Output only: see
 * docs/decisions/0003-argument-parsing.md for why this is not a library.
 */
#ifndef COPAGE_TOOL_JSON_H
#define COPAGE_TOOL_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json {
	char *text; /* what is written so far; not terminated by zero */
	size_t size;
	size_t room;
	bool comma; /* the next value or key needs one before it */
};

/* Begin a new text, keeping the memory of the last one. A zeroed structure is a good start. */
void json_begin(struct json *json);

/* '{', '[' and their counterparts. key is NULL inside arrays and at the top. */
void json_open(struct json *json, const char *key, char bracket);
void json_close(struct json *json, char bracket);

void json_u64(struct json *json, const char *key, uint64_t number);
void json_double(struct json *json, const char *key, double number);
void json_bool(struct json *json, const char *key, bool value);
void json_null(struct json *json, const char *key);

/* A string that ends with zero; bytes that are not UTF-8 become U+FFFD. */
void json_string(struct json *json, const char *key, const char *text);

/* Bytes of any kind: as "data" where they are UTF-8, and in "base64" where not. */
void json_data(struct json *json, const void *data, size_t size_bytes);

/* End the line. */
void json_end(struct json *json);

/* End the line and write it to standard output. */
void json_print(struct json *json);

void json_free(struct json *json);

#endif
