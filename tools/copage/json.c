/*
 * json.c - write JSON, one object a line
 */
#include "json.h"

#include "human.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room for more bytes behind the text; the caller fills it and counts. */
static char *grow(struct json *json, size_t more)
{
	if (json->room - json->size < more) {
		json->room = (json->size + more) * 2;
		json->text = need_memory(json->text, json->room);
	}
	return json->text + json->size;
}

static void put(struct json *json, const char *text, size_t size)
{
	memcpy(grow(json, size), text, size);
	json->size += size;
}

/*
 * The length of the UTF-8 sequence at text, or 0 if there is no valid one (RFC 3629: no
 * surrogates, nothing above U+10FFFF, no longer form than needed).
 */
static size_t utf8_length(const unsigned char *text, size_t size)
{
	unsigned char low = 0x80, high = 0xbf; /* bounds of the second byte */
	size_t length;

	if (text[0] < 0x80)
		return 1;
	if (text[0] < 0xc2 || text[0] > 0xf4)
		return 0;
	length = text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;
	if (text[0] == 0xe0)
		low = 0xa0;
	else if (text[0] == 0xed)
		high = 0x9f;
	else if (text[0] == 0xf0)
		low = 0x90;
	else if (text[0] == 0xf4)
		high = 0x8f;
	if (size < length || text[1] < low || text[1] > high)
		return 0;
	for (size_t i = 2; i < length; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	return length;
}

static bool is_utf8(const unsigned char *text, size_t size)
{
	size_t length;

	for (size_t at = 0; at < size; at += length) {
		length = utf8_length(text + at, size - at);
		if (length == 0)
			return false;
	}
	return true;
}

/* One byte below U+0080; only what JSON forbids inside a string is escaped. */
static void put_ascii(struct json *json, unsigned char byte)
{
	static const char letters[] = "btn?fr"; /* for 8 to 13 */
	char *to = grow(json, 6);

	if (byte == '"' || byte == '\\') {
		to[0] = '\\';
		to[1] = (char)byte;
		json->size += 2;
	} else if (byte >= 8 && byte <= 13 && byte != 11) {
		to[0] = '\\';
		to[1] = letters[byte - 8];
		json->size += 2;
	} else if (byte < 0x20 || byte == 0x7f) {
		static const char hex[] = "0123456789abcdef";

		memcpy(to, "\\u00", 4);
		to[4] = hex[byte >> 4];
		to[5] = hex[byte & 15];
		json->size += 6;
	} else {
		*to = (char)byte;
		json->size++;
	}
}

static void quoted(struct json *json, const unsigned char *text, size_t size)
{
	size_t length;

	put(json, "\"", 1);
	for (size_t at = 0; at < size; at += length) {
		length = utf8_length(text + at, size - at);
		if (length == 1)
			put_ascii(json, text[at]);
		else if (length > 1)
			put(json, (const char *)text + at, length);
		else
			put(json, "\xef\xbf\xbd", 3); /* U+FFFD */
		length = length ? length : 1;
	}
	put(json, "\"", 1);
}

/* What comes before any value: the comma and the key. */
static void lead(struct json *json, const char *key)
{
	if (json->comma)
		put(json, ",", 1);
	json->comma = true;
	if (key) {
		quoted(json, (const unsigned char *)key, strlen(key));
		put(json, ":", 1);
	}
}

static void base64(struct json *json, const unsigned char *data, size_t size)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *to = grow(json, size / 3 * 4 + 6);
	char *begin = to;

	*to++ = '"';
	for (size_t at = 0; at < size; at += 3) {
		size_t left = size - at;
		uint32_t bits = (uint32_t)data[at] << 16;

		if (left > 1)
			bits |= (uint32_t)data[at + 1] << 8;
		if (left > 2)
			bits |= data[at + 2];
		*to++ = digits[bits >> 18];
		*to++ = digits[bits >> 12 & 63];
		*to++ = left > 1 ? digits[bits >> 6 & 63] : '=';
		*to++ = left > 2 ? digits[bits & 63] : '=';
	}
	*to++ = '"';
	json->size += (size_t)(to - begin);
}

void json_begin(struct json *json)
{
	json->size = 0;
	json->comma = false;
}

void json_open(struct json *json, const char *key, char bracket)
{
	lead(json, key);
	put(json, &bracket, 1);
	json->comma = false;
}

void json_close(struct json *json, char bracket)
{
	put(json, &bracket, 1);
	json->comma = true;
}

void json_u64(struct json *json, const char *key, uint64_t number)
{
	char text[32];

	lead(json, key);
	put(json, text, (size_t)snprintf(text, sizeof(text), "%" PRIu64, number));
}

void json_double(struct json *json, const char *key, double number)
{
	char text[64];

	lead(json, key);
	put(json, text, (size_t)snprintf(text, sizeof(text), "%.3f", number));
}

void json_bool(struct json *json, const char *key, bool value)
{
	lead(json, key);
	put(json, value ? "true" : "false", value ? 4 : 5);
}

void json_null(struct json *json, const char *key)
{
	lead(json, key);
	put(json, "null", 4);
}

void json_string(struct json *json, const char *key, const char *text)
{
	lead(json, key);
	quoted(json, (const unsigned char *)text, strlen(text));
}

void json_data(struct json *json, const void *data, size_t size_bytes)
{
	if (is_utf8(data, size_bytes)) {
		lead(json, "data");
		quoted(json, data, size_bytes);
	} else {
		lead(json, "base64");
		base64(json, data, size_bytes);
	}
}

void json_end(struct json *json)
{
	put(json, "\n", 1);
}

void json_print(struct json *json)
{
	json_end(json);
	fwrite(json->text, 1, json->size, stdout);
}

void json_free(struct json *json)
{
	free(json->text);
	*json = (struct json){ 0 };
}
