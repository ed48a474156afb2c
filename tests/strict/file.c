/* Cases: files, what their names stand for, and what makes their contents safe. */
#include "cases.h"

#include <dirent.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

static char buffer[16];
static struct iovec iov = {buffer, sizeof(buffer)};

#define WITH_FILE(call, situation, flags, ...)                                                     \
    CASE(call, situation)                                                                          \
    {                                                                                              \
        int fd = make_file("content", flags);                                                      \
        NOW(__VA_ARGS__);                                                                          \
    }
WITH_FILE(read, regular, 0, (void)!read(fd, buffer, 4))
/* A flag that regular files do not heed. */
WITH_FILE(read, regular_nonblocking, O_NONBLOCK, (void)!read(fd, buffer, 4))
WITH_FILE(read, regular_by_number, 0, syscall(SYS_read, fd, buffer, 4))
WITH_FILE(read, nothing, 0, (void)!read(fd, buffer, 0))
WITH_FILE(write, regular, 0, (void)!write(fd, buffer, 4))
WITH_FILE(pread, regular, 0, (void)!pread(fd, buffer, 4, 0))
WITH_FILE(pread, regular_by_number, 0, syscall(SYS_pread64, fd, buffer, 4, 0L))
WITH_FILE(pwrite, regular, 0, (void)!pwrite(fd, buffer, 4, 0))
WITH_FILE(preadv, regular, 0, (void)!preadv(fd, &iov, 1, 0))
WITH_FILE(preadv2, regular, 0, (void)!preadv2(fd, &iov, 1, 0, 0))
WITH_FILE(preadv2, nowait, 0, (void)!preadv2(fd, &iov, 1, 0, RWF_NOWAIT))
WITH_FILE(pwritev2, regular, 0, (void)!pwritev2(fd, &iov, 1, 0, 0))
WITH_FILE(pwritev2, nowait, 0, (void)!pwritev2(fd, &iov, 1, 0, RWF_NOWAIT))
WITH_FILE(ftruncate, regular, 0, (void)!ftruncate(fd, 2))
WITH_FILE(posix_fallocate, regular, 0, posix_fallocate(fd, 0, 100))
WITH_FILE(posix_fadvise, regular, 0, posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED))
WITH_FILE(close, regular, 0, close(fd))
WITH_FILE(mmap, populate, 0, mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0))
WITH_FILE(mmap, lazy, 0, mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0))

CASE(mmap, anonymous)
{
    NOW(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0));
}

/* ---- devices: some wait like pipes, some never ------------------------------------------------*/

#define WITH_DEVICE(call, situation, path, flags, ...)                                             \
    CASE(call, situation)                                                                          \
    {                                                                                              \
        int fd = open(path, flags);                                                                \
        MUST(fd >= 0);                                                                             \
        NOW(__VA_ARGS__);                                                                          \
    }
WITH_DEVICE(read, zeros, "/dev/zero", O_RDONLY, (void)!read(fd, buffer, 4))
WITH_DEVICE(read, null, "/dev/null", O_RDONLY, (void)!read(fd, buffer, 4))
WITH_DEVICE(read, urandom, "/dev/urandom", O_RDONLY, (void)!read(fd, buffer, 4))
WITH_DEVICE(write, null, "/dev/null", O_WRONLY, (void)!write(fd, buffer, 4))

CASE(getrandom, after_boot)
{
    NOW((void)!getrandom(buffer, 4, 0));
}

CASE(getrandom, nonblock)
{
    NOW((void)!getrandom(buffer, 4, GRND_NONBLOCK));
}

CASE(getentropy, after_boot)
{
    NOW((void)!getentropy(buffer, 4));
}

/* ---- paths ------------------------------------------------------------------------------------*/

static const char *fifo(void)
{
    const char *path = make_path("fifo");
    MUST(mkfifo(path, 0600) == 0 && open(path, O_RDWR) >= 0);
    return path;
}

#define WITH_PATH(call, situation, path, ...)                                                      \
    CASE(call, situation)                                                                          \
    {                                                                                              \
        const char *name = path;                                                                   \
        NOW(__VA_ARGS__);                                                                          \
    }
