/*
 * os/atomic.h - the memory orders that Copage uses, named after what they do
 *
 * Words in shared memory are plain integers in layouts; they are only ever touched through these.
 * Each use names its edge in docs/memory-model.md. Full fences are for handshakes of the form
 * "store mine, then load yours", and for nothing else.
 */
#ifndef COP_OS_ATOMIC_H
#define COP_OS_ATOMIC_H

#include <stdint.h>

#define cop__load_relaxed(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define cop__load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define cop__store_relaxed(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define cop__store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define cop__exchange_full(p, v) __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)
#define cop__fetch_add_full(p, v) __atomic_fetch_add((p), (v), __ATOMIC_SEQ_CST)
#define cop__fetch_or_full(p, v) __atomic_fetch_or((p), (v), __ATOMIC_SEQ_CST)

/* Orders earlier loads before later loads: the reading side of a sequence lock. */
#define cop__fence_acquire() __atomic_thread_fence(__ATOMIC_ACQUIRE)
/* Orders everything before against everything after, stores before loads included. */
#define cop__fence_full() __atomic_thread_fence(__ATOMIC_SEQ_CST)
/* Holds the compiler only: the cheap half of an asymmetric fence (see topic/bell.h). */
#define cop__fence_compiler() __atomic_signal_fence(__ATOMIC_SEQ_CST)

/* Tells the processor that this is a polling loop. */
static inline void cop__pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

#endif
