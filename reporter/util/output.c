/* See output.h. */
#define _GNU_SOURCE
#include "output.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util.h"

bool output_is_utf8(void)
{
    static int known; /* 0: not asked yet; 1: no; 2: yes */
    if (known == 0) {
        setlocale(LC_CTYPE, "");
        known = strcasecmp(nl_langinfo(CODESET), "UTF-8") == 0 ? 2 : 1;
    }
    return known == 2;
}

void text_to_ascii(struct strbuf *text)
{
    static const char *const own[][2] = {{"µs", "us"}, {"→", "->"}, {"…", "..."}, {"█", "#"},
                                         {"▉", "#"},   {"▊", "#"},  {"▋", "#"},   {"▌", "#"},
                                         {"▍", ":"},   {"▎", ":"},  {"▏", ":"}};
    struct strbuf plain = {0};
    sb_add(&plain, "");
    for (size_t i = 0; i < text->len;) {
        size_t replaced = 0;
        for (size_t j = 0; (text->data[i] & 0x80) != 0 && replaced == 0 && j < COUNT_OF(own); j++) {
            if (starts_with(text->data + i, own[j][0])) {
                sb_add(&plain, own[j][1]);
                replaced = strlen(own[j][0]);
            }
        }
        if (replaced == 0)
            sb_addn(&plain, text->data + i, 1);
        i += replaced > 0 ? replaced : 1;
    }
    sb_free(text);
    *text = plain;
}

bool output_is_terminal(int fd)
{
    return isatty(fd) == 1;
}

bool output_wants_color(int fd)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    return output_is_terminal(fd) && (no_color == NULL || no_color[0] == '\0') &&
           (term == NULL || strcmp(term, "dumb") != 0);
}

/* Writes the temporary file that then takes the name. */
static int write_temporary(int fd, const char *text, size_t len)
{
    int result = write_all(fd, text, len);
    mode_t mask = umask(0);
    umask(mask);
    if (result == 0 && fchmod(fd, 0666 & ~mask) != 0)
        result = -errno;
    if (result == 0 && fsync(fd) != 0 && errno != EINVAL)
        result = -errno;
    if (close(fd) != 0 && result == 0)
        result = -errno;
    return result;
}

int output_to_file(const char *path, const char *text, size_t len)
{
    struct stat st;
    int result;
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
        /* /dev/stdout, a FIFO: cannot be replaced, only written to. */
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        result = fd < 0 ? -errno : write_all(fd, text, len);
        if (fd >= 0)
            close(fd);
    } else {
        char *temporary = mem_printf("%s.XXXXXX", path);
        int fd = mkostemp(temporary, O_CLOEXEC);
        result = fd < 0 ? -errno : write_temporary(fd, text, len);
        if (result == 0 && rename(temporary, path) != 0)
            result = -errno;
        if (result < 0 && fd >= 0)
            unlink(temporary);
        free(temporary);
    }
    if (result < 0)
        complain("%s: cannot be written: %s; nothing was changed", path, strerror(-result));
    return result;
}

int output_to_stdout(const char *text, size_t len)
{
    int result = write_all(STDOUT_FILENO, text, len);
    if (result < 0 && result != -EPIPE)
        complain("standard output: cannot write the report: %s; use -o FILE", strerror(-result));
    return result == -EPIPE ? 0 : result;
}

static _Noreturn void exec_pager(const char *command, const int pipe_fds[2])
{
    dup2(pipe_fds[0], STDIN_FILENO);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    setenv("LESS", "FRX", 0);
    setenv("LESSCHARSET", "utf-8", 0);
    signal(SIGPIPE, SIG_DFL);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(EXIT_FAILURE);
}

int output_to_pager(const char *text, size_t len)
{
    const char *command = getenv("STALLTRACE_PAGER");
    if (command == NULL)
        command = getenv("PAGER");
    if (command == NULL)
        command = "less -FRX";
    int fds[2];
    if (command[0] == '\0' || strcmp(command, "cat") == 0 || pipe2(fds, O_CLOEXEC) != 0)
        return output_to_stdout(text, len);
    pid_t pager = fork();
    if (pager == 0)
        exec_pager(command, fds);
    close(fds[0]);
    /* A pager that is left early closes the pipe: no error. */
    signal(SIGPIPE, SIG_IGN);
    if (pager > 0)
        (void)write_all(fds[1], text, len);
    close(fds[1]);
    int status = 0;
    if (pager < 0)
        return output_to_stdout(text, len);
    /* Ctrl-C is for the pager. */
    signal(SIGINT, SIG_IGN);
    while (waitpid(pager, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status) && (WEXITSTATUS(status) == 127 || WEXITSTATUS(status) == 126))
        return output_to_stdout(text, len);
    return 0;
}
