/* x86-64: see ../arch.h. */
#ifndef STALLTRACE_ARCH_X86_64_H
#define STALLTRACE_ARCH_X86_64_H

#include <cpuid.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <x86intrin.h>

/* The registers with which a stack can be unwound: those that a call preserves, the stack pointer
 * and the place. Everywhere else ST_FP, ST_SP and ST_PC are all that is named. */
enum { ST_RBX, ST_FP, ST_R12, ST_R13, ST_R14, ST_R15, ST_SP, ST_PC, ST_REGS };

/* Stores them. Inlined into the wrapper, whose frame stays in place while the call lasts. */
static inline __attribute__((always_inline)) void st_save_registers(uint64_t *regs)
{
    __asm__ volatile("movq %%rbx, 0(%0)\n\t"
                     "movq %%rbp, 8(%0)\n\t"
                     "movq %%r12, 16(%0)\n\t"
                     "movq %%r13, 24(%0)\n\t"
                     "movq %%r14, 32(%0)\n\t"
                     "movq %%r15, 40(%0)\n\t"
                     "movq %%rsp, 48(%0)\n\t"
                     "leaq 0f(%%rip), %%rax\n"
                     "0:\tmovq %%rax, 56(%0)\n"
                     :
                     : "r"(regs)
                     : "rax", "memory");
}

/* A counter that is cheap to read; of use where it is steady, and the kernel calls it by its name.
 */
#define ST_COUNTER_NAME "tsc"

static inline uint64_t st_counter(void)
{
    return __rdtsc();
}

/* Does it run at one rate, whatever the processor does? */
static inline bool st_counter_is_steady(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(0x80000007, &a, &b, &c, &d) && d & 1 << 8;
}

/* A system call: never through a wrapper, never touching errno. */
static inline long st_raw6(long n, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long r;
    __asm__ volatile("syscall"
                     : "=a"(r)
                     : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return r;
}

/* In a loop that waits for another thread. */
static inline void st_pause(void)
{
    _mm_pause();
}

/* The thread's control block; NULL: a thread of no libc's making, with zeros for thread-local
 * storage. */
static inline void *st_thread_block(void)
{
    void *block;
    __asm__("movq %%fs:0, %0" : "=r"(block));
    return block;
}

/* pthread_self, which is a call: glibc's control block holds its own address. */
static inline uint64_t st_pthread_self(void)
{
    uint64_t self;
    __asm__("movq %%fs:16, %0" : "=r"(self));
    return self;
}

/* Gives the function that it stands in a personality routine, so that a frame that is unwound
 * (a thread cancelled inside the call, pthread_exit in a signal handler, a C++ exception out of a
 * callback) puts its slot in order. What __attribute__((cleanup)) would do, without the dependency
 * on libgcc_s that its landing pads bring. */
#define ST_PERSONALITY() __asm__ volatile(".cfi_personality 0x9b, st_personality_ref")

/* Not memcpy: in a program built with AddressSanitizer that is a function which checks what it
 * copies, and a whole stack holds redzones. */
static inline void st_copy_bytes(void *to, const void *from, size_t n)
{
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
}

/* A pointer and a small number in one word of a slot: addresses of programs have 47 bits. */
static inline uintptr_t st_pack(const void *p, unsigned n)
{
    return (uintptr_t)p | (uintptr_t)(uint16_t)n << 48;
}

static inline const void *st_packed_pointer(uint64_t word)
{
    return (const void *)(uintptr_t)(word << 16 >> 16);
}

static inline int st_packed_number(uint64_t word)
{
    return (int16_t)(word >> 48);
}

/* A question to valgrind, which puts its answer in place of `answer`: instructions that do nothing
 * to a processor. */
static inline uint64_t st_ask_valgrind(const volatile uint64_t request[6], uint64_t answer)
{
    __asm__ volatile("rolq $3, %%rdi\n\trolq $13, %%rdi\n\trolq $61, %%rdi\n\trolq $51, %%rdi\n\t"
                     "xchgq %%rbx, %%rbx"
                     : "+d"(answer)
                     : "a"(request)
                     : "cc", "memory");
    return answer;
}

#endif
