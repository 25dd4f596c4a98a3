/*
 * look.c - what can be said of a topic in a few words
 */
#include "look.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

static size_t state_index(enum cop_member_state state)
{
	return (unsigned)state <= COP_MEMBER_DENIED ? (size_t)state : 0;
}

uint64_t look_messages_kept(const struct cop_pub_stat *pub)
{
	if (pub->oldest == 0 || pub->messages < pub->oldest)
		return 0;
	return pub->messages - pub->oldest + 1;
}

void look_at(struct look *look, const struct cop_topic_stat *stat)
{
	*look = (struct look){ 0 };
	for (size_t i = 0; i < stat->pub_count; i++) {
		look->pubs[state_index(stat->pubs[i].state)]++;
		look->messages_kept += look_messages_kept(&stat->pubs[i]);
	}
	for (size_t i = 0; i < stat->sub_count; i++) {
		look->subs[state_index(stat->subs[i].state)]++;
		if (stat->subs[i].lag_messages > look->lag_messages)
			look->lag_messages = stat->subs[i].lag_messages;
	}
}

static bool any(const struct look *look, enum cop_member_state state)
{
	return look->pubs[state] + look->subs[state] > 0;
}

const char *look_state(const struct look *look)
{
	if (any(look, COP_MEMBER_CORRUPT))
		return "corrupt member";
	if (any(look, COP_MEMBER_DEAD))
		return "dead member";
	if (any(look, COP_MEMBER_LIVE))
		return "live";
	if (any(look, COP_MEMBER_DENIED))
		return "denied";
	return "idle";
}

enum tint look_tint(const char *state)
{
	if (strcmp(state, "live") == 0)
		return TINT_GOOD;
	if (strcmp(state, "idle") == 0 || strcmp(state, "away") == 0 ||
	    strcmp(state, "closed") == 0)
		return TINT_NONE;
	if (strcmp(state, "denied") == 0)
		return TINT_WARN;
	return TINT_BAD;
}

const char *look_member_state(enum cop_member_state state)
{
	static const char *const words[] = {
		[COP_MEMBER_LIVE] = "live",       [COP_MEMBER_CLOSED] = "closed",
		[COP_MEMBER_DEAD] = "dead",       [COP_MEMBER_AWAY] = "away",
		[COP_MEMBER_CORRUPT] = "corrupt", [COP_MEMBER_DENIED] = "denied",
	};
	const char *word = words[state_index(state)];

	return word ? word : "unknown";
}

const char *look_error(int error)
{
	switch (-error) {
	case EBADMSG:
		return "corrupt";
	case EPROTO:
		return "other version";
	case EACCES:
		return "denied";
	case ENOENT:
		return "gone";
	default:
		return strerror(-error);
	}
}

char *look_owner(char *text, uint32_t uid, uint32_t gid, uint32_t mode)
{
	const struct passwd *user = getpwuid(uid);
	const struct group *group = getgrgid(gid);
	char user_id[16], group_id[16];

	/* In containers, ids often have no name. */
	snprintf(user_id, sizeof(user_id), "%u", uid);
	snprintf(group_id, sizeof(group_id), "%u", gid);
	snprintf(text, 128, "%.50s:%.50s %04o", user ? user->pw_name : user_id,
		 group ? group->gr_name : group_id, mode & 07777);
	return text;
}

void look_owner_json(struct json *json, uint32_t uid, uint32_t gid, uint32_t mode)
{
	char text[8];

	snprintf(text, sizeof(text), "%04o", mode & 07777);
	json_u64(json, "uid", uid);
	json_u64(json, "gid", gid);
	json_string(json, "mode", text);
}
