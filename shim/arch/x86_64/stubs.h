/* x86-64: entry points that are no C. They pass all arguments on, whatever they are: in registers,
 * on the stack, variadic or not. %r11 is free at a function's entry. */
#ifndef STALLTRACE_STUBS_X86_64_H
#define STALLTRACE_STUBS_X86_64_H

/* Defines lazy_SYMBOL, where real_SYMBOL points at first: it has st_resolve_pointer find the
 * function, and goes on to that. */
#define ST_LAZY(symbol, result, parameters)                                                        \
    __asm__(".text\n\t.type lazy_" #symbol ", @function\nlazy_" #symbol                            \
            ":\n\t.cfi_startproc\n\tleaq real_" #symbol "(%rip), %r11\n\tjmp st_lazy\n\t"          \
            ".cfi_endproc\n\t.size lazy_" #symbol ", .-lazy_" #symbol);                            \
    result lazy_##symbol parameters;

/* Once in the file that uses the above. Keeps every register that can carry an argument. */
#define ST_LAZY_COMMON                                                                             \
    __asm__(".text\n\t.p2align 4\n\t.type st_lazy, @function\nst_lazy:\n\t"                        \
            ".cfi_startproc\n\t"                                                                   \
            "pushq %rbp\n\t.cfi_def_cfa_offset 16\n\t.cfi_offset %rbp, -16\n\t"                    \
            "movq %rsp, %rbp\n\t.cfi_def_cfa_register %rbp\n\t"                                    \
            "subq $192, %rsp\n\tandq $-16, %rsp\n\t"                                               \
            "movq %rdi, (%rsp)\n\tmovq %rsi, 8(%rsp)\n\tmovq %rdx, 16(%rsp)\n\t"                   \
            "movq %rcx, 24(%rsp)\n\tmovq %r8, 32(%rsp)\n\tmovq %r9, 40(%rsp)\n\t"                  \
            "movq %rax, 48(%rsp)\n\tmovq %r11, 56(%rsp)\n\t"                                       \
            "movaps %xmm0, 64(%rsp)\n\tmovaps %xmm1, 80(%rsp)\n\tmovaps %xmm2, 96(%rsp)\n\t"       \
            "movaps %xmm3, 112(%rsp)\n\tmovaps %xmm4, 128(%rsp)\n\tmovaps %xmm5, 144(%rsp)\n\t"    \
            "movaps %xmm6, 160(%rsp)\n\tmovaps %xmm7, 176(%rsp)\n\t"                               \
            "movq %r11, %rdi\n\tcall st_resolve_pointer\n\t"                                       \
            "movq (%rsp), %rdi\n\tmovq 8(%rsp), %rsi\n\tmovq 16(%rsp), %rdx\n\t"                   \
            "movq 24(%rsp), %rcx\n\tmovq 32(%rsp), %r8\n\tmovq 40(%rsp), %r9\n\t"                  \
            "movq 48(%rsp), %rax\n\tmovq 56(%rsp), %r11\n\t"                                       \
            "movaps 64(%rsp), %xmm0\n\tmovaps 80(%rsp), %xmm1\n\tmovaps 96(%rsp), %xmm2\n\t"       \
            "movaps 112(%rsp), %xmm3\n\tmovaps 128(%rsp), %xmm4\n\tmovaps 144(%rsp), %xmm5\n\t"    \
            "movaps 160(%rsp), %xmm6\n\tmovaps 176(%rsp), %xmm7\n\t"                               \
            "leave\n\t.cfi_def_cfa %rsp, 8\n\tjmp *(%r11)\n\t"                                     \
            ".cfi_endproc\n\t.size st_lazy, .-st_lazy");

/* Exports SYMBOL as another name of OF. A jump, since an alias must stand in the file of what it
 * names. The linker's -Bsymbolic-functions makes it a direct one. */
#define ST_OTHER_NAME(symbol, of)                                                                  \
    __asm__(".text\n\t.globl " #symbol "\n\t.type " #symbol ", @function\n" #symbol                \
            ":\t.cfi_startproc\n\tjmp " #of "\n\t.cfi_endproc\n\t.size " #symbol ", .-" #symbol);

/* Exports SYMBOL: off the loop threads it jumps to real_SYMBOL with all that it was given, without
 * looking at it (in C, a variadic function saves up to 14 registers before its first line); on a
 * loop thread it goes to the function that follows. */
#define ST_PASS_ON(symbol)                                                                         \
    __asm__(".text\n\t.p2align 4\n\t.globl " #symbol "\n\t.type " #symbol ", @function\n" #symbol  \
            ":\n\t.cfi_startproc\n\t"                                                              \
            "movq st_self@gottpoff(%rip), %r11\n\t"                                                \
            "cmpq $0, %fs:(%r11)\n\t"                                                              \
            "jne pass_" #symbol "\n\t"                                                             \
            "jmp *real_" #symbol "(%rip)\n\t"                                                      \
            ".cfi_endproc\n\t.size " #symbol ", .-" #symbol);

/* Exports SYMBOL: sets the byte `flag` to 1, and goes on to real_SYMBOL. */
#define ST_NOTE_AND_PASS_ON(symbol, flag)                                                          \
    __asm__(".text\n\t.p2align 4\n\t.globl " #symbol "\n\t.type " #symbol ", @function\n" #symbol  \
            ":\n\t.cfi_startproc\n\tmovb $1, " #flag "(%rip)\n\tjmp *real_" #symbol "(%rip)\n\t"   \
            ".cfi_endproc\n\t.size " #symbol ", .-" #symbol);

/* Defines st_restorer, a signal handler's way back: the system call rt_sigreturn. */
#define ST_RESTORER                                                                                \
    __asm__(".text\n\t.type st_restorer, @function\n"                                              \
            "st_restorer:\n\tmovq $15, %rax\n\tsyscall\n\t.size st_restorer, .-st_restorer");

#endif
