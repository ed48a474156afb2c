/* Bodies: directories, and walks through them. */
#include "selftest.h"

/* A directory with two files. What the trace will not name has no path to expect. */
static const char *nameless_tree(struct trial *t)
{
    const char *path = make_path(t, "dir");
    char name[512];
    if (mkdir(path, 0700) != 0)
        fail(t, "%s: %s", path, strerror(errno));
    for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof(name), "%s/%s", path, i ? "b" : "a");
        close(creat(name, 0600));
    }
    return path;
}

static const char *tree(struct trial *t)
{
    const char *path = nameless_tree(t);
    expect(t, ST_META, "%s", path);
    return path;
}

static void fell(const char *path)
{
    char name[512];
    for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof(name), "%s/%s", path, i ? "b" : "a");
        unlink(name);
    }
    rmdir(path);
}

TEST(opendir, QUICK)
{
    const char *path = tree(t);
    DIR *dir = CALLED(t, call(path));
    if (dir)
        closedir(dir);
    fell(path);
}

TEST(fdopendir, QUICK)
{
    const char *path = tree(t);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = CALLED(t, call(fd));
    if (dir)
        closedir(dir);
    fell(path);
}

TEST(readdir, QUICK)
{
    const char *path = tree(t);
    DIR *dir = opendir(path);
    struct dirent *entry = CALLED(t, call(dir));
    digest_number(t, entry && entry->d_name[0] != 0);
    closedir(dir);
    fell(path);
}

TEST(readdir_r, QUICK)
{
    const char *path = tree(t);
    DIR *dir = opendir(path);
    struct dirent entry, *found = NULL;
    CALLED(t, call(dir, &entry, &found));
    digest_number(t, found == &entry);
    closedir(dir);
    fell(path);
}

TEST(closedir, QUICK)
{
    const char *path = nameless_tree(t);
    DIR *dir = opendir(path);
    CALLED(t, call(dir));
    fell(path);
}