WITH_PATH(open, regular, "/etc/passwd", open(name, O_RDONLY))
WITH_PATH(openat, regular_by_number, "/etc/passwd", syscall(SYS_openat, AT_FDCWD, name, O_RDONLY))
WITH_PATH(open, fifo, fifo(), open(name, O_RDONLY))
WITH_PATH(open, fifo_nonblocking, fifo(), open(name, O_RDONLY | O_NONBLOCK))
WITH_PATH(openat, regular, "/etc/passwd", openat(AT_FDCWD, name, O_RDONLY))
WITH_PATH(shm_open, memory, "/strict-nothing", shm_open(name, O_RDONLY, 0))

/* ---- moving -----------------------------------------------------------------------------------*/

#define MOVES(call, situation, from, to, ...)                                                      \
    CASE(call, situation)                                                                          \
    {                                                                                              \
        int in = from, out = to;                                                                   \
        NOW(__VA_ARGS__);                                                                          \
    }
#define FILE_WITH(content) make_file(content, 0)
MOVES(copy_file_range, regular, FILE_WITH("content"), FILE_WITH(NULL),
      copy_file_range(in, NULL, out, NULL, 4, 0))
MOVES(sendfile, regular, FILE_WITH("content"), FILE_WITH(NULL), sendfile(out, in, NULL, 4))
/* The file is what may wait. */
MOVES(sendfile, to_nonblocking_socket, FILE_WITH("content"), make_tcp(NONBLOCKING, NULL)[0],
      sendfile(out, in, NULL, 4))
MOVES(splice, from_regular, FILE_WITH("content"), make_pipe(NONBLOCKING, NULL)[1],
      splice(in, NULL, out, NULL, 4, 0))
MOVES(splice, to_regular, make_pipe(NONBLOCKING, "content")[0], FILE_WITH(NULL),
      splice(in, NULL, out, NULL, 4, SPLICE_F_NONBLOCK))

/* ---- attributes and directories ---------------------------------------------------------------*/

static struct stat status;
WITH_PATH(stat, regular, "/etc/passwd", stat(name, &status))
WITH_PATH(access, regular, "/etc/passwd", (void)!access(name, R_OK))
WITH_PATH(realpath, regular, "/etc/passwd", (void)!realpath(name, NULL))
WITH_PATH(opendir, any, "/etc", opendir(name))
WITH_FILE(fstat, regular, 0, fstat(fd, &status))

CASE(fstat, pipe)
{
    int fd = make_pipe(BLOCKING, NULL)[0];
    NOW(fstat(fd, &status));
}

CASE(fstat, socket)
{
    int fd = make_pair(SOCK_STREAM, BLOCKING, NULL)[0];
    NOW(fstat(fd, &status));
}

CASE(readdir, first)
{
    DIR *dir = opendir("/etc");
    NOW(readdir(dir));
}

CASE(readdir, buffered)
{
    DIR *dir = opendir("/etc");
    MUST(readdir(dir));
    NOW(readdir(dir));
}

CASE(getcwd, any)
{
    char path[4096];
    NOW((void)!getcwd(path, sizeof(path)));
}

/* ---- making it safe: in memory, where it is fast ----------------------------------------------*/

static int shared(void)
{
    int fd = memfd_create("strict", MFD_CLOEXEC);
    MUST(fd >= 0 && ftruncate(fd, 4096) == 0);
    return fd;
}

#define SYNCS(call, situation, ...)                                                                \
    CASE(call, situation)                                                                          \
    {                                                                                              \
        int fd = shared();                                                                         \
        void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);                \
        MUST(memory != MAP_FAILED);                                                                \
        NOW(__VA_ARGS__);                                                                          \
    }
SYNCS(fsync, any, fsync(fd))
SYNCS(fsync, by_number, syscall(SYS_fsync, fd))
SYNCS(fdatasync, any, fdatasync(fd))
SYNCS(syncfs, any, syncfs(fd))
SYNCS(msync, sync, msync(memory, 4096, MS_SYNC))
SYNCS(msync, async, msync(memory, 4096, MS_ASYNC))
SYNCS(sync_file_range, wait, sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WAIT_AFTER))
SYNCS(sync_file_range, start, sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE))
