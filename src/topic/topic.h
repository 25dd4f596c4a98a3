/*
 * topic/topic.h - inside the topic layer: a topic that this process takes part in
 */
#ifndef COP_TOPIC_INTERNAL_H
#define COP_TOPIC_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "copage/topic.h"
#include "member/member.h"
#include "os/os.h"
#include "topic/bell.h"
#include "topic/topic_layout.h"

#define COP__PATH_MAX 4096

/* Where a topic is: found from what the user wrote. */
struct cop__place {
	char root[COP__PATH_MAX];
	char name[COP_NAME_MAX + 1];
	bool private_root; /* /dev/shm/copage-UID: made when needed, goes with its last topic */
};

struct cop__topic {
	struct cop__place place;
	struct cop__topic_header settings; /* checked, in private memory */
	struct stat st; /* of its directory */
	int dirfd;
	int membersfd;
	struct cop__bell bell;
};

enum cop__topic_need {
	COP__TOPIC_LOOK, /* settings and members: no bell */
	COP__TOPIC_JOIN, /* everything; -ENOENT where it is not there */
	COP__TOPIC_JOIN_OR_MAKE,
};

int cop__check_name(const char *what, const char *name);
int cop__find_root(struct cop__place *place);
int cop__find_place(struct cop__place *place, const char *topic);
int cop__open_root(const struct cop__place *place, bool make);

int cop__topic_open(struct cop__topic *topic, const char *name, enum cop__topic_need need);
int cop__topic_open_at(struct cop__topic *topic, const struct cop__place *place,
		       enum cop__topic_need need);
void cop__topic_close(struct cop__topic *topic);

/* Close it after joining failed. If it was made only for that, it goes. */
void cop__topic_give_up(struct cop__topic *topic);

/* Remove it if nobody is in it: 1 it is gone, 0 somebody is, or a negative errno. */
int cop__topic_remove_empty(const struct cop__topic *topic);

/*
 * Joining failed: is it worth another try, after the tries so far? Yes where things only moved:
 * -ENOENT the topic went, -EEXIST somebody took the name first, -EAGAIN a sweeper looks at what is
 * to be taken over (for as long as a second: he may be kept from running).
 */
bool cop__join_again(int rc, int tries);

/* Is a directory without members/ what is left of a topic? 1, 0 it is not ours, or negative. */
int cop__topic_is_dead(int dirfd);

/* Take away what is left of a topic without members. 0, or -EBADMSG: it is not ours. */
int cop__topic_take_down(int rootfd, int dirfd, const char *name);

/* Visit its members' files. A visitor that ends the listing with an error has made its sentence;
 * -ENOENT without one: the topic is gone. */
int cop__topic_members(const struct cop__topic *topic, cop__os_visit *visit, void *arg);

/* Modes of its members' files. */
struct cop__access cop__topic_member_access(const struct cop__topic *topic);

/* Split "pub.NAME" or "sub.NAME"; NULL for anything else. */
const char *cop__pub_name_of(const char *member);
const char *cop__sub_name_of(const char *member);

/* The name of a member's file: prefix "pub." or "sub.", then name, or a made up one for NULL. */
int cop__member_name(char file[COP__MEMBER_NAME_MAX], const char *prefix, const char *name);

/* Copy a caller's options of opts_size bytes over our defaults of known_size bytes: the shorter
 * of the two, with -E2BIG where the caller's tail that we do not know is not zero. */
int cop__copy_options(void *options, size_t known_size, const void *from);

#endif
