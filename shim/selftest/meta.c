/* Bodies: names and attributes of files, by path and by descriptor. A local disk answers at once.
 */
#include "selftest.h"

#include <sys/quota.h>

static void digest_mode(struct trial *t, const struct stat *st)
{
    digest_number(t, st->st_mode);
    digest_number(t, st->st_size);
}

/* A file of the trial's, which is what the trace will name. */
static const char *subject(struct trial *t)
{
    const char *path = make_file(t, "file", "abcdefgh");
    expect(t, ST_META, "%s", path);
    return path;
}

static int subject_fd(struct trial *t)
{
    int fd = keep_fd(t, open(make_file(t, "file", "abcdefgh"), O_RDWR | O_CLOEXEC));
    return fd;
}

static const char *no_such(struct trial *t)
{
    const char *path = make_path(t, "none");
    expect(t, ST_META, "%s", path);
    return path;
}

/* ---- stat and its like ------------------------------------------------------------------------*/

#define STAT(symbol, ...)                                                                          \
    TEST(symbol, QUICK)                                                                            \
    {                                                                                              \
        struct stat st = {0};                                                                      \
        const char *path = subject(t);                                                             \
        CALLED(t, call(__VA_ARGS__));                                                              \
        digest_mode(t, &st);                                                                       \
    }
STAT(stat, path, &st)
STAT(lstat, path, &st)
STAT(__xstat, 1, path, &st)
STAT(__lxstat, 1, path, &st)
STAT(fstatat, AT_FDCWD, path, &st, 0)
STAT(__fxstatat, 1, AT_FDCWD, path, &st, 0)

#define FSTAT(symbol, ...)                                                                         \
    TEST(symbol, QUICK)                                                                            \
    {                                                                                              \
        struct stat st = {0};                                                                      \
        int fd = subject_fd(t);                                                                    \
        CALLED(t, call(__VA_ARGS__));                                                              \
        digest_mode(t, &st);                                                                       \
    }
FSTAT(fstat, fd, &st)
FSTAT(__fxstat, 1, fd, &st)

TEST(statx, QUICK)
{
    struct statx st = {0};
    const char *path = subject(t);
    CALLED(t, call(AT_FDCWD, path, 0, STATX_SIZE, &st));
    digest_number(t, (long long)st.stx_size);
}

#define FS(symbol, type, field, make, subject_type)                                                \
    TEST(symbol, QUICK)                                                                            \
    {                                                                                              \
        type st = {0};                                                                             \
        subject_type what = make(t);                                                               \
        CALLED(t, call(what, &st));                                                                \
        digest_number(t, (long long)st.field);                                                     \
    }
FS(statfs, struct statfs, f_type, subject, const char *)
FS(fstatfs, struct statfs, f_type, subject_fd, int)
FS(statvfs, struct statvfs, f_namemax, subject, const char *)
FS(fstatvfs, struct statvfs, f_namemax, subject_fd, int)

/* ---- one path, or one descriptor, and what to do with it --------------------------------------*/

#define PATHED(symbol, make, ...)                                                                  \
    TEST(symbol, QUICK)                                                                            \
    {                                                                                              \
        const char *path = make(t);                                                                \
        CALLED(t, call(__VA_ARGS__));                                                              \
    }
#define ON_FD(symbol, ...)                                                                         \
    TEST(symbol, QUICK)                                                                            \
    {                                                                                              \
        int fd = subject_fd(t);                                                                    \
        CALLED(t, call(__VA_ARGS__));                                                              \
    }
#define OWNER (uid_t) - 1, (gid_t)-1
PATHED(access, subject, path, R_OK)
PATHED(faccessat, subject, AT_FDCWD, path, R_OK, 0)
PATHED(euidaccess, subject, path, R_OK)
PATHED(chmod, subject, path, 0600)
ON_FD(fchmod, fd, 0600)
PATHED(fchmodat, subject, AT_FDCWD, path, 0600, 0)
PATHED(lchmod, subject, path, 0600)
PATHED(chown, subject, path, OWNER)
ON_FD(fchown, fd, OWNER)
PATHED(lchown, subject, path, OWNER)
PATHED(fchownat, subject, AT_FDCWD, path, OWNER, 0)
PATHED(utime, subject, path, NULL)
PATHED(utimes, subject, path, NULL)
PATHED(lutimes, subject, path, NULL)
ON_FD(futimes, fd, NULL)
PATHED(futimesat, subject, AT_FDCWD, path, NULL)
PATHED(utimensat, subject, AT_FDCWD, path, NULL, 0)
ON_FD(futimens, fd, NULL)
PATHED(rename, subject, path, make_path(t, "new"))
PATHED(renameat, subject, AT_FDCWD, path, AT_FDCWD, make_path(t, "new"))
PATHED(renameat2, subject, AT_FDCWD, path, AT_FDCWD, make_path(t, "new"), 0)
PATHED(unlink, subject, path)
PATHED(unlinkat, subject, AT_FDCWD, path, 0)
PATHED(remove, subject, path)
PATHED(mkdir, no_such, path, 0700)
PATHED(mkdirat, no_such, AT_FDCWD, path, 0700)
PATHED(mknod, no_such, path, S_IFREG | 0600, 0)
PATHED(mknodat, no_such, AT_FDCWD, path, S_IFREG | 0600, 0)
PATHED(mkfifo, no_such, path, 0600)
PATHED(mkfifoat, no_such, AT_FDCWD, path, 0600)
PATHED(link, subject, path, make_path(t, "new"))
PATHED(linkat, subject, AT_FDCWD, path, AT_FDCWD, make_path(t, "new"), 0)
PATHED(symlink, no_such, "target", path)
PATHED(symlinkat, no_such, "target", AT_FDCWD, path)
PATHED(pathconf, subject, path, _PC_NAME_MAX)
ON_FD(fpathconf, fd, _PC_NAME_MAX)

