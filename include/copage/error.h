/*
 * copage/error.h - how every call of Copage tells what went wrong
 *
 * Calls return 0 (or a count) on success and a negative errno on failure. On failure the outputs
 * are untouched, and cop_error_text() says in one sentence which step failed, on which object,
 * why, and what to do about it. The one exception is the -EAGAIN of cop_sub_next(), which is part
 * of polling and costs no sentence.
 *
 * One vocabulary, the same in every module:
 *
 *   -EINVAL      an argument breaks its documented rule
 *   -E2BIG       an options structure has a non-zero tail that this version does not know
 *   -ENOENT      no such topic, root or member
 *   -EEXIST      it exists already, and it was asked to be new
 *   -EBUSY       a live member holds the name, or members are still there
 *   -EAGAIN      nothing to read, or no room, and the caller chose not to wait
 *   -ETIMEDOUT   the deadline passed
 *   -EPIPE       every publisher has closed, and all they sent has been read
 *   -EOWNERDEAD  a publisher died; all it had committed has been read
 *   -EOVERFLOW   messages were lost to this reader: cop_sub_last_event() says exactly which
 *   -EMSGSIZE    the message is larger than the lane can carry
 *   -EBADMSG     what was read from a peer or a file is corrupt or not Copage's
 *   -EPROTO      a layout of another version
 *   -ESTALE      the object that the handle leads to was removed or replaced by someone
 *   -EACCES      file modes forbid it; the sentence names path, owner and mode
 *   -ENOSPC      no room: the sentence tells need and free
 *   -ENAMETOOLONG, -ENOMEM, -EMFILE, -ENFILE, -EROFS, -EOPNOTSUPP: as the kernel uses them
 *   -ECHILD      the handle belongs to the parent process: open one's own after fork
 */
#ifndef COPAGE_ERROR_H
#define COPAGE_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The last failure of this thread as one sentence without a final newline, in English: "step
 * object: reason; advice". Empty before the first failure; kept until the next failure of this
 * thread. The text is valid until then, belongs to the library, and is not meant to be parsed.
 * Neither blocks, allocates nor calls the kernel.
 */
const char *cop_error_text(void);

#ifdef __cplusplus
}
#endif
#endif
