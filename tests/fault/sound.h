/*
 * tests/fault/sound.h - a sound publisher and a sound subscriber, beside whatever else is there
 */
#ifndef TEST_FAULT_SOUND_H
#define TEST_FAULT_SOUND_H

#include "fault/stream.h"

struct sound {
	struct cop_pub *pub; /* "sound" */
	struct cop_sub *sub;
	uint64_t got;
	/* What sub was told of others. */
	unsigned errors;
	int last_error;
	char last_publisher[COP_NAME_MAX + 1];
	char last_text[1024];
	unsigned others_messages;
};

static inline void sound_open(struct sound *s, const char *topic)
{
	struct cop_pub_opts pub = small_pub("sound");
	struct cop_sub_opts sub = quick_sub(NULL);

	*s = (struct sound){ 0 };
	must_rc(cop_sub_open(&s->sub, topic, &sub), 0);
	must_rc(cop_pub_open(&s->pub, topic, &pub), 0);
}

static inline void sound_hear(struct sound *s, int rc)
{
	struct cop_sub_event event;

	must_explain(rc);
	cop_sub_last_event(s->sub, &event);
	must_int(event.error, ==, rc);
	s->errors++;
	s->last_error = rc;
	snprintf(s->last_publisher, sizeof(s->last_publisher), "%s", event.publisher);
	snprintf(s->last_text, sizeof(s->last_text), "%s", cop_error_text());
	/* Nothing of this is about the one who is sound. */
	must(strcmp(event.publisher, "sound") != 0);
}

/* All that the sound publisher has sent arrives, whatever is told of others meanwhile. */
static inline void sound_receive(struct sound *s)
{
	int64_t until = test_now_ns() + (int64_t)5 * 1000000000;
	uint64_t last = cop_pub_sequence(s->pub);
	struct cop_msg msg;
	unsigned quiet = 0;

	/* A look or two beyond the last one: what is told, is told by then. */
	while (s->got < last || quiet < 3) {
		int rc = cop_sub_next(s->sub, &msg, 0);

		must(test_now_ns() < until);
		if (rc == 1 && strcmp(msg.publisher, "sound") == 0)
			stream_must_be(&msg, ++s->got);
		else if (rc == 1)
			s->others_messages++;
		else if (rc == -EAGAIN)
			quiet++;
		else
			sound_hear(s, rc);
	}
	must_u64(s->got, ==, last);
	cop_sub_release(s->sub);
}

/* They go on: through the whole ring, where the publisher must look at all subscribers. */
static inline void sound_go_on(struct sound *s)
{
	for (int i = 0; i < 10; i++) {
		stream_send_many(s->pub, 15);
		sound_receive(s);
	}
}

static inline void sound_close(struct sound *s)
{
	cop_sub_close(&s->sub);
	cop_pub_close(&s->pub);
}

#endif