static dev_t no_device;
PATHED(__xmknod, no_such, 0, path, S_IFREG | 0600, &no_device)
PATHED(__xmknodat, no_such, 0, AT_FDCWD, path, S_IFREG | 0600, &no_device)

/* Not for everybody, and not here: refused in the same way with and without the preload. */
PATHED(mount, no_such, "none", path, "none", 0, NULL)
PATHED(umount, no_such, path)
PATHED(umount2, no_such, path, 0)
PATHED(swapon, no_such, path, 0)
PATHED(swapoff, no_such, path)
PATHED(fanotify_mark, no_such, -1, FAN_MARK_ADD, FAN_OPEN, AT_FDCWD, path)

TEST(rmdir, QUICK)
{
    const char *path = no_such(t);
    NEED(t, mkdir(path, 0700) == 0);
    CALLED(t, call(path));
}

TEST(mkdtemp, QUICK)
{
    char path[512];
    snprintf(path, sizeof(path), "%sXXXXXX", make_path(t, "dir"));
    CALLED(t, call(path));
    rmdir(path);
}

TEST(chdir, QUICK)
{
    expect(t, ST_META, ".");
    CALLED(t, call("."));
}

TEST(fchdir, QUICK)
{
    int fd = keep_fd(t, open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    CALLED(t, call(fd));
}

TEST(inotify_add_watch, QUICK)
{
    int fd = keep_fd(t, inotify_init1(IN_CLOEXEC));
    const char *path = subject(t);
    CALLED(t, call(fd, path, IN_MODIFY));
}

TEST(name_to_handle_at, QUICK)
{
    char space[256] = "";
    struct file_handle *handle = (struct file_handle *)space;
    int mount_id = 0;
    const char *path = subject(t);
    handle->handle_bytes = 128;
    CALLED(t, call(AT_FDCWD, path, handle, &mount_id, 0));
}

/* ---- paths that come back ---------------------------------------------------------------------*/

#define LINK(symbol, ...)                                                                          \
    TEST(symbol, QUICK)                                                                            \
    {                                                                                              \
        char buf[64] = "";                                                                         \
        const char *path = no_such(t);                                                             \
        NEED(t, symlink("target", path) == 0);                                                     \
        CALLED(t, call(__VA_ARGS__));                                                              \
        digest_text(t, buf);                                                                       \
    }
LINK(readlink, path, buf, 32)
LINK(__readlink_chk, path, buf, 32, sizeof(buf))
LINK(readlinkat, AT_FDCWD, path, buf, 32)
LINK(__readlinkat_chk, AT_FDCWD, path, buf, 32, sizeof(buf))

TEST(realpath, QUICK)
{
    char real[PATH_MAX] = "";
    expect(t, ST_META, "/usr/./bin/..");
    CALLED(t, call("/usr/./bin/..", real));
    digest_text(t, real);
}

/* Has no memory of its own to give. */
TEST(realpath_2_2_5, QUICK)
{
    expect(t, ST_META, "/usr/./bin/..");
    char *real = CALLED(t, call("/usr/./bin/..", NULL));
    NEED(t, real == NULL && errno == EINVAL);
}

TEST(__realpath_chk, QUICK)
{
    char real[PATH_MAX] = "";
    CALLED(t, call("/usr/./bin/..", real, sizeof(real)));
    digest_text(t, real);
}

TEST(canonicalize_file_name, QUICK)
{
    char *real = CALLED(t, call("/usr/./bin/.."));
    digest_text(t, keep_memory(t, real));
}

TEST(getcwd, QUICK)
{
    char buf[PATH_MAX];
    CALLED(t, call(buf, sizeof(buf)));
}

TEST(__getcwd_chk, QUICK)
{
    char buf[PATH_MAX];
    CALLED(t, call(buf, sizeof(buf), sizeof(buf)));
}

TEST(get_current_dir_name, QUICK)
{
    char *name = CALLED(t, call());
    keep_memory(t, name);
}

TEST(tempnam, QUICK)
{
    char *name = CALLED(t, call("/tmp", "st"));
    keep_memory(t, name);
}

TEST(tmpnam, QUICK)
{
    char name[L_tmpnam];
    CALLED(t, call(name));
}

/* ---- extended attributes: not every file system has them --------------------------------------*/

#define XATTR(symbol, ...)  PATHED(symbol, subject, path, "user.stalltrace", ##__VA_ARGS__)
#define FXATTR(symbol, ...) ON_FD(symbol, fd, "user.stalltrace", ##__VA_ARGS__)
XATTR(getxattr, NULL, 0)
XATTR(lgetxattr, NULL, 0)
FXATTR(fgetxattr, NULL, 0)
XATTR(setxattr, "a", 1, 0)
XATTR(lsetxattr, "a", 1, 0)
FXATTR(fsetxattr, "a", 1, 0)
XATTR(removexattr)
XATTR(lremovexattr)
FXATTR(fremovexattr)
PATHED(listxattr, subject, path, NULL, 0)
PATHED(llistxattr, subject, path, NULL, 0)
ON_FD(flistxattr, fd, NULL, 0)