TEST(getdents64, QUICK)
{
    char buf[1024];
    const char *path = tree(t);
    int fd = keep_fd(t, open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    CALLED(t, call(fd, buf, sizeof(buf)));
    fell(path);
}

TEST(getdirentries, QUICK)
{
    char buf[1024];
    off_t base = 0;
    const char *path = tree(t);
    int fd = keep_fd(t, open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    CALLED(t, call(fd, buf, sizeof(buf), &base));
    fell(path);
}

static int is_file(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void digest_names(struct trial *t, struct dirent **names, int n)
{
    for (int i = 0; i < n; i++) {
        digest_text(t, names[i]->d_name);
        free(names[i]);
    }
    if (n >= 0)
        free(names);
}

TEST(scandir, QUICK)
{
    struct dirent **names;
    const char *path = tree(t);
    int n = CALLED(t, call(path, &names, is_file, alphasort));
    digest_names(t, names, n);
    fell(path);
}

TEST(scandirat, QUICK)
{
    struct dirent **names;
    const char *path = tree(t);
    int n = CALLED(t, call(AT_FDCWD, path, &names, is_file, alphasort));
    digest_names(t, names, n);
    fell(path);
}

TEST(glob, QUICK)
{
    char pattern[512];
    glob_t found = {0};
    const char *path = tree(t);
    snprintf(pattern, sizeof(pattern), "%s/*", path);
    expect(t, ST_META, "%s", pattern);
    CALLED(t, call(pattern, 0, NULL, &found));
    digest_number(t, (long long)found.gl_pathc);
    globfree(&found);
    fell(path);
}

TEST(glob64, QUICK)
{
    char pattern[512];
    glob64_t found = {0};
    const char *path = tree(t);
    snprintf(pattern, sizeof(pattern), "%s/*", path);
    expect(t, ST_META, "%s", pattern);
    CALLED(t, call(pattern, 0, NULL, &found));
    digest_number(t, (long long)found.gl_pathc);
    globfree64(&found);
    fell(path);
}

/* The old ones ask gl_stat only. */
static int asked, asked_link;

static int ask(const char *path, struct stat *st)
{
    asked++;
    return stat(path, st);
}

static int ask_link(const char *path, struct stat *st)
{
    asked_link++;
    return lstat(path, st);
}

#define OLD_GLOB(symbol, type, free_function)                                                      \
    TEST(symbol, QUICK)                                                                            \
    {                                                                                              \
        type found = {.gl_closedir = (void (*)(void *))(void (*)(void))closedir,                   \
                      .gl_readdir = (void *)readdir,                                               \
                      .gl_opendir = (void *(*)(const char *))opendir,                              \
                      .gl_lstat = (void *)ask_link,                                                \
                      .gl_stat = (void *)ask};                                                     \
        const char *path = make_file(t, "file", "");                                               \
        asked = asked_link = 0;                                                                    \
        expect(t, ST_META, "%s", path);                                                            \
        CALLED(t, call(path, GLOB_ALTDIRFUNC, NULL, &found));                                      \
        digest_number(t, (long long)found.gl_pathc);                                               \
        free_function(&found);                                                                     \
        NEED(t, asked > 0 && asked_link == 0);                                                     \
    }
OLD_GLOB(glob_2_2_5, glob_t, globfree)
OLD_GLOB(glob64_2_2_5, glob64_t, globfree64)

static int visited;

/* What a callback calls is part of the walk. */
static int visit(const char *path, const struct stat *st, int kind)
{
    (void)st, (void)kind;
    visited += access(path, R_OK) == 0;
    return 0;
}

static int visit_more(const char *path, const struct stat *st, int kind, struct FTW *place)
{
    (void)place;
    return visit(path, st, kind);
}

static int visit_more64(const char *path, const struct stat64 *st, int kind, struct FTW *place)
{
    (void)st, (void)place;
    return visit(path, NULL, kind);
}

#define WALK(symbol, ...)                                                                          \
    TEST(symbol, QUICK)                                                                            \
    {                                                                                              \
        const char *path = tree(t);                                                                \
        visited = 0;                                                                               \
        CALLED(t, call(path, __VA_ARGS__));                                                        \
        digest_number(t, visited);                                                                 \
        fell(path);                                                                                \
    }
WALK(ftw, visit, 4)
WALK(nftw, visit_more, 4, FTW_PHYS)
WALK(nftw64, visit_more64, 4, FTW_PHYS)
/* They do not mind a flag that nobody knows. */
WALK(nftw_2_2_5, visit_more, 4, FTW_PHYS | 1 << 20)
WALK(nftw64_2_2_5, visit_more64, 4, FTW_PHYS | 1 << 20)

static FTS *walk(struct trial *t, const char *path)
{
    char *const paths[] = {(char *)(uintptr_t)path, NULL};
    FTS *fts = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    if (!fts)
        fail(t, "fts_open: %s", strerror(errno));
    return fts;
}

TEST(fts_open, QUICK)
{
    const char *path = nameless_tree(t);
    char *const paths[] = {(char *)(uintptr_t)path, NULL};
    FTS *fts = CALLED(t, call(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL));
    if (fts)
        fts_close(fts);
    fell(path);
}

TEST(fts_read, QUICK)
{
    const char *path = nameless_tree(t);
    FTS *fts = walk(t, path);
    FTSENT *entry = CALLED(t, call(fts));
    digest_text(t, entry ? entry->fts_name : "none");
    fts_close(fts);
    fell(path);
}

TEST(fts_children, QUICK)
{
    const char *path = nameless_tree(t);
    FTS *fts = walk(t, path);
    fts_read(fts);
    FTSENT *entry = CALLED(t, call(fts, 0));
    digest_number(t, entry != NULL);
    fts_close(fts);
    fell(path);
}

TEST(fts_close, QUICK)
{
    const char *path = nameless_tree(t);
    FTS *fts = walk(t, path);
    CALLED(t, call(fts));
    fell(path);
}

/* ---- the table of mounts ----------------------------------------------------------------------*/

static FILE *mounts(struct trial *t)
{
    const char *path = make_file(t, "mounts", "/dev/none /none ext4 rw 0 0\n");
    return fopen(path, "r");
}

TEST(getmntent, QUICK)
{
    FILE *f = mounts(t);
    struct mntent *entry = CALLED(t, call(f));
    digest_text(t, entry ? entry->mnt_dir : "none");
    fclose(f);
}

TEST(getmntent_r, QUICK)
{
    FILE *f = mounts(t);
    struct mntent space, *entry;
    char buf[256];
    entry = CALLED(t, call(f, &space, buf, sizeof(buf)));
    digest_text(t, entry ? entry->mnt_dir : "none");
    fclose(f);
}
