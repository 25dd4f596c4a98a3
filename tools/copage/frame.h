/*
 * frame.h - length-prefixed messages in a stream of bytes
 *
 *   byte 0      1      2      3      4                4 + size
 *     +------+------+------+------+----------- - - ---+
 *     | size, little-endian       | the message       |  next frame ...
 *     +------+------+------+------+----------- - - ---+
 *
 * Four bytes, because the largest message (COP_MESSAGE_MAX) needs 29 bits. Little-endian, because
 * the machines that share memory here are. Nothing before the first frame or after the last one,
 * so that streams of frames can be joined with cat and cut at any frame.
 */
#ifndef COPAGE_TOOL_FRAME_H
#define COPAGE_TOOL_FRAME_H

#include <stdint.h>

#define FRAME_HEAD 4 /* bytes before the message */

static inline void frame_put(unsigned char head[FRAME_HEAD], uint32_t size)
{
	head[0] = (unsigned char)size;
	head[1] = (unsigned char)(size >> 8);
	head[2] = (unsigned char)(size >> 16);
	head[3] = (unsigned char)(size >> 24);
}

static inline uint32_t frame_get(const unsigned char head[FRAME_HEAD])
{
	return head[0] | (uint32_t)head[1] << 8 | (uint32_t)head[2] << 16 | (uint32_t)head[3] << 24;
}

#endif
