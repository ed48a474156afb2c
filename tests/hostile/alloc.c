/* A program with an allocator of its own, which makes calls that are wrapped: while it initialises
 * (before any constructor, in the first malloc of the process), and in every malloc and free. */
#include "hostile.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { ARENA = 256 << 20, HEADER = 32 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static char *arena, *next;
static int zero = -1;
static atomic_ulong calls;
static _Thread_local int depth __attribute__((tls_model("initial-exec")));
static _Thread_local bool in_hook __attribute__((tls_model("initial-exec")));

static void initialise(void)
{
    char bytes[256];
    int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        MUST(read(fd, bytes, sizeof(bytes)) > 0);
        close(fd);
    }
    zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    struct timespec t = {0, 1000};
    nanosleep(&t, NULL);
    arena = mmap(NULL, ARENA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                 -1, 0);
    MUST(arena != MAP_FAILED);
    next = arena;
}

/* The wrapped calls of each malloc and free: a lock, and a read. An allocator is not reentrant: who
 * allocates inside a wrapper's own code comes here twice, and is found out. */
static void work(void)
{
    char byte = 1;
    MUST(!in_hook);
    in_hook = true;
    int error = errno;
    MUST(pread(zero, &byte, 1, 0) == 1 && byte == 0);
    errno = error;
    in_hook = false;
    calls++;
}

void *malloc(size_t size)
{
    MUST(depth == 0);
    depth++;
    pthread_mutex_lock(&mutex);
    if (!arena)
        initialise();
    work();
    size_t need = (size + HEADER + 15) & ~(size_t)15;
    char *volatile p = NULL; /* the size before it is not the compiler's business */
    if (size <= ARENA && next + need <= arena + ARENA) {
        p = next + HEADER;
        next += need;
        *(size_t *)(void *)(p - 16) = size;
    }
    pthread_mutex_unlock(&mutex);
    depth--;
    if (!p)
        errno = ENOMEM;
    return p;
}

void free(void *p)
{
    if (!p)
        return;
    MUST(depth == 0);
    depth++;
    pthread_mutex_lock(&mutex);
    work();
    memset(p, 0xdd, *(size_t *)(void *)((char *)p - 16)); /* who uses it still is found out */
    pthread_mutex_unlock(&mutex);
    depth--;
}

void *calloc(size_t n, size_t size)
{
    void *p = malloc(n * size);
    return p ? memset(p, 0, n * size) : NULL;
}

void *realloc(void *old, size_t size)
{
    void *p = malloc(size);
    if (p && old) {
        size_t had = *(size_t *)(void *)((char *)old - 16);
        memcpy(p, old, had < size ? had : size);
        free(old);
    }
    return p;
}

void *memalign(size_t alignment, size_t size)
{
    char *p = malloc(size + alignment);
    if (!p)
        return NULL;
    uintptr_t up = ((uintptr_t)p + alignment - 1) & ~(alignment - 1);
    if (up != (uintptr_t)p) {
        p = (char *)up;
        *(size_t *)(void *)(p - 16) = size;
    }
    return p;
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return memalign(alignment, size);
}

int posix_memalign(void **to, size_t alignment, size_t size)
{
    *to = memalign(alignment, size);
    return *to ? 0 : ENOMEM;
}

static void *allocate(void *number)
{
    unsigned long before = calls;
    int loop = hostile_loop();
    for (int i = 0; i < 500; i++) {
        void *p = malloc(100), *q = malloc(10);
        MUST(p && q && (q = realloc(q, 50)) != NULL);
        free(p), free(q);
        if (i % 100 == 0)
            hostile_stall((uintptr_t)number ? 11 : 1);
        hostile_turn(loop);
    }
    MUST(calls > before);
    close(loop);
    return NULL;
}

static void one_thread(void)
{
    allocate(NULL);
}

static void threads(void)
{
    pthread_t all[4];
    for (uintptr_t i = 0; i < 4; i++)
        MUST(pthread_create(&all[i], NULL, allocate, (void *)i) == 0);
    for (int i = 0; i < 4; i++)
        MUST(pthread_join(all[i], NULL) == 0);
}

/* The agent ends for a fork and comes back in a later call; which may be one that the allocator
 * makes, with its lock held. Coming back must not allocate. */
static void comes_back_in_the_allocator(void)
{
    int loop = hostile_loop();
    hostile_stall(15);
    hostile_turn(loop);
    for (int i = 0; i < 20; i++) {
        int status;
        pid_t pid = fork();
        if (pid == 0)
            _exit(3);
        while (waitpid(pid, &status, WNOHANG) == 0)
            ;
        MUST(status == 3 << 8);
        free(malloc(100));
        hostile_stall(1);
        hostile_turn(loop);
    }
}

static const struct hostile_case cases[] = {
    {"one_thread", one_thread},
    {"threads", threads},
    {"comes_back_in_the_allocator", comes_back_in_the_allocator},
};
HOSTILE_MAIN(cases)
