/*
 * look.h - what can be said of a topic in a few words: shared by ls and stat
 */
#ifndef COPAGE_TOOL_LOOK_H
#define COPAGE_TOOL_LOOK_H

#include "human.h"
#include "json.h"

#include <copage/topic.h>

/* A topic in numbers. */
struct look {
	size_t pubs[COP_MEMBER_DENIED + 1]; /* how many are in each state */
	size_t subs[COP_MEMBER_DENIED + 1];
	uint64_t messages_kept;
	uint64_t lag_messages; /* of the subscriber that is furthest behind */
};

void look_at(struct look *look, const struct cop_topic_stat *stat);

/* Live, idle, or what is wrong with it; and how to show that. */
const char *look_state(const struct look *look);
enum tint look_tint(const char *state);

/* The word for a member's state. */
const char *look_member_state(enum cop_member_state state);

/* What opening a topic gave, in a word: "corrupt", "denied", ... */
const char *look_error(int error);

uint64_t look_messages_kept(const struct cop_pub_stat *pub);

/* "root:users 0660"; text is 128 bytes large. */
char *look_owner(char *text, uint32_t uid, uint32_t gid, uint32_t mode);

/* The members "uid", "gid" and "mode" of a JSON object. */
void look_owner_json(struct json *json, uint32_t uid, uint32_t gid, uint32_t mode);

#endif
