/* Bodies: System V queues and semaphores, POSIX message queues, the system's log. */
#include "selftest.h"

struct message {
    long type;
    char text[8];
};

static int queue;
static struct message hello = {1, "hello"};

static int make_queue(struct trial *t)
{
    queue = msgget(IPC_PRIVATE, 0600);
    if (queue < 0)
        fail(t, "msgget: %s", strerror(errno));
    expect(t, ST_IPC, "id %d", queue);
    return queue;
}

static void send_message(void *unused)
{
    (void)unused;
    msgsnd(queue, &hello, 8, 0);
}

static void receive_message(void *unused)
{
    struct message m;
    (void)unused;
    if (msgrcv(queue, &m, 8, 0, 0) < 0)
        abort();
}

TEST(msgrcv, HANGS)
{
    struct message m = {0, ""};
    make_queue(t);
    release_by(t, send_message, NULL);
    CALLED(t, call(queue, &m, 8, 0, 0));
    digest_text(t, m.text);
    msgctl(queue, IPC_RMID, NULL);
}

TEST(msgsnd, HANGS)
{
    make_queue(t);
    while (msgsnd(queue, &hello, 8, IPC_NOWAIT) == 0)
        ;
    release_by(t, receive_message, NULL);
    CALLED(t, call(queue, &hello, 8, 0));
    msgctl(queue, IPC_RMID, NULL);
}

static int semaphores;
static struct sembuf take = {0, -1, 0}, give = {0, 1, 0};

static void give_one(void *unused)
{
    (void)unused;
    semop(semaphores, &give, 1);
}

#define SEM(symbol, ...)                                                                           \
    TEST(symbol, HANGS)                                                                            \
    {                                                                                              \
        struct timespec limit = {600, 0};                                                          \
        (void)limit;                                                                               \
        semaphores = semget(IPC_PRIVATE, 1, 0600);                                                 \
        NEED(t, semaphores >= 0);                                                                  \
        release_by(t, give_one, NULL);                                                             \
        expect(t, ST_IPC, "id %d", semaphores);                                                    \
        CALLED(t, call(__VA_ARGS__));                                                              \
        semctl(semaphores, 0, IPC_RMID);                                                           \
    }
SEM(semop, semaphores, &take, 1)
SEM(semtimedop, semaphores, &take, 1, &limit)

/* ---- POSIX ------------------------------------------------------------------------------------*/

static mqd_t messages;

static const char *object_name(void)
{
    static char name[64];
    snprintf(name, sizeof(name), "/stalltrace-selftest-%d", (int)getpid());
    return name;
}

static void make_messages(struct trial *t)
{
    struct mq_attr attributes = {.mq_maxmsg = 1, .mq_msgsize = 8};
    messages = mq_open(object_name(), O_RDWR | O_CREAT | O_EXCL, 0600, &attributes);
    if (messages < 0)
        fail(t, "mq_open: %s", strerror(errno));
    mq_unlink(object_name());
}

static void mq_send_one(void *unused)
{
    (void)unused;
    mq_send(messages, "hello", 6, 0);
}

static void mq_receive_one(void *unused)
{
    char buf[8];
    (void)unused;
    if (mq_receive(messages, buf, sizeof(buf), NULL) < 0)
        abort();
}

#define MQ_RECEIVE(symbol, ...)                                                                    \
    TEST(symbol, HANGS)                                                                            \
    {                                                                                              \
        char buf[8] = "";                                                                          \
        struct timespec until;                                                                     \
        in_ms(&until, CLOCK_REALTIME, 600000);                                                     \
        make_messages(t);                                                                          \
        release_by(t, mq_send_one, NULL);                                                          \
        CALLED(t, call(messages, buf, sizeof(buf), NULL, ##__VA_ARGS__));                          \
        digest_text(t, buf);                                                                       \
        mq_close(messages);                                                                        \
    }
MQ_RECEIVE(mq_receive)
MQ_RECEIVE(mq_timedreceive, &until)

#define MQ_SEND(symbol, ...)                                                                       \
    TEST(symbol, HANGS)                                                                            \
    {                                                                                              \
        struct timespec until;                                                                     \
        in_ms(&until, CLOCK_REALTIME, 600000);                                                     \
        make_messages(t);                                                                          \
        mq_send_one(NULL);                                                                         \
        release_by(t, mq_receive_one, NULL);                                                       \
        CALLED(t, call(messages, "hello", 6, 0, ##__VA_ARGS__));                                   \
        mq_close(messages);                                                                        \
    }
MQ_SEND(mq_send)
MQ_SEND(mq_timedsend, &until)

TEST(mq_open, QUICK)
{
    struct mq_attr attributes = {.mq_maxmsg = 1, .mq_msgsize = 8}, found = {0};
    expect(t, ST_IPC, "%s", object_name());
    mqd_t fd = CALLED(t, call(object_name(), O_RDWR | O_CREAT, 0600, &attributes));
    result_is(t, fd >= 0);
    mq_getattr(fd, &found);
    digest_number(t, found.mq_msgsize);
    mq_close(fd);
    mq_unlink(object_name());
}

TEST(__mq_open_2, QUICK)
{
    make_messages(t);
    expect(t, ST_IPC, "%s", object_name());
    CALLED(t, call(object_name(), O_RDONLY)); /* it is not there */
    mq_close(messages);
}

TEST(mq_unlink, QUICK)
{
    expect(t, ST_IPC, "%s", object_name());
    CALLED(t, call(object_name()));
}

TEST(sem_open, QUICK)
{
    int value = 0;
    expect(t, ST_IPC, "%s", object_name());
    sem_t *sem = CALLED(t, call(object_name(), O_RDWR | O_CREAT, 0600, 3));
    NEED(t, sem != SEM_FAILED);
    sem_getvalue(sem, &value);
    digest_number(t, value);
    sem_close(sem);
    sem_unlink(object_name());
}

TEST(sem_unlink, QUICK)
{
    expect(t, ST_IPC, "%s", object_name());
    CALLED(t, call(object_name()));
}

/* ---- the log: of the least importance, and masked ---------------------------------------------*/

#define LOG(symbol, ...)                                                                           \
    TEST(symbol, QUICK)                                                                            \
    {                                                                                              \
        int mask = setlogmask(LOG_MASK(LOG_EMERG));                                                \
        CALLED_VOID(t, __VA_ARGS__);                                                               \
        setlogmask(mask);                                                                          \
    }
LOG(syslog, call(LOG_DEBUG, "%s %d", "selftest", 1))
LOG(__syslog_chk, call(LOG_DEBUG, 1, "%s %d", "selftest", 1))

static void list_vsyslog(fn_vsyslog *call, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    call(LOG_DEBUG, format, list);
    va_end(list);
}

static void list_vsyslog_chk(fn___vsyslog_chk *call, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    call(LOG_DEBUG, 1, format, list);
    va_end(list);
}

LOG(vsyslog, list_vsyslog(call, "%s %d", "selftest", 1))
LOG(__vsyslog_chk, list_vsyslog_chk(call, "%s %d", "selftest", 1))

TEST(openlog, QUICK)
{
    CALLED_VOID(t, call("selftest", 0, LOG_USER));
    closelog();
}

TEST(closelog, QUICK)
{
    CALLED_VOID(t, call());
}
